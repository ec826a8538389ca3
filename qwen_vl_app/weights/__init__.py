"""The model's files: from what a person calls the model to two verified paths, over any network.

`named` tells which model is meant, `fetch` brings its files, `refined` adds what only they tell; `bytes_here`,
`remove` and `addresses` are for the person who chooses. Nothing here knows the engine.
"""

from qwen_vl_app.weights.failures import Cancelled, NoHub, WeightsError
from qwen_vl_app.weights.fetch import fetch
from qwen_vl_app.weights.hubs import addresses
from qwen_vl_app.weights.names import named, refined
from qwen_vl_app.weights.progress import Progress, Terminal
from qwen_vl_app.weights.shelf import bytes_here, remember, remembered, remove

__all__ = [
    "Cancelled",
    "NoHub",
    "Progress",
    "Terminal",
    "WeightsError",
    "addresses",
    "bytes_here",
    "fetch",
    "named",
    "refined",
    "remember",
    "remembered",
    "remove",
]
