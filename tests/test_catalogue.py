import re

import pytest

from qwen_vl_app.catalogue import MODELS, find
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
