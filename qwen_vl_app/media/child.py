"""The program of the limited child: one request on standard input, one reply on standard output.

Both are a line of JSON followed by bytes. The request names an operation and its numbers; the picture follows or
lies at `path`. The reply describes the picture, and fitted pixels follow, or it names the refusal.
"""

import io
import json
import math
import os
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from qwen_vl_app.catalogue import PictureBudget
from qwen_vl_app.media import colour, decode
from qwen_vl_app.media.region import Unusable
from qwen_vl_app.media.tiles import plan

MEMORY = 2 * 1024**3  # bytes of address space (reliability.md, fault 13)
PROCESSOR = 20  # seconds of processor time of all threads; the parent ends the child after 10 s of wall time
OPEN_FILES = 64

Reply = tuple[dict[str, Any], list[bytes]]


def limit() -> None:
    """Take from this process the memory, time and files that it must not use."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
    if sys.platform != "darwin":  # it does not keep to this limit; there the parent watches the memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def fitted(file: IO[bytes], request: dict[str, Any]) -> Reply:
    """The picture, whole or in pieces, each on its canvas."""
    codes = colour.cicp(file)
    image = decode.open_header(file, request["kind"])
    width, height = decode.upright_size(image)
    budget = PictureBudget(request["min_tokens"], request["max_tokens"])
    parts = plan((width, height), budget, request["max_short_side"], request["tiled"], request["region"])
    scale = max(target.inner_width / (box[2] - box[0]) for box, target in parts)
    whole = decode.pixels(image, (math.ceil(width * scale), math.ceil(height * scale)))
    across, down = whole.width / width, whole.height / height  # less than 1 when the decoder has reduced it
    canvases = []
    for (left, top, right, bottom), target in parts:
        inner = decode.resize(whole, target, (left * across, top * down, right * across, bottom * down))
        srgb = colour.to_srgb(inner, image.info.get("icc_profile"), codes)
        canvases.append(decode.frame(srgb, target).tobytes())
    return {"width": width, "height": height, "note": decode.note(image)}, canvases


def marked(file: IO[bytes], request: dict[str, Any]) -> Reply:
    """The picture in its full size with marks drawn on it, as a PNG file."""
    from qwen_vl_app.media import marks  # fonts: not for the other operation

    codes = colour.cicp(file)
    image = decode.open_header(file, request["kind"])
    profile = image.info.get("icc_profile")
    whole = colour.to_srgb(decode.pixels(image, decode.upright_size(image)), profile, codes).convert("RGB")
    size = {"width": whole.width, "height": whole.height}
    return size, [marks.drawn(whole, request["marks"])]


OPERATIONS: dict[str, Callable[[IO[bytes], dict[str, Any]], Reply]] = {"fitted": fitted, "marked": marked}


def answer(file: IO[bytes], request: dict[str, Any]) -> Reply:
    """The reply to one request; a refusal is a reply too."""
    try:
        return OPERATIONS[request["operation"]](file, request)
    except decode.TooLarge as refusal:
        return {"refusal": "too_large", "megapixels": refusal.megapixels, "limit": refusal.limit}, []
    except Unusable:
        return {"refusal": "region"}, []
    except MemoryError:
        return {"refusal": "too_costly"}, []
    except Exception:  # decoders raise nearly everything on damaged bytes (platform.md, section 4)
        return {"refusal": "unreadable"}, []


def main() -> None:
    """Answer one request and end."""
    limit()
    warnings.simplefilter("ignore")
    decode.warm()
    request = json.loads(sys.stdin.buffer.readline() or "null")
    if request is None:  # nobody needs this process any more
        os._exit(0)
    with Path(request["path"]).open("rb") if "path" in request else io.BytesIO(sys.stdin.buffer.read()) as file:
        header, canvases = answer(file, request)
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + b"".join(canvases))
    sys.stdout.buffer.close()  # the parent goes on while the operating system takes back the memory
    os._exit(0)
