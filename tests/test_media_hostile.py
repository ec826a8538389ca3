"""Thousands of damaged pictures and bombs: nothing dies, nothing hangs, the web process does not grow.

All go through the child's program with its limits, in one process that reads them one after the other, since a
process for each would take minutes; a sample of them goes the whole way, each through its own process.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from qwen_vl_app import media
from qwen_vl_app.catalogue import PictureBudget
from qwen_vl_app.errors import BadRequest
from tests.damaged import bombs, damaged, valid

SEEDS = 215  # with ten cuts each of 23 valid files: 5,175 files
SAMPLE = 60  # every sixtieth goes the whole way
# Coverage could not write its file in a process that may write none.
UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
ROOT = Path(__file__).resolve().parent.parent


def outcomes(seeds: int) -> Iterator[tuple[str, str]]:
    """Name and outcome of every file; a file that ended its process has the outcome `died`."""
    done = 0
    while True:
        words = [sys.executable, "-m", "tests.damaged", str(seeds), str(done)]
        ended = subprocess.run(words, cwd=ROOT, env=UNMEASURED, capture_output=True, check=False)
        lines = ended.stdout.decode().splitlines()
        for line in lines:
            name, _, outcome = line.rpartition(": ")
            yield name, outcome or "died"
        done += len(lines)
        if ended.returncode == 0 or not lines:
            assert ended.returncode == 0, "the program of this test failed"
            return


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_thousand_damaged_pictures() -> None:
    seen = dict(outcomes(SEEDS))
    assert len(seen) >= 5_000
    assert [name for name, outcome in seen.items() if outcome == "died"] == []
    assert set(seen.values()) == {"read", "unreadable", "too_large", "no kind"}
    assert sum(outcome == "read" for outcome in seen.values()) > 1_000  # the changes are not all in vain


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def outcome(content: bytes) -> str:
    try:
        picture = await media.open_picture(content, "x", PictureBudget(4, 64), 768)
    except BadRequest as refusal:
        return refusal.code
    return f"{len(picture.image.rgb) > 0}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_the_web_process_does_not_grow() -> None:
    files = [*bombs().values(), *valid().values(), *(content for _, content in islice(damaged(SEEDS), 0, None, SAMPLE))]

    async def all_of_them() -> set[str]:
        return set(await asyncio.gather(*map(outcome, files)))

    asyncio.run(outcome(files[-1]))
    before, start = resident(), time.monotonic()
    assert asyncio.run(all_of_them()) == {"True", "unreadable_picture", "picture_too_large"}
    assert resident() - before < 50 * 1024**2
    assert time.monotonic() - start < 2.0 * len(files)  # seconds; none came near the ten of a hung child
