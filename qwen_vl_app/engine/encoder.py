"""The encoder thread: pictures become embeddings while the scheduler goes on writing for others."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

from qwen_vl_app.chat import FramePair, Image
from qwen_vl_app.engine.vision import Embedding, Vision


@dataclass
class Encode:
    """One picture to encode for one answer. `result` is set before `done` is called."""

    request_id: str
    picture: Image | FramePair
    key: tuple[str, str]  # owner, pixels
    done: Callable[["Encode"], None]
    cancelled: threading.Event = field(default_factory=threading.Event)
    result: Embedding | None = None
    error: Exception | None = None


class EmbeddingCache:
    """Embeddings by owner and picture, least recently used out first, bounded in bytes. One thread uses it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], Embedding] = OrderedDict()

    def get(self, key: tuple[str, str]) -> Embedding | None:
        """The embedding kept under `key`, if any."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: tuple[str, str], embedding: Embedding) -> None:
        """Keep `embedding`; the oldest go when the limit is passed."""
        if key in self._kept:
            self._size -= self._kept.pop(key).rows.nbytes
        self._kept[key] = embedding
        self._size += embedding.rows.nbytes
        while self._size > self._limit and self._kept:
            _, old = self._kept.popitem(last=False)
            self._size -= old.rows.nbytes


class Encoder:
    """Runs `Vision.encode` for one picture after the other in a thread of its own."""

    def __init__(self, vision: Vision, cache_bytes: int, working: Callable[..., None]) -> None:
        self._vision = vision
        self._working = working
        self._cache = EmbeddingCache(cache_bytes)
        self._queue: SimpleQueue[Encode | None] = SimpleQueue()
        self._resting = threading.Event()
        self._resting.set()
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def submit(self, task: Encode) -> None:
        """Encode `task.picture`; `task.done` is called from the encoder thread."""
        self._queue.put(task)

    @property
    def busy(self) -> bool:
        """Whether a picture is being encoded."""
        return not self._resting.is_set()

    def give_way(self, seconds: float) -> None:
        """Wait up to `seconds` for the picture that is being encoded, if one is."""
        self._resting.wait(max(0.0, seconds))

    def close(self) -> None:
        """Finish the picture in hand and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            if not task.cancelled.is_set():
                task.result = self._cache.get(task.key)
                if task.result is None:
                    self._encode_apart(task)
            task.done(task)

    def _encode_apart(self, task: Encode) -> None:
        """Encode in a thread that ends with it, and takes its helpers of libgomp along.

        More of those than processors, even asleep, and libgomp no longer spins for any: decoding at 0.6 of its rate
        (benchmarks/2026-11-22-spin.md).
        """
        thread = threading.Thread(target=self._encode, args=(task,), name="encode")
        thread.start()
        thread.join()

    def _encode(self, task: Encode) -> None:
        self._working(encoding=task.request_id)
        self._resting.clear()
        try:
            task.result = self._vision.encode(task.picture, lambda: not task.cancelled.is_set())
        except RuntimeError as error:
            task.error = error
        self._resting.set()
        self._working(encoding="")
        if task.result is not None:
            self._cache.put(task.key, task.result)
