"""Imports point one way, and heavy libraries are imported where the layout says."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "qwen_vl_app"
LAYERS = [
    {"errors"},
    {"chat"},
    {"catalogue"},
    {"settings", "tasks", "media", "weights", "scratch", "peers", "stopping"},
    {"install", "opened"},
    {"engine"},
    {"planning"},
    {"host"},
    {"reading"},
    {"choices"},
    {"keeper"},
    {"api", "ui", "gate"},
    {"server"},
    {"bench_client"},
    {"bench", "bench_media", "describing", "doctor"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
HEAVY = {
    "llama_cpp": {
        *(f"engine/{name}.py" for name in ("loading", "native", "vectors", "vision", "sampling", "grammar", "devices")),
        "install/proof.py",
    },
    "gradio": {"ui/", "server.py"},
    "PIL": {"media/", "bench_media.py", "bench_client.py"},
    "torch": set(),
    "transformers": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def unit(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_point_upwards_only(file: Path) -> None:
    if file == PACKAGE / "__init__.py":
        return
    mine = unit(file)
    theirs = {name.split(".")[1] for name in imports(file) if name.startswith("qwen_vl_app.")} & set(RANK)
    assert all(other == mine or RANK[other] < RANK[mine] for other in theirs), (mine, theirs)


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_are_imported_in_their_places_only(library: str) -> None:
    for file in FILES:
        if any(name == library or name.startswith(library + ".") for name in imports(file)):
            place = file.relative_to(PACKAGE).as_posix()
            assert any(place == allowed or place.startswith(allowed) for allowed in HEAVY[library]), place


def test_every_module_has_a_layer() -> None:
    assert {unit(file) for file in FILES} - {"__init__"} <= set(RANK)
