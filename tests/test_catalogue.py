import re

import pytest

from qwen_vl_app.catalogue import MODELS, described, find, largest_fitting, resolve
from qwen_vl_app.errors import SetupError


def test_unknown_models_are_refused_with_the_known_names() -> None:
    with pytest.raises(SetupError, match=r"no model '70b'.*8b, 4b, 2b, demo"):
        find("70b")


@pytest.mark.parametrize("name", [name for name in MODELS if name != "demo"])
def test_downloads_are_pinned_by_revision_size_and_hash(name: str) -> None:
    model = find(name)
    assert re.fullmatch(r"[0-9a-f]{40}", model.revision)
    for file in (model.model, model.mmproj):
        assert file.size > 100_000_000
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)


def test_real_models_use_the_sampling_their_makers_recommend() -> None:
    sampling = find("8b").sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.presence_penalty) == (0.7, 0.8, 20, 1.5)
    assert find("demo").sampling.temperature == 0


@pytest.mark.parametrize(
    ("quant", "mmproj", "names"),
    [
        ("", "", ("Qwen3VL-8B-Instruct-Q4_K_M.gguf", "mmproj-Qwen3VL-8B-Instruct-F16.gguf")),
        ("int8", "q8_0", ("Qwen3VL-8B-Instruct-Q8_0.gguf", "mmproj-Qwen3VL-8B-Instruct-Q8_0.gguf")),
        ("FP16", "fp16", ("Qwen3VL-8B-Instruct-F16.gguf", "mmproj-Qwen3VL-8B-Instruct-F16.gguf")),
        ("int4", "", ("Qwen3VL-8B-Instruct-Q4_K_M.gguf", "mmproj-Qwen3VL-8B-Instruct-F16.gguf")),
    ],
)
def test_quantisations_answer_to_the_names_people_know(quant: str, mmproj: str, names: tuple[str, str]) -> None:
    model = resolve("8b", quant, mmproj)
    assert (model.model.name, model.mmproj.name) == names


@pytest.mark.parametrize(
    ("name", "quant", "mmproj", "message"),
    [
        ("8b", "Q5_K_M", "", "--quant Q5_K_M: model '8b' has no such quantisation; known: Q4_K_M, Q8_0, F16"),
        ("4b", "", "bf16", "--mmproj bf16: model '4b' has no such quantisation; known: F16, Q8_0"),
        ("demo", "int4", "", "--quant int4: model 'demo' has no such quantisation; known: none to choose from"),
    ],
)
def test_unknown_quantisations_are_refused_with_the_known_ones(
    name: str, quant: str, mmproj: str, message: str
) -> None:
    with pytest.raises(SetupError) as refusal:
        resolve(name, quant, mmproj)
    assert str(refusal.value) == message


def test_every_file_is_listed_with_a_whole_hash_or_none() -> None:
    for model in MODELS.values():
        for file in model.files + model.projectors:
            assert re.fullmatch(r"[0-9a-f]{64}|", file.sha256)
            assert bool(file.size) == bool(file.sha256)
        assert not model.repo or [file.quant for file in model.files] == ["Q4_K_M", "Q8_0", "F16"]


@pytest.mark.parametrize(("free", "name"), [(64, "8b"), (9, "8b"), (7, "4b"), (5, "2b"), (1, "2b")])
def test_the_largest_model_that_memory_holds_is_taken(free: int, name: str) -> None:
    assert largest_fitting(free << 30, 8192).name == name


def test_a_quantisation_is_counted_when_the_largest_model_is_taken() -> None:
    assert largest_fitting(9 << 30, 8192, "int8").name == "4b"
    assert largest_fitting(64 << 30, 8192, "fp16").model.quant == "F16"


def test_models_known_by_their_metadata_only_are_greedy_unless_they_say_instruct() -> None:
    assert described("qwen3vl", "Qwen3 VL 8B Instruct")[1] == find("8b").sampling
    assert described("qwen3vl", "Qwen3 VL 8B Thinking")[1].temperature == 0
    assert described("llava", "Some Instruct")[1].temperature == 0
