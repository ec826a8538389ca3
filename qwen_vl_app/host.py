"""Which model answers, and how a picture and a question become a request for it."""

from pathlib import Path

from qwen_vl_app import media
from qwen_vl_app.catalogue import Model
from qwen_vl_app.chat import Message, Request
from qwen_vl_app.engine import Engine
from qwen_vl_app.settings import Settings


class Host:
    """The model that answers and its engine."""

    def __init__(self, settings: Settings, model: Model, engine: Engine) -> None:
        self.settings = settings
        self.model = model
        self.engine = engine

    async def picture(self, source: Path | bytes, name: str) -> media.Picture:
        """The picture, fitted for the model that answers.

        Raises:
            BadRequest: it cannot be read or is too large; see `media.open_picture`.
        """
        return await media.open_picture(source, name, self.model.budget, self.settings.max_short_side)

    def request(self, messages: tuple[Message, ...], owner: str) -> Request:
        """A request with the model's own sampling."""
        return Request(messages, sampling=self.model.sampling, owner=owner)
