import pytest

from qwen_vl_app.engine.text import TextStream


def feed(stream: TextStream, *pieces: bytes) -> list[str]:
    return [stream.push(piece) for piece in pieces]


def test_a_character_is_shown_when_it_is_whole() -> None:
    stream = TextStream()
    assert feed(stream, b"\xe4\xb8", b"\xad", "文".encode()) == ["", "中", "文"]


def test_bytes_that_never_become_a_character_are_marked_at_the_end() -> None:
    stream = TextStream()
    assert feed(stream, b"a\xe4") == ["a"]
    assert stream.finish() == "\ufffd"


def test_a_stop_string_is_never_shown_not_even_in_part() -> None:
    stream = TextStream(["END"])
    assert feed(stream, b"one E", b"N", b"D two") == ["one ", "", ""]
    assert stream.stopped
    assert stream.finish() == ""


def test_what_only_looked_like_a_stop_string_is_shown() -> None:
    stream = TextStream(["END"])
    assert feed(stream, b"EN", b"JOY") == ["", "ENJOY"]
    assert feed(stream, b" E") == [" "]
    assert stream.finish() == "E"
    assert not stream.stopped


@pytest.mark.parametrize("cut", range(1, 7))
def test_the_earliest_of_several_stop_strings_ends_the_text(cut: int) -> None:
    stream = TextStream(["！", "##"])
    data = "好##！".encode()
    assert "".join(feed(stream, data[:cut], data[cut:])) == "好"
    assert stream.stopped
