"""Pictures opened a moment ago, kept so that a follow-up does not open its picture again."""

from collections import OrderedDict
from pathlib import Path

from qwen_vl_app.host import Host
from qwen_vl_app.media import Picture
from qwen_vl_app.ui.preview import png, shown_by_browsers

LIMIT = 128 * 1024 * 1024  # bytes of pixels


class Album:
    """The most recently used pictures, at most `limit` bytes of pixels."""

    def __init__(self, host: Host, limit: int = LIMIT) -> None:
        self._host = host
        self._limit = limit
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    async def open(self, path: str) -> Picture:
        """The uploaded picture at `path`, fitted for the model.

        Raises:
            BadRequest: it cannot be read; the message names the file as its owner does.
        """
        return self._keep(path, self._pictures.get(path) or await self._host.picture(Path(path), Path(path).name))

    async def viewable(self, path: str) -> str:
        """`path` if browsers can draw it, else the path of a PNG of it as the model sees it; raises as `open`."""
        picture = await self.open(path)
        if shown_by_browsers(Path(path)):
            return path
        preview = Path(path).with_suffix(".png")
        preview.write_bytes(png(picture.image))
        self._keep(str(preview), picture)
        return str(preview)

    def _keep(self, path: str, picture: Picture) -> Picture:
        self._pictures[path] = picture
        self._pictures.move_to_end(path)
        while len(self._pictures) > 1 and sum(len(kept.image.rgb) for kept in self._pictures.values()) > self._limit:
            self._pictures.popitem(last=False)
        return picture
