"""Ask the app's engine what transformers answered: `python -m training.parity_check DIR`.

DIR is what `training.parity` made. The cases are asked one after the other by strangers (nothing can be reused), then
one, four and eight at a time on one engine, each group of cases about the same pictures in a row and twice, then four
at a time in any order and in so little room that most of what could be reused is evicted before it is needed. A
different answer is a tie if the engine took the second best token and transformers had its logit within 0.02 of the
best.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby
from pathlib import Path

from qwen_vl_app import chat, media
from qwen_vl_app.catalogue import MODELS
from qwen_vl_app.engine.local import LocalEngine
from qwen_vl_app.engine.plan import Plan

from . import evaluate, parity_cases
from .parity_cases import LONGEST, STOP, TIE, Case

TIES = 0.01  # of all answers, at most


@dataclass(frozen=True)
class Mode:
    """How the cases are asked: by how many at once, how often, and in how much room."""

    name: str
    clients: int
    rounds: int
    strangers: bool = False  # every request has an owner of its own; else each group has
    scattered: bool = False  # in any order: what could be reused may be gone or not
    room: dict[str, int] | None = None  # changes of the plan


SCARCE = {"ctx_size": 1024, "pool": 2048, "sequences": 6, "embedding_cache": 1 << 20}  # about seven pictures
MODES = (
    Mode("one by one, nothing reused", 1, 1, strangers=True),
    Mode("one at a time", 1, 2),
    Mode("four at once", 4, 2),
    Mode("eight at once", 8, 2),
    Mode(
        "four at once, evicted",
        4,
        2,
        scattered=True,
        room=SCARCE,
    ),
)


@dataclass(frozen=True)
class Reply:
    """What the engine answered to a case; `ids` as in `Case`."""

    case: Case
    text: str
    ids: tuple[int, ...]
    usage: chat.Usage
    detail: str

    @property
    def parts_at(self) -> int | None:
        """The step at which another token was taken than transformers'; None if all are equal."""
        pairs = zip(self.ids, self.case.ids, strict=False)
        return next((i for i, (ours, theirs) in enumerate(pairs) if ours != theirs), None)

    @property
    def equal(self) -> bool:
        """Whether prompt, tokens and text are transformers'."""
        same = self.parts_at is None and len(self.ids) == len(self.case.ids) and self.text == self.case.answer
        return same and self.usage.prompt_tokens == self.case.prompt_tokens

    def tie(self, most: float = TIE) -> bool:
        """Whether they part where transformers' best two were within `most`, and the engine took the second."""
        at = self.parts_at
        if at is None or self.usage.prompt_tokens != self.case.prompt_tokens:
            return False
        return self.ids[at] == self.case.seconds[at] and self.case.margins[at] <= most

    def story(self) -> str:
        """What was asked and answered, and transformers' two best tokens and their margin where they part."""
        at, case = self.parts_at, self.case
        place = {} if at is None else {"step": at, "ours": self.ids[at], "theirs": case.ids[at]}
        if at is not None:
            place |= {"second": case.seconds[at], "margin": case.margins[at]}
        tokens = [self.usage.prompt_tokens, case.prompt_tokens]
        shown = [case.kind, case.files, case.turns[-1][1], case.answer, self.text, self.detail, place, tokens]
        return json.dumps(shown, ensure_ascii=False)


Pictures = dict[str, chat.Image]


async def pictures(folder: Path, cases: Sequence[Case]) -> Pictures:
    """Open the cases' pictures as the app does.

    Raises:
        ValueError: one of them is fitted otherwise than when transformers saw it.
    """
    keys = {name: key for case in cases for name, key in zip(case.files, case.keys, strict=True)}
    opened = (media.open_picture(folder / name, name, MODELS["demo"].budget, 768) for name in keys)
    found = {name: picture.image for name, picture in zip(keys, await asyncio.gather(*opened), strict=True)}
    for name, image in found.items():
        if image.key != keys[name]:
            raise ValueError(f"{name} has other pixels for the model than when the cases were made: make them anew")
    return found


def request(case: Case, seen: Pictures, owner: str) -> chat.Request:
    """Return a case as the engine is asked it."""
    messages = []
    for i, (role, text) in enumerate(case.turns):
        shown = _shown(case, seen) if i == 0 else ()
        messages.append(chat.Message(role, (*shown, chat.Text(text))))  # type: ignore[arg-type]
    return chat.Request(tuple(messages), chat.Sampling(), max_tokens=LONGEST, owner=owner)


