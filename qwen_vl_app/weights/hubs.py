"""Where models are downloaded from: one table, and the address of a file at each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from huggingface_hub import get_token, hf_hub_url

from qwen_vl_app.catalogue import File, Model
from qwen_vl_app.errors import SetupError

AUTO = "auto"


@dataclass(frozen=True)
class Hub:
    """A place that serves model files. `pinned`: it speaks Hugging Face's protocol, so a revision can be named."""

    name: str
    endpoint: str
    pinned: bool = True
    token: str = ""

    @property
    def host(self) -> str:
        """Host name and port, as messages name the hub."""
        return urlsplit(self.endpoint).netloc

    def address(self, model: Model, file: File) -> str:
        """Where `file` of `model` is; ModelScope serves the branch master only (its bytes are checked by hash)."""
        if self.pinned:
            revision = model.revision or "main"
            return hf_hub_url(model.repo, file.name, revision=revision, endpoint=self.endpoint)
        return f"{self.endpoint}/models/{model.repo}/resolve/master/{quote(file.name)}"

    def headers(self) -> dict[str, str]:
        """What every request to the hub carries; redirects elsewhere lose the token."""
        # compressed bytes could neither be resumed nor counted
        plain = {"Accept-Encoding": "identity", "User-Agent": "qwen-vl-app"}
        return plain | {"Authorization": f"Bearer {self.token}"} if self.token else plain


HUBS = {
    hub.name: hub
    for hub in (
        Hub("huggingface", "https://huggingface.co"),
        Hub("hf-mirror", "https://hf-mirror.com"),
        Hub("modelscope", "https://modelscope.cn", pinned=False),
    )
}


def chosen(choice: str, environ: Mapping[str, str]) -> tuple[Hub, ...]:
    """The hubs that `--hub` and the environment allow, in the order of the table.

    HF_ENDPOINT takes the place of Hugging Face, and of every hub where the choice is left to the program: who sets
    it may have a reason. The token (HF_TOKEN, or the one that `hf auth login` kept) goes to that hub only.

    Raises:
        SetupError: `choice` is neither a hub's name nor an address.
    """
    endpoint = environ.get("HF_ENDPOINT", "").rstrip("/")
    token = environ.get("HF_TOKEN") or _kept_token()
    home = Hub("huggingface", endpoint or HUBS["huggingface"].endpoint, token=token)
    if choice == AUTO:
        return (home,) if endpoint else (home, *(hub for hub in HUBS.values() if hub.name != home.name))
    if choice == home.name:
        return (home,)
    if choice in HUBS:
        return (HUBS[choice],)
    if urlsplit(choice).scheme in ("http", "https") and urlsplit(choice).hostname:
        return (Hub(urlsplit(choice).netloc, choice.rstrip("/")),)
    raise SetupError(f"--hub {choice}: no such hub; known: {AUTO}, {', '.join(HUBS)}, or an address (https://…)")


def addresses(model: Model, choice: str, environ: Mapping[str, str] = os.environ) -> dict[str, dict[str, str]]:
    """Where each file of `model` can be downloaded by hand: file name → host → address; empty if it has no repository.

    Raises:
        SetupError: see `chosen`.
    """
    files = (model.model, model.mmproj) if model.repo else ()
    return {file.name: {hub.host: hub.address(model, file) for hub in chosen(choice, environ)} for file in files}


def _kept_token() -> str:
    try:
        return get_token() or ""
    except OSError:  # another person's home
        return ""


def offline(environ: Mapping[str, str]) -> bool:
    """Whether HF_HUB_OFFLINE forbids the network; the values are huggingface_hub's."""
    return environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
