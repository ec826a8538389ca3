"""How far the model on its way is, in words and as a share."""

from qwen_vl_app.errors import Language
from qwen_vl_app.host import Host
from qwen_vl_app.ui.texts import text
from qwen_vl_app.weights.progress import step

BEAT = 0.5  # s between two signs of life while the model is being loaded
ON_ITS_WAY = (
    "waiting",
    "installing",
    "downloading",
    "starting",
    "restarting",
)  # states in which a question waits for the model


def stage(host: Host, language: Language) -> str:
    """How far the model on its way is, in one line that everybody may read."""
    return " · ".join(words for words, _ in stages(host, language))


def stages(host: Host, language: Language) -> list[tuple[str, float | None]]:
    """What has to be done for the model on its way, in words and as a share: the engine comes with the download."""
    found: list[tuple[str, float | None]] = []
    if host.installing:
        percent = int(100 * (host.built or 0))
        found.append((text("building" if percent else "installing", language, percent=percent), host.built))
    if host.downloading:
        words = step(host.progress, language) if host.progress else text("downloading", language)
        found.append((words, arrived(host)))
    return found or [(text("starting" if host.coming else host.state, language), None)]


def arrived(host: Host) -> float | None:
    """The share of the model that is here, while it is downloaded."""
    progress = host.progress
    return progress.done / progress.total if host.downloading and progress and progress.total else None
