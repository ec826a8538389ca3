"""The small parts of the download, each alone."""

from datetime import datetime, timezone
from pathlib import Path

import httpx2
import pytest

from qwen_vl_app.catalogue import File, find
from qwen_vl_app.errors import SetupError
from qwen_vl_app.weights import failures, hubs
from qwen_vl_app.weights.answers import facts, network, retry_after
from qwen_vl_app.weights.limits import Limits
from qwen_vl_app.weights.pieces import Identity, Journal, Pieces
from qwen_vl_app.weights.survey import open_client


def test_a_restart_fetches_at_most_64_mib_again() -> None:
    limits = Limits()
    assert limits.piece * limits.connections <= 64 << 20


def test_pauses_add_up_to_ten_minutes_at_least_and_never_exceed_one() -> None:
    limits = Limits()
    assert limits.give_up_seconds >= 600
    assert [limits.pause(failures) for failures in (0, 1, 5, 6, 5000)] == [1, 2, 32, 60, 60]


def test_connections_share_a_file_without_overlap() -> None:
    pieces = Pieces(95, 10)
    first, second, third = pieces.claim(), pieces.claim(), pieces.claim()
    assert (first, second, third) == (0, 5, 3)
    assert pieces.gap_end(0) == 30 and pieces.gap_end(5) == 95
    assert pieces.claim_next(0) and pieces.claim_next(1) and not pieces.claim_next(2)


def test_every_piece_is_claimed_once_and_the_last_one_is_short() -> None:
    pieces = Pieces(95, 10, {2, 3, 99})
    claimed = []
    while (index := pieces.claim()) is not None:
        claimed.append(index)
    assert sorted(claimed) == [0, 1, 4, 5, 6, 7, 8, 9]
    assert pieces.length(9) == 5 and pieces.here == 20


def test_parts_of_pieces_are_not_fetched_again_in_one_process() -> None:
    pieces = Pieces(95, 10)
    pieces.add(4, 7)
    assert (pieces.offset(4), pieces.missing(4), pieces.here, pieces.frontier) == (47, 3, 7, 0)
    for index in (0, 1, 3):
        pieces.finish(index)
    assert pieces.frontier == 20


IDENTITY = Identity.of(100, "ab", '"etag"', 10)


def journal(folder: Path) -> Journal:
    made = Journal(folder / "file")
    assert made.begin(IDENTITY) == set()
    with made.part.open("r+b") as part:
        made.note(part.fileno(), 3)
        made.note(part.fileno(), 7)
    return made


def test_the_journal_tells_a_restart_what_is_here(tmp_path: Path) -> None:
    made = journal(tmp_path)
    assert made.begin(IDENTITY) == {3, 7}
    with made.path.open("a") as stream:
        stream.write("1")  # the kill came before the line's end: piece 1x
    assert made.begin(IDENTITY) == {3, 7}
    with made.part.open("r+b") as part:
        made.note(part.fileno(), 5)
    assert made.begin(IDENTITY) >= {3, 5, 7}


@pytest.mark.parametrize("other", [Identity.of(101, "ab", "", 10), Identity.of(100, "cd", "", 10)])
def test_a_part_of_another_file_is_thrown_away(tmp_path: Path, other: Identity) -> None:
    assert journal(tmp_path).begin(other) == set()


@pytest.mark.parametrize("text", ["", "nonsense\n3\n", '{"size": 100}\n3\n', "[]\n"])
def test_an_unreadable_journal_is_begun_anew(tmp_path: Path, text: str) -> None:
    made = journal(tmp_path)
    made.path.write_text(text)
    assert made.begin(IDENTITY) == set()


