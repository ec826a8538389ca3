"""What --model, --quant and --mmproj mean."""

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_vl_app import weights
from qwen_vl_app.catalogue import INSTRUCT_SAMPLING, find
from qwen_vl_app.errors import SetupError
from qwen_vl_app.weights import failures
from qwen_vl_app.weights.files import cell_bytes
from qwen_vl_app.weights.gguf import read
from tests.fake_hub import COMMIT, FakeHub
from tests.tiny import FILES, LIMITS, no_proxy

__all__ = ["no_proxy"]
DEMO = Path(__file__).resolve().parent.parent / "models" / "demo"


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def header(**values: str | int) -> bytes:
    """A GGUF header with these metadata; `_` stands for the dot."""
    data = struct.pack("<4sIQQ", b"GGUF", 3, 0, len(values) + 1)
    for key, value in values.items():
        data += text(key.replace("__", "."))
        data += struct.pack("<I", 8) + text(value) if isinstance(value, str) else struct.pack("<II", 4, value)
    return data + text("tokenizer.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")


def language(width: int, name: str = "Some 8B Instruct") -> bytes:
    return header(
        general__architecture="qwen3vl",
        general__name=name,
        qwen3vl__embedding_length=width,
        qwen3vl__block_count=36,
        qwen3vl__attention__head_count=32,
        qwen3vl__attention__head_count_kv=8,
        qwen3vl__attention__key_length=128,
        qwen3vl__attention__value_length=128,
    )


def projector(width: int, kind: int = 1) -> bytes:
    return header(general__architecture="clip", clip__vision__projection_dim=width, general__file_type=kind)


def named(name: str, folder: Path, quant: str = "", mmproj: str = "", **more: object) -> weights.names.Model:
    return weights.named(name, quant, mmproj, models_dir=folder, environ={}, **more)  # type: ignore[arg-type]


def test_known_names_are_the_catalogues(tmp_path: Path) -> None:
    assert named("8b", tmp_path) == find("8b")
    assert named("2b", tmp_path, "int8").model.quant == "Q8_0"


