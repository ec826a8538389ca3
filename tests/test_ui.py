"""The page's logic without a browser: texts, growing answers, conversations, pictures, the handlers."""

import asyncio
import io
import string
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import gradio as gr
import pytest
from PIL import Image as PillowImage

from qwen_vl_app import catalogue, tasks
from qwen_vl_app.chat import Accepted, Delta, Finished, Image, Progress, Text, Token, Usage
from qwen_vl_app.errors import AppError, EngineFailed, QueueFull, UnreadablePicture
from qwen_vl_app.host import Host
from qwen_vl_app.settings import Settings
from qwen_vl_app.ui import document, markup, preview, reply, texts
from qwen_vl_app.ui.album import Album
from qwen_vl_app.ui.desk import Desk, View, owner_of, told
from qwen_vl_app.ui.jobs import Jobs
from qwen_vl_app.ui.talk import Exchange, Talk, bubbles, messages
from qwen_vl_app.weights.progress import Progress as Progress_
from tests.fake_engine import FakeEngine

T = TypeVar("T")
SIDE = 32  # px
CHAT, STATUS, TALK, QUESTION, SUBMIT, STOP = range(6)


def make(name: str = "a.png", shade: int = 7) -> Image:
    return Image(bytes([shade]) * SIDE * SIDE * 3, SIDE, SIDE, name)


class FakeHost(Host):
    """Opens every file but those called bad; counts."""

    opened = 0

    async def picture(self, source: Path | bytes, name: str) -> Any:
        self.opened += 1
        if "bad" in name:
            raise UnreadablePicture(name=name)
        return SimpleNamespace(image=make(name))


def desk(*answers: str | AppError | tuple[str, AppError], pause: float = 0.0) -> tuple[Desk, FakeEngine]:
    engine = FakeEngine(answers, pause)
    return Desk(FakeHost(Settings(), catalogue.find("demo"), engine), ["one.png", "two.png"]), engine


def request(language: str = "en", page: str = "tab", **cookies: str) -> Any:
    return SimpleNamespace(headers={"accept-language": language}, cookies=cookies, session_hash=page)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def views(generator: AsyncGenerator[View, None]) -> list[View]:
    return [view async for view in generator]


def last(seen: list[View], part: int) -> Any:
    """The part as the browser would show it at the end."""
    return [view[part] for view in seen if not (isinstance(view[part], dict) and view[part] == gr.skip())][-1]


# Texts


