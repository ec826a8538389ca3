"""Who asks: the API key, and whose cache, queue place and answers are theirs."""

import hashlib
import hmac

from fastapi import Request

from qwen_vl_app.errors import Unauthorized


class Access:
    """The guard of `/v1`; with an empty key everybody may ask."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def check(self, request: Request) -> None:
        """Let the request through if it carries the key.

        Raises:
            Unauthorized: it does not.
        """
        # Header text is bytes read as latin-1; every given key is compared, in constant time.
        if self._key and not any(hmac.compare_digest(key.encode("latin-1"), self._key) for key in _keys(request)):
            raise Unauthorized()

    def owner(self, request: Request) -> str:
        """Who is kept apart from others: the holders of a key, else an address.

        A key that nobody checks separates nobody: many clients send the same placeholder.
        """
        if self._key:
            return "key:" + hashlib.sha256(self._key).hexdigest()[:16]
        return "peer:" + (request.client.host if request.client else "")


def _keys(request: Request) -> list[str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    bearer = [value.strip()] if scheme.lower() == "bearer" else []
    return bearer + request.headers.getlist("x-api-key")
