"""Pictures as a model sees them; none is decoded again for a follow-up, which sends the same bytes anew."""

import hashlib
from collections import OrderedDict
from pathlib import Path

from qwen_vl_app import media
from qwen_vl_app.catalogue import Detail, Model, PictureBudget
from qwen_vl_app.media.fit import Box

FINE_SIDES = 2  # a picture looked at closely may have this many times the permitted short side
KEPT_BYTES = 64 << 20  # of pixels


class Opened:
    """The pictures last opened, each known to its owner alone. Use it from one event loop."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, bytes, PictureBudget, Box | None], media.Picture] = OrderedDict()

    async def open(
        self,
        source: Path | bytes,
        name: str,
        budget: PictureBudget,
        side: int,
        owner: str = "",
        region: Box | None = None,
    ) -> media.Picture:
        """The picture as `media.open_picture` gives it; with an `owner`, the same bytes are not decoded again."""
        if not owner or isinstance(source, Path):
            return await media.open_picture(source, name, budget, side, region)
        key = (owner, hashlib.sha256(source).digest(), budget, region)
        picture = self._kept.get(key)
        if picture is None:
            picture = await media.open_picture(source, name, budget, side, region)
        self._kept[key] = picture
        self._kept.move_to_end(key)
        while sum(len(kept.image.rgb) for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return picture


def limits(model: Model, detail: Detail, tokens: int, short_side: int) -> tuple[PictureBudget, int]:
    """How much `model` may see of a picture at that detail: a budget of about `tokens` at most, a short side in px."""
    budget = model.budget_for(detail)
    most = min(budget.max_tokens, max(model.budget.min_tokens, tokens))
    side = short_side * (FINE_SIDES if detail == "fine" else 1)
    return PictureBudget(min(budget.min_tokens, most), most), side
