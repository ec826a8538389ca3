"""A desk with a scripted engine, requests as a browser sends them, and what the browser would show."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import gradio as gr
from PIL import Image as PillowImage

from qwen_vl_app import catalogue
from qwen_vl_app.catalogue import Detail, Model
from qwen_vl_app.chat import Image
from qwen_vl_app.errors import AppError, UnreadablePicture
from qwen_vl_app.host import Host
from qwen_vl_app.media import Picture
from qwen_vl_app.media.fit import Box, Fit
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui.desk import Desk
from qwen_vl_app.ui.view import View
from tests.fake_engine import FakeEngine

T = TypeVar("T")
SIDE = 32  # px
CHAT, STATUS, TALK, QUESTION, TASK, ADDED, SHELF, SUBMIT, STOP = range(9)


def make(name: str = "a.png", shade: int = 7) -> Image:
    return Image(bytes([shade]) * SIDE * SIDE * 3, SIDE, SIDE, name)


class FakeHost(Host):
    """Opens every file but those called bad; counts."""

    def __init__(self, settings: Settings, model: Model, engine: FakeEngine) -> None:
        super().__init__(settings, model, engine)
        self.opened = 0
        self.details: list[Detail] = []

    async def picture(
        self,
        source: Path | bytes,
        name: str,
        owner: str = "",
        among: int = 1,
        detail: Detail = "usual",
        region: Box | None = None,
    ) -> Picture:
        self.opened += 1
        self.details.append(detail)
        if "bad" in name:
            raise UnreadablePicture(name=name)
        return Picture(make(name), 40, 40, Fit(SIDE, SIDE, 0, 0, SIDE, SIDE), region or (0, 0, 40, 40))


def desk(*answers: str | AppError | tuple[str, AppError], pause: float = 0.0) -> tuple[Desk, FakeEngine]:
    engine = FakeEngine(answers, pause)
    return Desk(FakeHost(Settings(ctx_size=1000), catalogue.find("demo"), engine), ["one.png", "two.png"]), engine


def request(language: str = "en", page: str = "tab", peer: str = "203.0.113.7", **cookies: str) -> Any:
    headers = {"accept-language": language, "host": "localhost:7860"}
    return SimpleNamespace(headers=headers, cookies=cookies, session_hash=page, client=SimpleNamespace(host=peer))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def views(generator: AsyncGenerator[View, None]) -> list[View]:
    return [view async for view in generator]


def last(seen: list[View], part: int) -> Any:
    """The part as the browser would show it at the end."""
    return [view[part] for view in seen if not (isinstance(view[part], dict) and view[part] == gr.skip())][-1]


def write(folder: Path, name: str, format: str) -> str:
    PillowImage.new("RGB", (8, 8), "red").save(folder / name, format)
    return str(folder / name)
