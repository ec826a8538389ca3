"""Measures one OpenAI-compatible vision server from outside; the same requests for ours and for any other."""

import base64
import io
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import httpx2
from PIL import Image

PICTURE = (640, 480)  # px: 300 tokens
PATIENCE = 600.0  # seconds
STORY = "Tell me a long story."


@dataclass
class Timed:
    """One streamed answer: seconds from the request to each piece of it, its text and its number of tokens."""

    stamps: list[float] = field(default_factory=list)
    text: str = ""
    tokens: int = 0

    @property
    def first(self) -> float:
        """Seconds to the first token."""
        return self.stamps[0]

    @property
    def gaps(self) -> list[float]:
        """Seconds between one piece and the next."""
        return [after - before for before, after in zip(self.stamps, self.stamps[1:], strict=False)]

    @property
    def rate(self) -> float:
        """Tokens per second after the first."""
        return (self.tokens - 1) / (self.stamps[-1] - self.stamps[0])


def picture(seed: int) -> str:
    """A data: URL of a picture that no server has seen before."""
    chance = random.Random(seed)
    image = Image.effect_noise((PICTURE[0] // 8, PICTURE[1] // 8), 80).convert("RGB").resize(PICTURE)
    for _ in range(20):
        colour = tuple(chance.randrange(256) for _ in range(3))
        image.paste(colour, (chance.randrange(PICTURE[0] - 40), chance.randrange(PICTURE[1] - 40), *PICTURE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def user(text: str, *pictures: str) -> dict[str, Any]:
    """A user turn of the OpenAI API."""
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}


class Client:
    """Asks the server at `url` (without /v1)."""

    def __init__(self, url: str) -> None:
        fresh = httpx2.Limits(max_keepalive_connections=0)  # servers close idle connections at different times
        self._client = httpx2.Client(base_url=url.rstrip("/"), timeout=PATIENCE, limits=fresh)
        self._seed = time.time_ns()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fresh(self) -> str:
        """A new picture."""
        self._seed += 1
        return picture(self._seed)

    def ask(self, messages: Sequence[dict[str, Any]], tokens: int) -> Timed:
        """Stream a greedy answer of up to `tokens` tokens."""
        body = {
            "model": "default",
            "messages": list(messages),
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        timed, started = Timed(), time.perf_counter()
        with self._client.stream("POST", "/v1/chat/completions", json=body) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    _note(timed, json.loads(line[6:]), time.perf_counter() - started)
        return timed

    def at_once(self, number: int, tokens: int) -> float:
        """Tokens per second of `number` answers together."""
        started = time.perf_counter()
        with ThreadPoolExecutor(number) as pool:
            asked = [pool.submit(self.ask, [user(f"{STORY} ({i})")], tokens) for i in range(number)]
            total = sum(answer.result().tokens for answer in asked)
        return total / (time.perf_counter() - started)

    def beside_a_picture(self, tokens: int) -> tuple[Timed, Timed]:
        """A long answer, and one about a new picture that is asked for in its midst."""
        with ThreadPoolExecutor(1) as pool:
            story = pool.submit(self.ask, [user(STORY)], tokens)
            time.sleep(1.0)
            pictured = self.ask([user("Describe this picture.", self.fresh())], 2)
            return story.result(), pictured


def _note(timed: Timed, event: dict[str, Any], now: float) -> None:
    if event.get("usage"):
        timed.tokens = event["usage"]["completion_tokens"]
    for choice in event.get("choices", ()):
        content = choice["delta"].get("content")
        if content is not None and "role" not in choice["delta"]:
            timed.stamps.append(now)
            timed.text += content


@contextmanager
def busy_process() -> Iterator[None]:
    """Another program that keeps one processor core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(client: Client, streams: Sequence[int]) -> dict[str, float]:
    """One round: every number of the table, times in seconds, rates in tokens per second."""
    numbers: dict[str, float] = {}
    asked = [user("Describe this picture.", client.fresh())]
    answer = client.ask(asked, 300)
    numbers["first_token_new_picture"] = answer.first
    asked += [{"role": "assistant", "content": answer.text}, user("And what else?")]
    numbers["first_token_follow_up"] = client.ask(asked, 2).first
    numbers["follow_up_ratio"] = numbers["first_token_follow_up"] / answer.first
    numbers["decode_1"] = client.ask([user(STORY)], 96).rate
    for number in streams:
        numbers[f"decode_{number}"] = client.at_once(number, 64)
    story, pictured = client.beside_a_picture(250)
    numbers["median_gap"] = median(story.gaps)
    numbers["longest_gap"] = max(story.gaps)
    numbers["gap_ratio"] = numbers["longest_gap"] / numbers["median_gap"]
    numbers["first_token_beside_a_stream"] = pictured.first
    with busy_process():
        numbers["decode_1_beside_a_busy_process"] = client.ask([user(STORY)], 64).rate
    return numbers
