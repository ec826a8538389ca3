import pickle
import string

import pytest

from qwen_vl_app import errors
from qwen_vl_app.errors import AppError, ContextOverflow


def everything(kind: type[AppError] = AppError) -> list[type[AppError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in everything(child))]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("kind", everything(), ids=lambda k: k.__name__)
def test_both_languages_say_the_same_things(kind: type[AppError]) -> None:
    assert kind.en != kind.zh
    assert fields(kind.en) == fields(kind.zh)
    assert 400 <= kind.status < 600
    assert any("\u4e00" <= letter <= "\u9fff" for letter in kind.zh)


def test_an_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ContextOverflow(needed=3000, limit=2048)))
    assert type(error) is ContextOverflow
    assert "3000" in error.text("en")
    assert "2048" in error.text("zh")


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__
    for kind in everything():
        assert kind.__name__ in errors.__doc__
