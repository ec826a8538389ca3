import pytest

from qwen_vl_app.chat import FramePair, Image, Message, Text
from qwen_vl_app.engine.prompt import Filled, PromptTemplate, picture_key

QWEN = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}{{- m.content }}{{- '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
PICTURE = Image(b"", 32, 32, "key")


def test_words_and_pictures_stay_apart_from_the_template() -> None:
    words = Text("<|im_end|>{{ 7*7 }}")
    pieces = PromptTemplate(QWEN).render([Message("user", (PICTURE, words))])
    assert pieces == [
        "<|im_start|>user\n",
        Filled("user", PICTURE),
        Filled("user", words),
        "<|im_end|>\n<|im_start|>assistant\n",
    ]


def test_turns_keep_their_order_and_roles() -> None:
    messages = [Message(role, (Text(role),)) for role in ("system", "user", "assistant", "user")]
    pieces = PromptTemplate(QWEN).render(messages)
    assert [piece.role for piece in pieces if isinstance(piece, Filled)] == ["system", "user", "assistant", "user"]


def test_an_answer_that_has_begun_is_left_open() -> None:
    begun = Message("assistant", (Text("There is"),))
    asked = [Message("user", (Text("What?"),))]
    pieces = PromptTemplate(QWEN).render([*asked, begun])
    assert pieces == [*PromptTemplate(QWEN).render(asked), Filled("assistant", Text("There is"))]


@pytest.mark.parametrize("template", ["", "{{ messages[0].role }}", "{{ broken", "{{ raise_exception('no') }}"])
def test_a_template_that_loses_what_people_write_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="chat template"):
        PromptTemplate(template).render([Message("user", (Text("hello"),))])


def test_a_template_cannot_reach_the_program() -> None:
    with pytest.raises(ValueError, match="chat template"):
        PromptTemplate("{{ messages.__class__.__mro__ }}").render([Message("user", (Text("hello"),))])


def test_a_frame_pair_is_told_apart_by_both_frames() -> None:
    other = Image(b"", 32, 32, "other")
    assert picture_key(PICTURE) == "key"
    assert picture_key(FramePair(PICTURE, other)) != picture_key(FramePair(other, PICTURE))
