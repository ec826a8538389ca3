"""How far the model on its way is, in words and as a share."""

from qwen_vl_app.errors import Language
from qwen_vl_app.host import Host
from qwen_vl_app.ui.texts import text
from qwen_vl_app.weights.progress import step

BEAT = 0.5  # s between two signs of life while the model is being loaded
ON_ITS_WAY = ("waiting", "downloading", "starting", "restarting")  # states in which a question waits for the model


def stage(host: Host, language: Language) -> str:
    """How far the model on its way is, in one line that everybody may read."""
    if host.downloading:
        return step(host.progress, language) if host.progress else text("downloading", language)
    return text("starting" if host.coming else host.state, language)


def arrived(host: Host) -> float | None:
    """The share of the model that is here, while it is downloaded."""
    progress = host.progress
    return progress.done / progress.total if host.downloading and progress and progress.total else None
