"""Pictures opened a moment ago, kept so that a follow-up does not open its picture again."""

from collections import OrderedDict
from pathlib import Path
from typing import TypeAlias

from qwen_vl_app.catalogue import Detail
from qwen_vl_app.host import Host
from qwen_vl_app.media import Picture
from qwen_vl_app.media.fit import Box
from qwen_vl_app.ui.portion import Portion, in_pixels
from qwen_vl_app.ui.preview import png, shown_by_browsers

LIMIT = 128 * 1024 * 1024  # bytes of pixels
Key: TypeAlias = tuple[Path, Detail, int, str, Box | None]
PREVIEW = ".png"  # is added to the name of what browsers cannot draw


class Album:
    """The most recently used pictures, at most `limit` bytes of pixels."""

    def __init__(self, host: Host, limit: int = LIMIT) -> None:
        self._host = host
        self._limit = limit
        self._pictures: OrderedDict[Key, Picture] = OrderedDict()

    async def open(
        self, path: str, detail: Detail = "usual", among: int = 1, portion: Portion | None = None
    ) -> Picture:
        """The uploaded picture at `path`, or a `portion` of it, fitted for the model and the detail wanted.

        It is one of `among` of a question.

        Raises:
            BadRequest: it cannot be read, or not that portion; the message names the file as its owner does.
        """
        file, region = original(path), await self._region(path, portion)
        key = file, detail, among, self._host.model.name, region  # another model may want another size
        known = self._pictures.get(key)
        opened = known or await self._host.picture(file, file.name, among=among, detail=detail, region=region)
        return self._keep(key, opened)

    async def pieces(self, path: str, detail: Detail, portion: Portion | None) -> tuple[Picture, ...]:
        """A long picture, or a `portion` of it, in pieces to be read one after the other; raises as `open`."""
        file = original(path)
        return await self._host.pieces(file, file.name, detail, await self._region(path, portion))

    async def _region(self, path: str, portion: Portion | None) -> Box | None:
        """The portion in px of the original."""
        if portion is None:
            return None
        whole = await self.open(path)
        return in_pixels(portion, whole.original_width, whole.original_height)

    async def viewable(self, path: str) -> str:
        """`path` if browsers can draw it, else the path of a PNG of it as the model sees it; raises as `open`."""
        picture = await self.open(path)
        if shown_by_browsers(Path(path)):
            return path
        preview = path + PREVIEW
        _write(preview, png(picture.image, picture.placed))
        return preview

    def _keep(self, key: Key, picture: Picture) -> Picture:
        self._pictures[key] = picture
        self._pictures.move_to_end(key)
        while len(self._pictures) > 1 and sum(len(kept.image.rgb) for kept in self._pictures.values()) > self._limit:
            self._pictures.popitem(last=False)
        return picture


def _write(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)


def original(path: str) -> Path:
    """The upload that the file at `path` is a preview of, or that file itself."""
    file, upload = Path(path), Path(path).with_suffix("")
    return upload if file.suffix == PREVIEW and upload.is_file() else file
