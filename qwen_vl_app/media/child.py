"""The program of the limited child: one request on standard input, one reply on standard output.

Both are a line of JSON followed by bytes. The request names an operation and its numbers; the picture follows or
lies at `path`. The reply names its pictures, whose pixels follow, or the refusal.
"""

import io
import json
import os
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from qwen_vl_app.catalogue import PictureBudget
from qwen_vl_app.media import decode
from qwen_vl_app.media.fit import fit

MEMORY = 2 * 1024**3  # bytes of address space (reliability.md, fault 13)
SECONDS = 10  # of processor time; the parent also counts 10 s of wall time

Reply = tuple[dict[str, Any], list[bytes]]


def limit() -> None:
    """Take from this process the memory, time and files that it must not use."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if sys.platform != "darwin":  # there the parent watches the memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def fitted(file: IO[bytes], request: dict[str, Any]) -> Reply:
    """The whole picture on one canvas."""
    image = decode.open_header(file, request["kind"])
    width, height = decode.upright_size(image)
    budget = PictureBudget(request["min_tokens"], request["max_tokens"])
    target = fit(width, height, budget, request["max_short_side"])
    pixels = decode.resize(decode.decode(image, (target.inner_width, target.inner_height)), target)
    return {"width": width, "height": height}, [pixels.tobytes()]


OPERATIONS: dict[str, Callable[[IO[bytes], dict[str, Any]], Reply]] = {"fitted": fitted}


def answer(file: IO[bytes], request: dict[str, Any]) -> Reply:
    """The reply to one request; a refusal is a reply too."""
    try:
        return OPERATIONS[request["operation"]](file, request)
    except decode.TooLarge as refusal:
        return {"refusal": "too_large", "megapixels": refusal.megapixels, "limit": refusal.limit}, []
    except MemoryError:
        return {"refusal": "too_costly"}, []
    except Exception:  # decoders raise nearly everything on damaged bytes (platform.md, section 4)
        return {"refusal": "unreadable"}, []


def main() -> None:
    """Answer one request and end."""
    limit()
    warnings.simplefilter("ignore")
    request = json.loads(sys.stdin.buffer.readline() or "null")
    if request is None:  # nobody needs this process any more
        os._exit(0)
    with Path(request["path"]).open("rb") if "path" in request else io.BytesIO(sys.stdin.buffer.read()) as file:
        header, pictures = answer(file, request)
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + b"".join(pictures))
    sys.stdout.buffer.flush()
    os._exit(0)
