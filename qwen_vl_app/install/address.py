"""Where the page listens: this machine only, unless it has no desktop to open a browser on."""

import argparse
import platform
import socket
from collections.abc import Mapping, Sequence

from qwen_vl_app import settings
from qwen_vl_app.errors import Language
from qwen_vl_app.install.texts import text

EVERYWHERE = "0.0.0.0"
HOST_VARIABLE, PORT_VARIABLE = settings.PREFIX + "HOST", settings.PREFIX + "PORT"


def has_desktop(environ: Mapping[str, str], system: str, release: str) -> bool:
    """Whether a browser can be opened on this machine by the person who starts the app."""
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return False
    if system == "Darwin" or "microsoft" in release.lower():  # WSL: the browser runs on Windows beside it
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def serves(argv: Sequence[str]) -> bool:
    """Whether these arguments of app.py start the page (and not, say, `describe` or `--help`)."""
    return (not argv or argv[0] == "serve" or argv[0].startswith("-")) and not {"-h", "--help"} & set(argv)


def open_to_all(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether start.sh should listen on every network: nobody chose, and there is no desktop."""
    chosen = given("host", argv) or environ.get(HOST_VARIABLE)
    return serves(argv) and not chosen and not has_desktop(environ, platform.system(), platform.release())


def given(name: str, argv: Sequence[str]) -> str | None:
    """The value of a setting's flag in `argv`, by app.py's own rules; None if absent or malformed."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    settings.add_options(parser)
    try:
        return str(getattr(parser.parse_known_args(list(argv))[0], name) or "") or None
    except (argparse.ArgumentError, SystemExit):
        return None


def own_addresses(environ: Mapping[str, str]) -> list[str]:
    """Addresses of this machine that others may reach: the one that ssh came to, the one it goes out with."""
    ssh = environ.get("SSH_CONNECTION", "").split()
    found = [ssh[2]] if len(ssh) == 4 else []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address; nothing is sent
            found.append(probe.getsockname()[0])
        except OSError:
            found.append("127.0.0.1")
    return list(dict.fromkeys(found))


def listening(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, str]:
    """Address and port that app.py listens on when start.sh starts it with `argv`."""
    host = given("host", argv) or environ.get(HOST_VARIABLE) or settings.Settings.host
    port = given("port", argv) or environ.get(PORT_VARIABLE) or str(settings.Settings.port)
    return EVERYWHERE if open_to_all(argv, environ) else host, port


def local(host: str, port: str) -> str:
    """The URL by which this machine itself reaches what listens there."""
    host = {EVERYWHERE: "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def told(host: str, port: str, environ: Mapping[str, str]) -> str:
    """The URLs to open in a browser for what listens there."""
    hosts = own_addresses(environ) if host in (EVERYWHERE, "::") else [host]
    return ", ".join(local(each, port) for each in hosts)


def announcement(argv: Sequence[str], environ: Mapping[str, str], language: Language) -> str:
    """What is said where the page is open to all: the addresses, the password, the flags that change it."""
    host, port = listening(argv, environ)
    auth = given("auth", argv) or environ.get(settings.PREFIX + "AUTH")
    second = text("with_password" if auth else "no_password", language)
    return text("open", language, address=told(host, port, environ), port=port) + "\n" + second
