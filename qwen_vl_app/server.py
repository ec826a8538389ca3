"""One process, one port: the gate, `/health` and the page, served until somebody says stop."""

import errno
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from qwen_vl_app import __version__
from qwen_vl_app.api import router
from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.gate import MB, Gate
from qwen_vl_app.host import Host, open_host
from qwen_vl_app.install.meanwhile import Installation
from qwen_vl_app.keeper import Keeper
from qwen_vl_app.peers import OPERATOR_COOKIE, Operators, is_loopback
from qwen_vl_app.scratch import private_folder, uploads_in
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui.entrance import Entrance
from qwen_vl_app.ui.first_page import FirstPage
from qwen_vl_app.ui.layout import I18N
from qwen_vl_app.ui.look import CSS, theme
from qwen_vl_app.ui.page import build

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # also for code of Gradio's that is not told
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**40)  # else pandas sums up all events after each event
QUEUE_REST = 0.02  # seconds: Gradio looks for events 1000 times a second, which takes the processor from the decoding
LAST_WORDS = 2  # s that open answers get at the end; then the engine is closed under them
WELCOME = {
    "own": (
        "Open {address} in a browser.",
        "请在浏览器中打开 {address} 。",
    ),
    "password": (
        "Open {address} in a browser (a password is asked for).",
        "请在浏览器中打开 {address} （需要密码）。",
    ),
    "anybody": (
        "Open {address} in a browser. Nobody is asked for a password: --auth user:password changes that, "
        "--host 127.0.0.1 keeps the network out.",
        "请在浏览器中打开 {address} 。任何人都无需密码即可访问：用 --auth 用户名:密码 设置密码，"
        "或用 --host 127.0.0.1 只允许本机访问。",
    ),
    "operator": (
        "To choose, stop or delete models from another machine (keep this address to yourself): {operator}",
        "要从其他机器选择、停止或删除模型，请打开（此地址请勿外传）： {operator}",
    ),
}
ENDING = ("Ctrl-C ends the program.", "按 Ctrl-C 结束程序。")


def serve(settings: Settings, language: Language = "en", installation: Installation | None = None) -> int:
    """Serve the page until SIGTERM or Ctrl-C, speaking `language` in the terminal; returns the exit status.

    The `installation` of the engine, if one is to be done, begins with the page.

    Raises:
        SetupError: the port is taken, or there is no such model. One that cannot be had or loaded ends nothing: the
            page says why, and its operator may try again or choose another.
    """
    term = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with listen(settings) as door, private_folder() as folder, uploads_in(folder):
            host, operators = open_host(settings, installation), Operators()
            print(welcome(settings, language, operators.token), flush=True)
            if sys.stdin.isatty():  # else it runs in the background or for a service manager
                print(ENDING[language == "zh"], flush=True)
            run(create_app(host, language, operators), door)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, term)
    return 0


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on, taken before anything slow begins.

    Raises:
        SetupError: it is taken or not this machine's; the message names it and the flag.
    """
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror:
        raise SetupError(f"--host {settings.host}: there is no such address") from None
    door = socket.socket(found[0], found[1])
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(found[4])
        door.listen()
    except OSError as error:
        door.close()
        raise SetupError(_why_not(settings, error)) from None
    return door


def _why_not(settings: Settings, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"port {settings.port} needs administrator rights; choose another with --port {settings.port + 8000}"
    if error.errno == errno.EADDRINUSE:
        return f"port {settings.port} is in use by another program; end that one, or choose another with --port"
    return f"--host {settings.host} --port {settings.port}: {error.strerror}"


def welcome(settings: Settings, language: Language = "en", token: str = "") -> str:
    """The lines for the terminal: which address to open, who else can, and how to operate it from elsewhere."""
    address = own_address(settings)
    local = is_loopback(settings.host)
    open_to = ["own"] if local else ["password" if settings.auth else "anybody", "operator"]
    lines = (WELCOME[line][language == "zh"] for line in open_to)
    return "\n".join(lines).format(address=address, operator=f"{address}/?{OPERATOR_COOKIE}={token}")


def own_address(settings: Settings) -> str:
    """The address to open: this machine's on the network it would use if it listens on all of them."""
    return f"http://{_address(settings.host)}:{settings.port}"


def _address(host: str) -> str:
    """The address of this machine on the network it would use; nothing is sent."""
    if host not in ("0.0.0.0", "::"):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def create_app(host: Host, language: Language = "en", operators: Operators | None = None) -> FastAPI:
    """The web app: gate outermost, then `/health`, `/v1` and the page; the terminal is spoken to in `language`."""
    settings, keeper, operators = host.settings, Keeper(host, language), operators or Operators()
    page = build(keeper, operators, "" if is_loopback(settings.host) else own_address(settings))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=Life(keeper))

    @app.get("/health")
    def health() -> JSONResponse:
        """Whether questions are answered now: 200 when they are, 503 when not."""
        return JSONResponse(health_of(host), status_code=200 if host.state == "ready" else 503)

    app.include_router(router(host))
    _mount(app, page, settings)
    app.add_middleware(FirstPage, max_upload=settings.max_upload)
    app.add_middleware(Entrance, operators=operators)
    app.add_middleware(
        Gate,
        max_bytes=settings.max_upload * MB,
        auth=settings.auth,
        keyed=bool(settings.api_key),
        loopback=is_loopback(settings.host),
    )
    return app


def _mount(app: FastAPI, page: gr.Blocks, settings: Settings) -> None:
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        i18n=I18N,
        theme=theme(),
        css=CSS,
        max_file_size=settings.max_upload * MB,
        favicon_path=str(Path(__file__).parent / "ui" / "icon.png"),
    )
    # Gradio checks that an upload's path is one it gave out only after `launch`, which mounting leaves out:
    # without this line a request could name any file of this machine as its picture.
    page.has_launched = True
    # No setting of Gradio's says how long its queue rests between two looks.
    page._queue.sleep_when_free = QUEUE_REST


def health_of(host: Host) -> dict[str, object]:
    """For everybody: state, model, how far build (fraction), download (bytes), loading are, the plan in use."""
    return {
        "state": host.state,
        "model": host.model.name,
        "failure": host.failure.brief("en") if host.failure else None,
        "coming": host.coming.name if host.coming else None,
        "built": host.built,
        "download": host.progress.as_json() if host.progress else None,
        "loaded": round(host.loaded, 3),
        "plan": host.summary("en"),
        "version": __version__,
    }


class Life:
    """Brings the model while the page is up already, and closes the engine when the server ends."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    @asynccontextmanager
    async def __call__(self, app: FastAPI) -> AsyncIterator[None]:
        self._keeper.begin()
        try:
            yield
        finally:
            await self._keeper.close()


def run(app: FastAPI, door: socket.socket) -> None:
    """Serve `app` on `door` until a signal comes.

    Raises:
        KeyboardInterrupt: after a clean end by a signal.
    """
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, server_header=False, timeout_graceful_shutdown=LAST_WORDS
    )
    uvicorn.Server(config).run(sockets=[door])
