"""The demo model, which stands in while the model is on its way: for its own examples, and for whoever asks it to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qwen_vl_app.host import DEMO, Host
from qwen_vl_app.ui.album import Album

ANSWERING = ("ready", "restarting")  # states in which the model itself is asked


@dataclass(frozen=True)
class Seat:
    """Who answers a turn, and the pictures opened for it; `stands_in`: it is the demo in the place of the model."""

    host: Host
    album: Album
    stands_in: bool = False


class StandIn:
    """Finds who answers."""

    def __init__(self, host: Host, album: Album, examples: Sequence[str]) -> None:
        """`examples` are the demo's own pictures."""
        self._own = Seat(host, album)
        self._examples = {Path(path).read_bytes() for path in examples if Path(path).is_file()}
        self._demo: Seat | None = None

    def wanted(self, picture: str) -> bool:
        """Whether the demo answers without being asked to: the model is not there, and the picture is its own."""
        host = self._own.host
        return host.model.name != DEMO and host.state not in ANSWERING and bool(picture) and self._knows(Path(picture))

    def _knows(self, picture: Path) -> bool:
        return picture.is_file() and picture.read_bytes() in self._examples

    async def seat(self, stands_in: bool) -> Seat:
        """The model's, or the demo's.

        Raises:
            SetupError: the demo cannot be loaded.
        """
        if not stands_in or self._own.host.model.name == DEMO:
            return self._own
        if self._demo is None:
            demo = await self._own.host.demo()
            self._demo = Seat(demo, Album(demo), stands_in=True)
        return self._demo
