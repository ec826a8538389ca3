"""Who may operate the model."""

import pytest

from qwen_vl_app.peers import Operators, host_name, is_loopback

HERE = {"host": "localhost:7860"}


@pytest.mark.parametrize(
    ("peer", "headers", "allowed"),
    [
        ("127.0.0.1", HERE, True),
        ("::1", {"host": "[::1]:7860"}, True),
        ("203.0.113.7", HERE, False),
        ("", HERE, False),
        ("127.0.0.1", {"host": "rented.example:7860"}, False),
        ("127.0.0.1", {"host": "[broken"}, False),
        ("127.0.0.1", {}, False),
        ("127.0.0.1", HERE | {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", HERE | {"forwarded": "for=203.0.113.7"}, False),
        ("127.0.0.1", HERE | {"x-real-ip": "203.0.113.7"}, False),
    ],
)
def test_who_sits_at_this_machine_operates_it(peer: str, headers: dict[str, str], allowed: bool) -> None:
    assert Operators().allow(peer, headers, {}) is allowed


def test_the_token_operates_it_from_anywhere() -> None:
    operators = Operators("word")
    assert operators.allow("203.0.113.7", {}, {"operator": "word"})
    for wrong in ("", "Word", "word ", "wörd"):
        assert not operators.allow("203.0.113.7", {}, {"operator": wrong})


def test_every_start_has_a_token_of_its_own() -> None:
    assert Operators().token != Operators().token and len(Operators().token) >= 20


def test_host_names() -> None:
    assert [host_name(netloc) for netloc in ("a:1", "[::1]:2", "b", "", "[x")] == ["a", "::1", "b", "", ""]
    assert not is_loopback("") and not is_loopback("10.0.0.1")
