"""The model's files: from a name to two verified paths, over any network.

`fetch` is the door for the download, `named` (later `Model`) for what `--model` says; nothing here knows the engine.
"""

from qwen_vl_app.weights.failures import Cancelled, WeightsError
from qwen_vl_app.weights.fetch import fetch
from qwen_vl_app.weights.progress import Progress, Terminal

__all__ = ["Cancelled", "Progress", "Terminal", "WeightsError", "fetch"]
