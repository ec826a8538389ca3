"""The private folder where uploads lie: one per process, gone when it ends, swept by the next if it was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "qwen-vl-app-"
LOCK = "lock"


@contextmanager
def private_folder(root: Path | None = None) -> Iterator[Path]:
    """A folder below the system's temporary one that only this user can read; removed at the end."""
    root = root or Path(tempfile.gettempdir())
    sweep(root)
    # Locked before it has its final name, so that another start never takes it for a dead one's.
    new = Path(tempfile.mkdtemp(prefix="new-" + PREFIX, dir=root))
    with (new / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = new.rename(root / new.name.removeprefix("new-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(root: Path) -> None:
    """Remove this user's folders whose process is dead."""
    for folder in root.glob(PREFIX + "*"):
        with suppress(OSError):
            if not folder.is_symlink() and folder.stat().st_uid == os.getuid() and _dead(folder):
                shutil.rmtree(folder)


def _dead(folder: Path) -> bool:
    with (folder / LOCK).open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def uploads_in(folder: Path) -> Iterator[None]:
    """Everything that Gradio and `tempfile` write in this process goes into `folder`."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    gradio_before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        os.environ.pop("GRADIO_TEMP_DIR")
        if gradio_before is not None:
            os.environ["GRADIO_TEMP_DIR"] = gradio_before