def test_the_demo_as_a_file_finds_its_projector_and_measures_its_cells(tmp_path: Path) -> None:
    for file in DEMO.glob("*.gguf"):
        shutil.copy(file, tmp_path / f"renamed-{file.name[:2]}.gguf")
    model = named(str(tmp_path / "renamed-mo.gguf"), tmp_path)
    assert Path(model.mmproj.name).name == "renamed-mm.gguf"
    assert (model.cell_bytes, model.sampling.temperature) == (find("demo").cell_bytes, 0)
    assert weights.fetch(model, tmp_path, environ={}) == model.paths(tmp_path)
    assert weights.refined(model, model.paths(tmp_path)) == model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, three projectors of which two belong to it, and something that is no model at all."""
    files = {
        "llm.gguf": language(4096),
        "a.gguf": projector(2560),
        "b.gguf": projector(4096, 7),
        "c.gguf": projector(4096, 1),
        "z.gguf": b"GGUF?",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.mark.parametrize(("mmproj", "name"), [("", "c.gguf"), ("fp16", "c.gguf"), ("int8", "b.gguf")])
def test_the_projector_that_belongs_is_found_by_its_width(folder: Path, mmproj: str, name: str) -> None:
    model = named(str(folder / "llm.gguf"), folder, mmproj=mmproj)
    assert Path(model.mmproj.name).name == name
    assert (model.cell_bytes, model.sampling, model.title) == (144 << 10, INSTRUCT_SAMPLING, "Some 8B Instruct")


def test_a_projector_may_be_named_by_its_path(folder: Path) -> None:
    model = named(str(folder / "llm.gguf"), folder, mmproj=str(folder / "a.gguf"))
    assert model.paths(Path("elsewhere"))[1] == folder / "a.gguf"
    assert named("8b", folder, mmproj=str(folder / "c.gguf")).paths(Path("x"))[1] == folder / "c.gguf"


@pytest.mark.parametrize(
    ("name", "mmproj", "kind"),
    [
        ("nothing.gguf", "", failures.NoSuchFile),
        (".", "", failures.NoSuchFile),
        ("z.gguf", "", failures.NotGguf),
        ("a.gguf", "", failures.NotGguf),
        ("llm.gguf", "bf16", failures.NoProjector),
        ("llm.gguf", "llm.gguf", failures.NotGguf),
        ("llm.gguf", "no.gguf", failures.NoSuchFile),
    ],
)
def test_files_that_cannot_be_used_are_refused_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, mmproj: str, kind: type[failures.WeightsError]
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(kind) as refusal:
        named(name, folder, mmproj=mmproj)
    assert refusal.value.text("zh") != str(refusal.value)


def test_a_model_without_its_projector_says_what_to_put_where(folder: Path) -> None:
    for name in "bc":
        (folder / f"{name}.gguf").unlink()
    with pytest.raises(failures.NoProjector, match=r"no projector \(mmproj\) that belongs to llm.gguf. Put the mmproj"):
        named(str(folder / "llm.gguf"), folder)


def test_the_quantisation_of_a_file_cannot_be_chosen(folder: Path) -> None:
    with pytest.raises(SetupError, match="--quant int4: the quantisation of"):
        named(str(folder / "llm.gguf"), folder, "int4")


@pytest.mark.parametrize("name", ["70b", "a/b/c", "hello world", "a/b:"])
def test_names_that_mean_nothing_are_refused_with_what_would(tmp_path: Path, name: str) -> None:
    with pytest.raises(failures.UnknownName, match=r"known model \(8b, 4b, 2b, demo\).*OWNER/NAME"):
        named(name, tmp_path)


GOOD = language(4096)


@pytest.mark.parametrize("length", range(4, len(GOOD), 29))
def test_a_header_that_ends_too_soon_is_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "x.gguf").write_bytes(GOOD[:length])
    with pytest.raises(failures.NotGguf, match=r"x\.gguf is not a GGUF file that can be used"):
        read(tmp_path / "x.gguf")


@pytest.mark.parametrize("place", range(4, 60, 3))
def test_a_damaged_header_is_refused_or_read_but_never_worse(tmp_path: Path, place: int) -> None:
    (tmp_path / "x.gguf").write_bytes(GOOD[:place] + b"\xff\xff\xff" + GOOD[place + 3 :])
    try:
        cell_bytes(read(tmp_path / "x.gguf"))
    except failures.NotGguf as refusal:
        assert len(str(refusal)) < 300


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(dict(FILES) | {"README.md": b"hello", "tiny-Q8_0.gguf": language(64)}) as hub:
        yield hub


def test_a_repository_is_listed_pinned_and_fetched(hub: FakeHub, tmp_path: Path) -> None:
    model = named("Org/Tiny-GGUF:int4", tmp_path, hub=hub.url)
    assert (model.model.name, model.mmproj.name) == tuple(FILES)
    assert (model.revision, model.model.size) == (COMMIT, len(FILES["tiny-Q4_K_M.gguf"]))
    paths = weights.fetch(model, tmp_path, hub.url, environ={}, limits=LIMITS)
    assert [path.read_bytes() for path in paths] == list(FILES.values())


def test_what_only_the_file_tells_is_filled_in_once_it_is_here(hub: FakeHub, tmp_path: Path) -> None:
    model = named("Org/Tiny-GGUF", tmp_path, "int8", hub=hub.url)
    paths = weights.fetch(model, tmp_path, hub.url, environ={}, limits=LIMITS)
    assert weights.refined(model, paths).cell_bytes == 144 << 10


def test_a_listed_repository_needs_no_network_again(hub: FakeHub, tmp_path: Path) -> None:
    first = named("Org/Tiny-GGUF", tmp_path, hub=hub.url)
    assert named("Org/Tiny-GGUF", tmp_path, hub="http://127.0.0.1:1") == first


def test_a_repository_without_that_quantisation_lists_its_own(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(failures.NoListing, match=r"--quant Q6_K. quant: Q4_K_M, Q8_0"):
        named("Org/Tiny-GGUF:Q6_K", tmp_path, hub=hub.url)


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_repository_that_cannot_be_listed_says_why(hub: FakeHub, tmp_path: Path, status: int) -> None:
    hub.manners.status = status
    with pytest.raises(failures.NoListing, match=f"HTTP {status}"):
        named("Org/Tiny-GGUF", tmp_path, hub=hub.url)


def test_a_hub_that_is_away_is_told_soon(tmp_path: Path) -> None:
    with pytest.raises(failures.NoListing, match=r"127\.0\.0\.1:1: ConnectError"):
        named("Org/Tiny-GGUF", tmp_path, hub="http://127.0.0.1:1")
