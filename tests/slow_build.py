"""An installation of the engine that takes as long as a test wants, and ends as it says: it speaks as `child` does."""

import sys
from pathlib import Path

from qwen_vl_app.install.meanwhile import Installation

SHARE = 0.25
WHY = {"en": "It could not be built: no such thing; details: /home/me/log", "zh": "编译失败：没有；详情见 /home/me/log"}
CODE = f"""
import json, os, pathlib, sys, threading, time
folder = pathlib.Path(sys.argv[1])
threading.Thread(target=lambda: (os.read(0, 1), os._exit(9)), daemon=True).start()
(folder / f"child-{{os.getpid()}}").touch()
print("[2/3] 编译", flush=True)
print("\\x1e" + json.dumps({{"share": {SHARE}}}), flush=True)
while not (folder / "word").exists():
    time.sleep(0.02)
word = (folder / "word").read_text()
(folder / "word").unlink()
if word == "die":
    os.kill(os.getpid(), 9)
if word == "fail":
    print("\\x1e" + json.dumps({{"failed": {WHY!r}}}), flush=True)
    sys.exit(1)
"""


class SlowBuild:
    """The installation, and what it waits for."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the test's own."""
        self._folder = folder / "build"
        self._folder.mkdir()
        self.installation = Installation([sys.executable, "-c", CODE, str(self._folder)])

    def say(self, word: str) -> None:
        """Let it end: `go`, `fail` or `die`."""
        part = self._folder / "part"
        part.write_text(word)
        part.replace(self._folder / "word")

    @property
    def children(self) -> list[int]:
        """The processes that it began."""
        return [int(path.name.partition("-")[2]) for path in self._folder.glob("child-*")]
