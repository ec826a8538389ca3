"""The model's files: from what a person calls the model to two verified paths, over any network.

`named` tells which model is meant, `fetch` brings its files, `refined` adds what only they tell. Nothing here knows
the engine.
"""

from qwen_vl_app.weights.failures import Cancelled, WeightsError
from qwen_vl_app.weights.fetch import fetch
from qwen_vl_app.weights.names import named, refined
from qwen_vl_app.weights.progress import Progress, Terminal

__all__ = ["Cancelled", "Progress", "Terminal", "WeightsError", "fetch", "named", "refined"]
