from typing import Any

import numpy as np

from qwen_vl_app.chat import Delta, Image, Message, Progress, Request, Text
from qwen_vl_app.engine.encoder import Encode
from qwen_vl_app.engine.job import Job
from qwen_vl_app.engine.prompt import Picture
from qwen_vl_app.engine.sequences import SequenceState
from qwen_vl_app.engine.vision import Embedding


def test_what_is_told_while_a_prompt_with_a_picture_is_read() -> None:
    told: list[Delta] = []
    sampler: Any = None
    picture = Picture("a", cells=4, positions=2)
    request = Request((Message("user", (Text("?"),)),), id="1")
    job = Job(request, [1, 2, picture, 3], {}, sampler, 10, lambda _id, delta: told.append(delta))
    task = job.encodes["a"] = Encode("1", Image(b"abc", 1, 1, "a"), ("", "a"), lambda _: None)
    job.sequence = SequenceState(0)
    job.report_reading()  # nothing is read yet: it may well be encoded before the text ahead of it is in
    job.sequence.add(1)
    job.report_reading()
    job.sequence.add(2)
    job.report_reading()
    task.result = Embedding(np.zeros((4, 1), np.float32), np.zeros((4, 4), np.int32))
    job.rows_in = 3
    job.report_reading()
    looking = Progress("looking", 0, 1)
    assert told == [looking, Progress("reading", 1, 7), looking, Progress("reading", 5, 7)]
