"""The real server in a thread, on a free port, for tests that talk to it over HTTP."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from qwen_vl_app import server
from qwen_vl_app.host import Host
from qwen_vl_app.peers import Operators
from qwen_vl_app.scratch import private_folder, uploads_in


def built(host: Host, operators: Operators | None = None) -> FastAPI:
    """The app, built where a loop runs: where none does, Gradio's locks make one and never close it."""

    async def build() -> FastAPI:
        return server.create_app(host, operators=operators)

    with ThreadPoolExecutor(1) as thread:  # Playwright's own loop runs in this one
        return thread.submit(asyncio.run, build()).result()


@contextmanager
def served(host: Host, root: Path, operators: Operators | None = None, port: int = 0) -> Iterator[str]:
    """The address of a server that answers with `host`; its folder of uploads lies below `root`; 0 is any port."""
    with server.listen(replace(host.settings, port=port)) as door, private_folder(root) as folder, uploads_in(folder):
        config = uvicorn.Config(built(host, operators), log_level="critical", timeout_graceful_shutdown=1)
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        try:
            _wait(running)
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(20)


def _wait(running: uvicorn.Server) -> None:
    end = time.monotonic() + 30
    while not running.started:
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.02)
