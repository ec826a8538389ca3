"""The same file gives the same pixels whoever asks: the page, `/describe`, `/v1` and the command line."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from gradio_client import Client, handle_file
from PIL import Image as PillowImage

from qwen_vl_app import catalogue, describing, tasks
from qwen_vl_app.chat import Image
from qwen_vl_app.describing import Wanted
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui.desk import Desk
from qwen_vl_app.ui.talk import Talk
from tests.desk import request, views
from tests.fake_engine import FakeEngine
from tests.site import served

ORIENTATION, SIDEWAYS = 0x0112, 6


def sideways_jpeg(file: Path) -> None:
    picture = PillowImage.radial_gradient("L").resize((500, 300)).convert("RGB")
    exif = picture.getexif()
    exif[ORIENTATION] = SIDEWAYS
    picture.save(file, "JPEG", exif=exif)


def see_through_png(file: Path) -> None:
    picture = PillowImage.linear_gradient("L").resize((333, 97)).convert("RGBA")
    picture.putalpha(PillowImage.linear_gradient("L").rotate(90).resize((333, 97)))
    picture.save(file, "PNG")


def grey_tiff(file: Path) -> None:
    PillowImage.linear_gradient("L").resize((64, 700)).convert("I;16").save(file, "TIFF")


def asked(engine: FakeEngine) -> Image:
    """The picture of the last request."""
    parts = [part for message in engine.requests[-1].messages for part in message.parts]
    return next(part for part in parts if isinstance(part, Image))


@pytest.mark.parametrize("make", [sideways_jpeg, see_through_png, grey_tiff])
def test_every_entry_gives_the_same_pixels(make: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "picture"
    make(file)
    engine = FakeEngine()
    host = Host(Settings(model="demo"), catalogue.find("demo"), engine)
    seen: dict[str, Image] = {}

    asyncio.run(describing._describe(host, [str(file)], Wanted(tasks.DESCRIBE, "What is this?", "en")))
    seen["command line"] = asked(engine)
    asyncio.run(views(Desk(host).submit(str(file), "What is this?", Talk(), "describe", None, {}, (), None, request())))
    seen["page"] = asked(engine)
    with served(host, tmp_path) as address:
        Client(address, verbose=False).predict(handle_file(str(file)), api_name="/describe")
        seen["/describe"] = asked(engine)
        url = "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
        parts = [{"type": "image_url", "image_url": {"url": url}}]
        body = {"messages": [{"role": "user", "content": parts}]}
        assert httpx2.post(f"{address}/v1/chat/completions", json=body).status_code == 200
        seen["/v1"] = asked(engine)

    assert len(set(seen.values())) == 1, {entry: image.key for entry, image in seen.items()}
    assert len(seen["page"].rgb) == seen["page"].width * seen["page"].height * 3