def _shown(case: Case, seen: Pictures) -> tuple[chat.Part, ...]:
    images = [seen[name] for name in case.files]
    if not case.frames:
        return tuple(images)
    images += images[-1:] * (len(images) % 2)  # the last frame stands for its pair alone, as in transformers
    pairs = [chat.FramePair(*two) for two in zip(images[::2], images[1::2], strict=True)]
    times = [chat.Text(stamp) for stamp in parity_cases.stamps(len(case.files))]
    return tuple(part for both in zip(times, pairs, strict=True) for part in both)


async def ask(engine: LocalEngine, case: Case, seen: Pictures, owner: str) -> Reply:
    """Ask one case."""
    ids: list[int] = []
    text, end = "", None
    async for delta in engine.stream(request(case, seen, owner)):
        if isinstance(delta, chat.Token):
            text += delta.text
            ids += [delta.id] * (delta.id >= 0)
        elif isinstance(delta, chat.Finished):
            end = delta
    assert end
    stop = [STOP] if end.reason == "stop" else []
    return Reply(case, text, (*ids, *stop), end.usage, end.detail)


def portions(mode: Mode, cases: Sequence[Case]) -> list[list[Case]]:
    """Return what the clients take one after the other: each group so often as `mode` says, or the cases one by one."""
    groups = [list(group) for _, group in groupby(cases, key=lambda case: case.group)]
    if not mode.scattered:
        return [group * mode.rounds for group in groups]
    scattered = [case for _ in range(mode.rounds) for case in cases]
    random.Random(0).shuffle(scattered)
    return [[case] for case in scattered]


async def run(engine: LocalEngine, mode: Mode, cases: Sequence[Case], seen: Pictures) -> list[Reply]:
    """Ask the cases as `mode` says."""
    left = iter(portions(mode, cases))
    numbers = count()
    replies: list[Reply] = []

    async def client() -> None:
        for portion in left:
            for case in portion:
                owner = f"stranger {next(numbers)}" if mode.strangers else f"group {case.group}"
                replies.append(await ask(engine, case, seen, owner))

    await asyncio.gather(*(client() for _ in range(mode.clients)))
    return replies


def plan(folder: Path, mode: Mode) -> Plan:
    """Return the plan for a mode."""
    made = replace(evaluate.plan(folder), parallel=mode.clients, sequences=4 * mode.clients, pool=2048 * mode.clients)
    return replace(made, **mode.room or {})  # type: ignore[arg-type]


async def check(model: Path, mode: Mode, cases: Sequence[Case], seen: Pictures) -> list[Reply]:
    """Ask the cases on an engine of their own."""
    engine = LocalEngine(plan(model, mode))
    await engine.start()
    try:
        return await run(engine, mode, cases, seen)
    finally:
        await engine.close()


def row(mode: Mode, replies: Sequence[Reply]) -> str:
    """Return a mode's counts as a row of a Markdown table."""
    other = [reply for reply in replies if not reply.equal]
    ties = sum(reply.tie() for reply in other)
    reused = sum(r.usage.cached_tokens for r in replies) / sum(r.usage.prompt_tokens for r in replies)
    counts = f"{len(replies)} | {len(replies) - len(other)} | {ties} | {len(other) - ties}"
    return f"| {mode.name} | {counts} | {reused:.0%} |"


async def _all(folder: Path, model: Path) -> bool:
    cases = parity_cases.load(folder)
    seen = await pictures(folder, cases)
    good, told = True, set()
    print("| asked | answers | equal | ties | others | tokens reused |\n|---|---|---|---|---|---|", flush=True)
    for mode in MODES:
        replies = await check(model, mode, cases, seen)
        other = [reply for reply in replies if not reply.equal]
        good &= all(reply.tie() for reply in other) and len(other) <= TIES * len(replies)
        print(row(mode, replies), flush=True)
        for line in dict.fromkeys(reply.story() for reply in other):
            if line not in told:
                print(line, file=sys.stderr)
            told.add(line)
    return good


def main() -> None:
    """Print a table; exit with 1 if an answer differs by more than a tie, or too many are ties."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="folder of the model's two files, if not with the cases")
    args = parser.parse_args()
    sys.exit(not asyncio.run(_all(args.folder, args.model or args.folder)))


if __name__ == "__main__":
    main()
