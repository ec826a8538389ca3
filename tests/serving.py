"""A real server on a free port, in the engine's event loop; and what tests send to it."""

import asyncio
import base64
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from PIL import Image

from qwen_vl_app import catalogue
from qwen_vl_app.api import router
from qwen_vl_app.engine import Engine
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from tests.conftest import Loop

# The demo's answers are short; a grammar makes one long, whatever was asked.
LONG = {"type": "json_schema", "json_schema": {"name": "long", "schema": {"type": "string", "minLength": 900}}}


def demo_host(engine: Engine, **settings: Any) -> Host:
    """A host of the demo model that is running already."""
    return Host(Settings(model="demo", ctx_size=2048, **settings), catalogue.find("demo"), engine)


def api_app(host: Host) -> FastAPI:
    """Nothing but the API."""
    app = FastAPI()
    app.include_router(router(host))
    return app


@contextmanager
def served(loop: Loop, app: FastAPI) -> Iterator[str]:
    """The address of `app`, served until the block ends."""
    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))

    async def serve() -> None:
        await server.serve(sockets=[door])

    running = asyncio.run_coroutine_threadsafe(serve(), loop.loop)
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    server.should_exit = True
    running.result(20)
    door.close()


def png(colour: str = "red", width: int = 96, height: int = 96) -> bytes:
    """A picture of one colour, as a file."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def data_url(picture: bytes, kind: str = "image/png") -> str:
    """A picture as the API takes it."""
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"


def image_part(url: str) -> dict[str, Any]:
    """A picture as a part of a message."""
    return {"type": "image_url", "image_url": {"url": url}}


def user(*parts: dict[str, Any] | str) -> dict[str, Any]:
    """A turn of the user."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return {"role": "user", "content": parts[0]}
    return {"role": "user", "content": [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]}


def chat(*messages: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The body of a request."""
    return {"messages": list(messages or (user("hi"),)), **options}
