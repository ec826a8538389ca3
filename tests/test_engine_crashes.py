from qwen_vl_app.engine.crashes import MANY, WINDOW, CrashBook
from qwen_vl_app.engine.wire import Working


def working(encoding: str = "", reading: str = "", writing: str = "") -> Working:
    return Working(encoding, frozenset(reading), frozenset(writing))


def test_a_picture_being_encoded_is_blamed_before_anything_else() -> None:
    assert CrashBook().failed(working("a", "b", "cd"), "abcd") == {"a"}


def test_a_prompt_being_read_is_blamed_before_those_who_write() -> None:
    assert CrashBook().failed(working("", "b", "cd"), "abcd") == {"b"}


def test_in_a_shared_step_all_go_on_and_fail_the_second_time_only() -> None:
    book = CrashBook()
    assert book.failed(working(writing="cd"), "abcd") == set()
    assert book.failed(working(writing="de"), "abcde") == {"d"}


def test_who_has_gone_is_not_blamed() -> None:
    assert CrashBook().failed(working("gone", "", "c"), "c") == set()


def test_an_answer_written_alone_has_a_second_chance_too() -> None:
    book = CrashBook()
    assert book.failed(working(writing="c"), "c") == set()
    assert book.failed(working(writing="c"), "c") == {"c"}


def test_many_crashes_within_minutes_are_too_many() -> None:
    now = [0.0]
    book = CrashBook(lambda: now[0])
    for _ in range(MANY):
        assert not book.too_many
        book.failed(working(), "")
        now[0] += 1
    assert book.too_many
    now[0] += WINDOW
    assert not book.too_many
