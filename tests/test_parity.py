"""The demo model's greedy answers are transformers', whoever else is asking and whatever is reused.

What transformers answers lies in fixtures/parity; `python -m training.parity --shipped` writes it anew for new weights.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from qwen_vl_app import catalogue, chat
from tests.conftest import ROOT, Loop
from training import parity_cases, parity_check
from training.parity_cases import LONGEST, STOP, Case
from training.parity_check import MODES, Mode, Pictures, Reply

FOLDER = Path(__file__).parent / "fixtures" / "parity"
MODEL = catalogue.find("demo").paths(ROOT / "models")[0].parent
CASES = parity_cases.load(FOLDER)
KINDS = ("question", "own answer", "second question", "later turn", "two pictures", "frames")
WIDEST = 0.1  # logits: Q8_0 rounds activations too, each processor in its own way; seen: 0.016 at most (LOG.md)
USAGE = chat.Usage(prompt_tokens=9)
CASE = Case("question", 0, [], [("user", "?")], prompt_tokens=9, answer="ab")
CASE.ids, CASE.seconds, CASE.margins = [5, 6, STOP], [7, 8, 9], [1, 0.01, 2]


@pytest.fixture(scope="module")
def seen() -> Pictures:
    """The cases' pictures as the model sees them: the same pixels as transformers saw."""
    return asyncio.run(parity_check.pictures(FOLDER, CASES))


def test_the_expected_answers_are_of_the_shipped_files() -> None:
    assert parity_cases.hashes(MODEL) == parity_cases.known_hashes(FOLDER), "run: python -m training.parity --shipped"


def test_the_cases_are_of_all_kinds() -> None:
    kinds = Counter(case.kind for case in CASES)
    assert len(CASES) >= 30
    assert min(kinds[kind] for kind in KINDS) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("mode", [MODES[0], *MODES[3:]], ids=lambda mode: mode.name)
def test_answers_are_those_of_transformers(loop: Loop, seen: Pictures, mode: Mode) -> None:
    replies = loop.run(parity_check.check(MODEL, mode, CASES, seen), 100)
    other = [reply for reply in replies if not reply.equal]
    assert [reply.story() for reply in other if not reply.tie(WIDEST)] == []
    assert len({id(reply.case) for reply in other}) <= 2
    assert len(replies) == len(CASES) * mode.rounds
    assert any(reply.usage.cached_tokens for reply in replies) != mode.strangers


@pytest.mark.parametrize(
    ("change", "equal", "tie"),
    [
        ({}, True, False),
        ({"ids": (5, 8, STOP)}, False, True),  # the second best, almost as good
        ({"ids": (5, 7, STOP)}, False, False),  # neither of the two
        ({"ids": (7, 6, STOP)}, False, False),  # the second best by far
        ({"ids": (5, 6)}, False, False),  # does not end
        ({"ids": (5, STOP)}, False, False),  # ends too early
        ({"text": "a"}, False, False),  # loses what the tokens say
        ({"usage": chat.Usage(prompt_tokens=8)}, False, False),  # was asked something else
    ],
)
def test_what_counts_as_equal_and_as_a_tie(change: dict[str, object], equal: bool, tie: bool) -> None:
    reply = replace(Reply(CASE, "ab", (5, 6, STOP), USAGE, ""), **change)  # type: ignore[arg-type]
    assert (reply.equal, reply.tie()) == (equal, tie)


def test_a_mismatch_is_told_with_the_two_best_tokens() -> None:
    story = Reply(CASE, "ax", (5, 7, STOP), USAGE, "").story()
    assert '"step": 1, "ours": 7, "theirs": 6, "second": 8, "margin": 0.01' in story


def test_frames_are_stamped_with_the_time_of_their_pair() -> None:
    assert parity_cases.stamps(4) == ["<0.2 seconds>", "<1.2 seconds>"]
    assert parity_cases.stamps(3) == ["<0.2 seconds>", "<1.0 seconds>"]


def test_other_pixels_than_transformers_saw_are_refused() -> None:
    case = replace(CASES[0], keys=["0" * 64] * len(CASES[0].keys))
    with pytest.raises(ValueError, match="make them anew"):
        asyncio.run(parity_check.pictures(FOLDER, [case]))


def test_no_answer_is_long_enough_to_be_taken_for_a_repetition() -> None:
    assert all(len(case.ids) <= LONGEST for case in CASES)