def test_a_part_that_was_shortened_is_begun_anew(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.part.write_bytes(b"short")
    assert made.begin(IDENTITY) == set()


def test_the_hash_makes_a_file_the_same_at_every_hub() -> None:
    assert Identity.of(1, "ab", '"x"', 2) == Identity.of(1, "ab", '"y"', 2)
    assert Identity.of(1, "", '"x"', 2) != Identity.of(1, "", '"y"', 2)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("120", 120),
        ("86400", 600),
        ("Sun, 22 Nov 2026 04:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 03:00:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_reason(header: str, seconds: float) -> None:
    assert retry_after(header, datetime(2026, 11, 22, 4, 0, 0, tzinfo=timezone.utc)) == seconds


KNOWN = File("x.gguf", 100, "ab" * 32)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (206, {"content-range": "bytes 10-19/100"}, None),
        (206, {"content-range": "bytes 10-19/100", "x-linked-etag": f'"{"AB" * 32}"'}, None),
        (200, {"content-length": "100"}, None),
        (206, {"content-range": "bytes 0-9/100"}, failures.Cut),
        (206, {"content-range": "bytes 10-19/*"}, failures.Cut),
        (206, {}, failures.Cut),
        (206, {"content-range": "bytes 10-19/101"}, failures.OtherFile),
        (206, {"content-range": "bytes 10-19/100", "x-linked-etag": f'"{"cd" * 32}"'}, failures.OtherFile),
        (200, {"content-length": "99"}, failures.OtherFile),
        (200, {}, failures.Portal),
        (206, {"content-range": "bytes 10-19/100", "content-encoding": "gzip"}, failures.Portal),
        (416, {"content-range": "bytes */5"}, failures.OtherFile),
        (403, {}, failures.Refused),
        (407, {}, failures.Refused),
        (410, {}, failures.NotThere),
        (408, {}, failures.Cut),
        (500, {}, failures.ServerTrouble),
    ],
)
def test_answers_are_told_apart(status: int, headers: dict[str, str], kind: type[failures.Trouble] | None) -> None:
    answer = httpx2.Response(status, headers=headers, request=httpx2.Request("GET", "https://hub.example/x"))
    if kind is None:
        assert facts(answer, KNOWN, 10).size == 100
        return
    with pytest.raises(failures.Trouble) as refusal:
        facts(answer, KNOWN, 10)
    assert type(refusal.value) is kind and "hub.example" in refusal.value.text("zh")


def test_a_refusal_where_the_hub_sent_us_may_pass() -> None:
    hop = httpx2.Response(302, request=httpx2.Request("GET", "https://hub.example/x"))
    cdn = httpx2.Response(403, request=httpx2.Request("GET", "https://cdn.example/x"), history=[hop])
    with pytest.raises(failures.ServerTrouble, match=r"cdn\.example is in trouble"):
        facts(cdn, KNOWN, 0)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx2.ConnectError("CERTIFICATE_VERIFY_FAILED"), failures.Unreachable, "its certificate was refused: check"),
        (httpx2.ConnectTimeout(""), failures.Unreachable, "no answer"),
        (httpx2.TooManyRedirects("20 redirects"), failures.Unreachable, "20 redirects"),
        (httpx2.ReadTimeout(""), failures.Stalled, "for 30 s"),
        (httpx2.RemoteProtocolError("peer closed"), failures.Cut, "peer closed"),
    ],
)
def test_errors_of_the_client_become_the_hubs_trouble(
    error: httpx2.HTTPError, kind: type[failures.Trouble], words: str
) -> None:
    with pytest.raises(failures.Trouble, match=words) as refusal, network("hub.example", 30):
        raise error
    assert type(refusal.value) is kind


def test_a_proxy_that_cannot_be_used_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080")
    with pytest.raises(failures.BadProxy, match="proxy in the environment cannot be used"):
        open_client(Limits())


def test_each_hub_has_its_own_form_of_address() -> None:
    model = find("8b")
    addresses = [hub.address(model, model.mmproj) for hub in hubs.chosen("auto", {})]
    tail = f"/Qwen/Qwen3-VL-8B-Instruct-GGUF/resolve/{model.revision}/mmproj-Qwen3VL-8B-Instruct-F16.gguf"
    assert addresses == [
        f"https://huggingface.co{tail}",
        f"https://hf-mirror.com{tail}",
        "https://modelscope.cn/models/Qwen/Qwen3-VL-8B-Instruct-GGUF/resolve/master/mmproj-Qwen3VL-8B-Instruct-F16.gguf",
    ]


def test_the_choice_of_hub_follows_flag_and_environment() -> None:
    mirror = {"HF_ENDPOINT": "https://hub.example/"}
    assert [hub.endpoint for hub in hubs.chosen("auto", mirror)] == ["https://hub.example"]
    assert hubs.chosen("huggingface", mirror)[0].endpoint == "https://hub.example"
    assert hubs.chosen("modelscope", mirror)[0].endpoint == "https://modelscope.cn"
    assert hubs.chosen("http://10.0.0.1:8000/hub/", {})[0].endpoint == "http://10.0.0.1:8000/hub"
    with pytest.raises(SetupError, match=r"--hub github: no such hub; known: auto, huggingface, hf-mirror, modelscope"):
        hubs.chosen("github", {})


def test_every_failure_speaks_both_languages() -> None:
    kinds = [kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, SetupError)]
    named = [kind for kind in kinds if kind.__module__ == failures.__name__ and kind.__subclasses__() == []]
    assert len(named) > 15
    for kind in named:
        assert kind.en and kind.zh  # type: ignore[attr-defined]