@pytest.mark.parametrize("key", texts.TEXTS)
def test_every_text_is_there_twice_with_the_same_details(key: str) -> None:
    english, chinese = texts.TEXTS[key]
    assert fields(english) == fields(chinese)
    assert any("\u4e00" <= char <= "\u9fff" for char in chinese)
    assert not any("\u4e00" <= char <= "\u9fff" for char in english)


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-HK", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.5,zh;q=0.8", "zh"),
        ("fr-FR,fr;q=0.9,zh;q=0.4,en;q=0.3", "zh"),
        ("de", "en"),
        ("zh;q=0", "en"),
        ("zh;q=x,;;;", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_the_browsers(header: str, language: str) -> None:
    assert texts.language_of({"accept-language": header}, {}) == language


def test_a_chosen_language_wins() -> None:
    assert texts.language_of({"accept-language": "en"}, {texts.LANGUAGE_COOKIE: "zh"}) == "zh"
    assert texts.language_of({"accept-language": "zh"}, {texts.LANGUAGE_COOKIE: "en"}) == "en"
    assert texts.language_of({"accept-language": "zh"}, {texts.LANGUAGE_COOKIE: "xx"}) == "zh"


def test_gradio_gets_both_tables_whole() -> None:
    tables = texts.translations()
    assert tables.keys() == {"en", "zh-CN"} and tables["en"].keys() == tables["zh-CN"].keys() == texts.TEXTS.keys()


# An answer as it grows


class Clock:
    """Advances by a fixed step at each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


async def stream(*deltas: Delta) -> AsyncIterator[Delta]:
    for delta in deltas:
        yield delta


def replies(step: float, *deltas: Delta) -> list[reply.Reply]:
    async def collect() -> list[reply.Reply]:
        return [item async for item in reply.follow(stream(*deltas), 0.0, Clock(step))]

    return run(collect())


END = Finished("stop", Usage(74, 5))


def test_fast_tokens_are_gathered_and_none_is_lost() -> None:
    seen = replies(0.001, Accepted(74), *[Token("x")] * 200, END)
    assert seen[-1].text == "x" * 200 and seen[-1].finished == END
    assert len(seen) < 12


def test_slow_tokens_are_shown_one_by_one() -> None:
    assert len(replies(0.1, Accepted(74), *[Token("x")] * 5, END)) == 7


def test_every_stage_is_shown_however_short() -> None:
    stages = [Progress("queued", 2), Progress("looking", 0, 1), Progress("reading", 10, 74)]
    seen = [item.progress.stage for item in replies(0.001, Accepted(74), *stages, Token("x"), END)]
    assert list(dict.fromkeys(seen)) == ["queued", "looking", "reading", "writing"]


def test_times_count_from_the_question() -> None:
    final = replies(0.5, Accepted(74), Progress("reading"), Token("a"), Token("b"), Token("c"), END)[-1]
    assert final.first == 1.5 and final.rate == 2.0 and final.tokens == 3


def test_the_rate_of_a_short_answer_counts_its_whole_time() -> None:
    assert replies(0.5, Accepted(74), Token("a"), END)[-1].rate == 1.0
    assert reply.Reply("ab", 2, 0.2, 0.21).rate == pytest.approx(2 / 0.21)
    assert reply.Reply().rate == 0.0


@pytest.mark.parametrize(
    ("progress", "english", "chinese"),
    [
        (Progress("queued", 0), "Waiting: you are next…", "正在等待：下一个就是您……"),
        (Progress("queued", 3), "Waiting: 3 before you…", "正在等待：前面还有 3 个……"),
        (Progress("looking", 0, 1), "Looking at the picture…", "正在看图……"),
        (Progress("looking", 1, 3), "Looking at picture 2 of 3…", "正在看第 2 张图片，共 3 张……"),
        (Progress("reading", 32, 74), "Reading 32 of 74…", "正在读取 32 / 74……"),
        (Progress("writing"), "Writing…", "正在书写……"),
    ],
)
def test_progress_in_words(progress: Progress, english: str, chinese: str) -> None:
    assert reply.progress_text(progress, "en") == english
    assert reply.progress_text(progress, "zh") == chinese


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("stop", "First word after 0.5 s · 5 tokens · 2.0 tokens/s"),
        ("cancelled", "Stopped · First word after 0.5 s · 5 tokens · 2.0 tokens/s"),
        ("length", "Ended at the length limit · First word after 0.5 s · 5 tokens · 2.0 tokens/s"),
    ],
)
def test_the_line_under_an_answer(reason: Any, line: str) -> None:
    done = reply.Reply("abc", 3, 0.5, 1.5, finished=Finished(reason, Usage(74, 5)))
    assert reply.summary(done, "en") == line


def test_stopped_before_the_first_word() -> None:
    assert reply.summary(reply.Reply(finished=Finished("cancelled", Usage(74))), "zh") == "在写出第一个字之前已停止"
    assert reply.summary(reply.Reply(), "en") == ""


# Conversations


def test_the_picture_is_sent_once_in_the_first_turn() -> None:
    image = make()
    talk = Talk("a.png", (Exchange("What?", "A circle."),))
    sent = messages(talk, image, "Where?")
    assert [message.role for message in sent] == ["user", "assistant", "user"]
    assert sent[0].parts == (image, Text("What?")) and sent[2].parts == (Text("Where?"),)


def test_a_new_conversation_begins_with_the_picture() -> None:
    image = make()
    assert messages(Talk("a.png"), image, "What?")[0].parts == (image, Text("What?"))
    assert messages(Talk(), None, "Hello")[0].parts == (Text("Hello"),)


def test_another_picture_begins_a_new_conversation() -> None:
    talk = Talk("a.png").with_exchange("What?", "A circle.")
    assert talk.about("a.png") is talk and talk.about(None) is talk
    assert talk.about("b.png") == Talk("b.png")


def test_the_chat_shows_the_picture_with_the_first_question() -> None:
    shown = bubbles(Talk("a.png").with_exchange("What?", "A circle.").with_exchange("Where?", ""), "Picture")
    assert [bubble["role"] for bubble in shown] == ["user", "assistant", "user"]
    assert shown[0]["content"][0] == {"path": "a.png", "alt_text": "Picture"}
    assert shown[1]["content"] == [{"type": "text", "text": "A circle."}]
    assert bubbles(Talk("a.png"), "Picture") == []


# Pictures


def write(folder: Path, name: str, format: str) -> str:
    PillowImage.new("RGB", (8, 8), "red").save(folder / name, format)
    return str(folder / name)


def test_a_follow_up_does_not_open_the_picture_again(tmp_path: Path) -> None:
    host = FakeHost(Settings(), catalogue.find("demo"), FakeEngine())
    album = Album(host)
    path = write(tmp_path, "a.png", "PNG")
    assert run(album.open(path)) is run(album.open(path))
    assert run(album.viewable(path)) == path and host.opened == 1


def test_the_album_forgets_the_oldest(tmp_path: Path) -> None:
    host = FakeHost(Settings(), catalogue.find("demo"), FakeEngine())
    album = Album(host, limit=2 * SIDE * SIDE * 3)
    for name in ("a", "b", "a", "c", "a", "b"):
        run(album.open(name))
    assert host.opened == 4  # a, b, c, and b again


def test_what_browsers_cannot_draw_is_shown_as_the_model_sees_it(tmp_path: Path) -> None:
    host = FakeHost(Settings(), catalogue.find("demo"), FakeEngine())
    album = Album(host)
    shown = run(album.viewable(write(tmp_path, "a.tif", "TIFF")))
    assert shown == str(tmp_path / "a.png")
    with PillowImage.open(shown) as image:
        assert image.size == (SIDE, SIDE) and image.getpixel((3, 3)) == (7, 7, 7)
    run(album.open(shown))
    assert host.opened == 1


@pytest.mark.parametrize(
    ("format", "drawn"), [("PNG", True), ("JPEG", True), ("GIF", True), ("WEBP", True), ("BMP", True), ("TIFF", False)]
)
def test_kinds_that_browsers_draw(tmp_path: Path, format: str, drawn: bool) -> None:
    assert preview.shown_by_browsers(Path(write(tmp_path, "x", format))) is drawn


def test_png_of_random_pixels_is_exact() -> None:
    pixels = bytes((i * 37 + i // 96) % 256 for i in range(64 * 32 * 3))
    with PillowImage.open(io.BytesIO(preview.png(Image(pixels, 64, 32, "")))) as image:
        assert image.tobytes() == pixels


# The document


def test_the_page_is_dressed_in_the_persons_language() -> None:
    html = document.dress(f'<html lang="en"><head><title>{document.TITLE}</title>', "zh", 64)
    assert 'lang="zh-CN"' in html and "<title>看图问答</title>" in html
    assert '"maxBytes": 64000000' in html and "超过 64 MB" in html


def test_facts_cannot_end_the_script() -> None:
    assert "</script>" not in document._script_safe({"a": "</script>"})


def test_file_names_are_escaped_in_html() -> None:
    assert (
        "<b>" not in markup.failed("<b>x</b>")
        and "<b>" not in markup.done("<b>")
        and "<b>" not in markup.working("<b>")
    )


def test_only_the_demo_says_that_it_is_one() -> None:
    assert 'class="banner"' in markup.head(catalogue.find("demo"), "en")
    assert 'class="banner"' not in markup.head(catalogue.find("8b"), "en")


# What the page does


def test_the_first_description_and_a_follow_up() -> None:
    page, engine = desk("A red circle.", "On the left.")
    seen = run(views(page.submit("a.png", "Describe this picture.", Talk(), request())))
    talk = last(seen, TALK)
    assert talk == Talk("a.png", (Exchange("Describe this picture.", "A red circle."),))
    assert last(seen, QUESTION) == "" and "tokens/s" in last(seen, STATUS)
    seen = run(views(page.submit("a.png", " Where? ", talk, request())))
    assert [bubble["content"][-1]["text"] for bubble in last(seen, CHAT)] == [
        "Describe this picture.",
        "A red circle.",
        "Where?",
        "On the left.",
    ]
    first, second = engine.requests
    assert second.messages[:1] == first.messages[:1] and len(second.messages) == 3


def test_the_buttons_change_places() -> None:
    page, _ = desk("A red circle.")
    seen = run(views(page.submit("a.png", "What?", Talk(), request())))
    assert (seen[0][SUBMIT]["visible"], seen[0][STOP]["visible"]) == (False, True)
    assert (seen[-1][SUBMIT]["visible"], seen[-1][STOP]["visible"]) == (True, False)


def test_progress_is_shown_before_the_first_word() -> None:
    page, _ = desk("A red circle.")
    seen = run(views(page.submit("a.png", "What?", Talk(), request("zh"))))
    status = "".join(view[STATUS] for view in seen if isinstance(view[STATUS], str))
    assert all(
        words in status for words in ("正在打开图片", "前面还有 1 个", "正在看图", "正在读取 32 / 74", "正在书写")
    )


def test_an_empty_question_asks_for_the_description() -> None:
    page, engine = desk("ok")
    run(views(page.submit("a.png", "  ", Talk(), request("zh"))))
    assert engine.requests[0].messages[0].parts[-1] == Text(tasks.DESCRIBE.zh)


@pytest.mark.parametrize("question", ["", tasks.DESCRIBE.en, tasks.DESCRIBE.zh])
def test_nothing_is_described_without_a_picture(question: str) -> None:
    page, engine = desk("ok")
    with pytest.raises(gr.Error, match="请选择一张图片"):
        run(views(page.submit(None, question, Talk(), request("zh"))))
    assert not engine.requests


async def collect_until_error(generator: AsyncGenerator[View, None]) -> tuple[list[View], str]:
    seen: list[View] = []
    try:
        async for view in generator:
            seen.append(view)
    except gr.Error as error:
        return seen, error.message
    return seen, ""


def test_a_refusal_keeps_the_question_and_the_old_answers() -> None:
    page, _ = desk(QueueFull(waiting=64))
    talk = Talk("a.png", (Exchange("What?", "A circle."),))
    seen, message = run(collect_until_error(page.submit("b.png", "Where?", talk, request())))
    assert message == "64 questions are waiting already. Please try again in a moment."
    assert message in last(seen, STATUS) and last(seen, TALK) == talk and last(seen, QUESTION) == "Where?"
    assert seen[-1][SUBMIT]["visible"] is True


def test_a_failure_in_the_middle_keeps_what_was_written() -> None:
    page, _ = desk(("A red", EngineFailed()))
    seen, message = run(collect_until_error(page.submit("a.png", "What?", Talk(), request("zh"))))
    assert "请再试一次" in message and last(seen, TALK).exchanges == (Exchange("What?", "A red"),)


def test_an_unexpected_error_says_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    assert told(KeyError("/etc/passwd"), "en").message == AppError.en
    assert "unexpected error" in caplog.text


def test_a_wrong_file_leaves_the_last_good_one() -> None:
    page, _ = desk("ok")
    seen, message = run(collect_until_error(page.look("bad.png", "good.png", "", request("zh"))))
    assert "“bad.png”不能作为图片读取" in message and seen[-1][:2] == ("good.png", "good.png")


def test_a_good_picture_refills_an_empty_question(tmp_path: Path) -> None:
    page, _ = desk("ok")
    path = write(tmp_path, "a.png", "PNG")
    assert run(views(page.look(path, None, "", request())))[-1] == (gr.skip(), path, tasks.DESCRIBE.en)
    assert run(views(page.look(path, None, "Where?", request())))[-1][2] == gr.skip()
    assert run(views(page.look(None, path, "", request())))[-1][1] is None


def test_an_example_is_chosen() -> None:
    page, _ = desk("ok")
    assert run(page.take(1, "", request("zh"))) == ("two.png", "two.png", tasks.DESCRIBE.zh)


def test_stop_keeps_what_is_written_and_ends_only_its_own() -> None:
    page, engine = desk(" ".join(["word"] * 200), pause=0.01)

    async def both() -> tuple[list[View], list[View]]:
        mine = asyncio.create_task(views(page.submit("a.png", "What?", Talk(), request(page="mine"))))
        other = asyncio.create_task(views(page.submit("a.png", "What?", Talk(), request(page="other"))))
        await asyncio.sleep(0.5)
        await page.stop(request(page="mine"))
        await page.stop(request(page="mine"))
        await page.stop(request(page="nobody"))
        before = asyncio.get_running_loop().time()
        stopped = await mine
        assert asyncio.get_running_loop().time() - before < 1
        assert not other.done()
        return stopped, await other

    stopped, other = run(both())
    answer = last(stopped, TALK).exchanges[0].answer
    assert 0 < answer.count("word") < 200 and "Stopped" in last(stopped, STATUS)
    assert last(other, TALK).exchanges[0].answer.count("word") == 200
    assert len(engine.left) == 2


def test_stop_before_the_first_word_gives_the_question_back() -> None:
    page, _ = desk("word " * 50, pause=0.2)

    async def stopped() -> list[View]:
        task = asyncio.create_task(views(page.submit("a.png", "What?", Talk(), request())))
        await asyncio.sleep(0.1)
        await page.stop(request())
        return await task

    seen = run(stopped())
    assert last(seen, QUESTION) == "What?" and last(seen, TALK) == Talk() and last(seen, CHAT) == []


def test_a_question_waits_for_a_model_that_is_being_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_vl_app.ui.desk.BEAT", 0.01)
    page, engine = desk("ok")
    engine.state = "starting"

    async def waits() -> list[View]:
        asyncio.get_running_loop().call_later(0.05, setattr, engine, "state", "ready")
        return await views(page.submit("a.png", "What?", Talk(), request()))

    seen = run(waits())
    assert (
        any("Your question waits for the model. The model is being loaded" in str(view[STATUS]) for view in seen)
        and last(seen, TALK).exchanges[0].answer == "ok"
    )


def test_the_page_shows_how_far_the_download_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_vl_app.ui.desk.BEAT", 0.01)
    page, engine = desk("ok")
    engine.state = "downloading"
    page.host.progress = Progress_("downloading", "model.gguf", 1_000_000_000, 4_000_000_000)

    async def arrival() -> list[View]:
        asyncio.get_running_loop().call_later(0.05, setattr, engine, "state", "ready")
        return [part async for part in page.arrive(request("zh"))]

    seen = run(arrival())
    assert "(25 %)" in seen[0][0] and 'value="0.250"' in seen[0][0]
    assert seen[-1][0] == "" and "Esc" in seen[-1][1]


def test_clear_begins_anew_and_silences_a_running_answer() -> None:
    page, engine = desk("word " * 200, pause=0.01)

    async def cleared() -> tuple[View, int]:
        seen: list[View] = []

        async def watch() -> None:
            async for view in page.submit("a.png", "What?", Talk(), request()):
                seen.append(view)

        task = asyncio.create_task(watch())
        await asyncio.sleep(0.3)
        view = await page.clear(request())
        shown = len(seen)
        await task
        return view, len(seen) - shown

    (picture, chat, status, talk, question, *_), late = run(cleared())
    assert (picture, chat, status, talk, question) == (None, [], "", Talk(), tasks.DESCRIBE.en)
    assert late == 0 and engine.left


def test_a_page_that_is_closed_frees_its_place() -> None:
    page, engine = desk("word " * 200, pause=0.01)

    async def left() -> None:
        generator = page.submit("a.png", "What?", Talk(), request())
        async for view in generator:
            if isinstance(view[CHAT], list) and len(view[CHAT]) == 2:
                break
        await generator.aclose()

    run(left())
    assert len(engine.left) == 1


def test_describe_for_programs() -> None:
    page, engine = desk("A red circle.")

    async def all_of(prompt: str) -> list[str]:
        return [text async for text in page.describe("a.png", prompt, request())]

    assert run(all_of(""))[-1] == "A red circle."
    assert run(all_of("What?"))[-1] == "A red circle."
    assert [item.messages[0].parts[-1] for item in engine.requests] == [Text(tasks.DESCRIBE.en), Text("What?")]


def test_describe_says_that_the_model_is_not_ready() -> None:
    page, engine = desk("ok")
    engine.state = "starting"

    async def ask() -> None:
        async for _ in page.describe("a.png", "", request()):
            pass

    with pytest.raises(gr.Error, match="not ready yet"):
        run(ask())


def test_owners_are_browsers_and_programs_their_sessions() -> None:
    assert owner_of(request(owner="secret")) == "page:secret"
    assert owner_of(request(page="abc")) == "page:abc"


def test_jobs_are_forgotten_when_they_end() -> None:
    jobs = Jobs(FakeEngine())
    with jobs.running("a") as old, jobs.running("a") as new:
        assert old is not new
    run(jobs.stop("a"))
    assert not new.stopped


def test_the_greeting_is_in_the_persons_language() -> None:
    page, _ = desk("ok")
    head, question = run(page.greet(request("zh-CN")))
    assert "看图问答" in head and question == tasks.DESCRIBE.zh
    assert "发送" in markup.foot("zh") and "<b>" not in markup.foot("zh", "<b>")
