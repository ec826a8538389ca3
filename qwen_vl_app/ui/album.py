"""Pictures opened a moment ago, kept so that a follow-up does not open its picture again."""

from collections import OrderedDict
from pathlib import Path

from qwen_vl_app.catalogue import Detail
from qwen_vl_app.host import Host
from qwen_vl_app.media import Picture
from qwen_vl_app.ui.preview import png, shown_by_browsers

LIMIT = 128 * 1024 * 1024  # bytes of pixels
PREVIEW = ".png"  # is added to the name of what browsers cannot draw


class Album:
    """The most recently used pictures, at most `limit` bytes of pixels."""

    def __init__(self, host: Host, limit: int = LIMIT) -> None:
        self._host = host
        self._limit = limit
        self._pictures: OrderedDict[tuple[Path, Detail, str], Picture] = OrderedDict()

    async def open(self, path: str, detail: Detail = "usual") -> Picture:
        """The uploaded picture at `path`, fitted for the model and the detail wanted.

        Raises:
            BadRequest: it cannot be read; the message names the file as its owner does.
        """
        file = _original(Path(path))
        key = file, detail, self._host.model.name  # another model may want another size
        picture = self._pictures.get(key) or await self._host.picture(file, file.name, detail=detail)
        self._pictures[key] = picture
        self._pictures.move_to_end(key)
        while len(self._pictures) > 1 and sum(len(kept.image.rgb) for kept in self._pictures.values()) > self._limit:
            self._pictures.popitem(last=False)
        return picture

    async def viewable(self, path: str) -> str:
        """`path` if browsers can draw it, else the path of a PNG of it as the model sees it; raises as `open`."""
        picture = await self.open(path)
        if shown_by_browsers(Path(path)):
            return path
        preview = path + PREVIEW
        _write(preview, png(picture.image))
        return preview


def _write(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)


def _original(file: Path) -> Path:
    """The file that `file` is a preview of, or itself."""
    original = file.with_suffix("")
    return original if file.suffix == PREVIEW and original.is_file() else file
