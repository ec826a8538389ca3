"""Who is at the other end of a request: the person who runs this program, or anybody."""

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

OPERATOR_COOKIE = "operator"
TOKEN_BYTES = 16
# A proxy on this machine makes everybody's requests come from it; each of these says that there is one.
PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


class Operators:
    """Who may choose, cancel and delete models: who sits at this machine, or knows the token from its terminal."""

    def __init__(self, token: str = "") -> None:
        """`token` is a new random one unless it is given."""
        self.token = token or secrets.token_urlsafe(TOKEN_BYTES)

    def allow(self, peer: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """Whether the request from the address `peer` is an operator's; header names in lower case."""
        return self.know(cookies.get(OPERATOR_COOKIE, "")) or at_this_machine(peer, headers)

    def know(self, token: str) -> bool:
        """Whether `token` is the one, compared in constant time."""
        return hmac.compare_digest(token.encode(), self.token.encode())


def at_this_machine(peer: str, headers: Mapping[str, str]) -> bool:
    """Whether the request came from this machine's own browser: no network, no other name, no proxy in between."""
    direct = not any(name in headers for name in PASSED_ON)
    return direct and is_loopback(peer) and is_loopback(host_name(headers.get("host", "")))


def host_name(netloc: str) -> str:
    """The host of a `Host` header, without port and brackets; "" if it is none."""
    try:
        return urlsplit("//" + netloc).hostname or ""
    except ValueError:
        return ""


def is_loopback(name: str) -> bool:
    """Whether the name means this machine; other names here are another site's (DNS rebinding)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
