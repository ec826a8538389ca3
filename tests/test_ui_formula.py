"""What the chat is given to render: formulas, no tags, no pictures, code untouched."""

import pytest

from qwen_vl_app.ui.formula import shown


@pytest.mark.parametrize(
    ("answer", "markdown"),
    [
        ("The area is $\\pi r^2$.", "The area is \\(\\pi r^2\\)."),
        ("$x$ and $y_1$", "\\(x\\) and \\(y_1\\)"),
        ("$$a < b$$", "$$a < b$$"),
        ("\\[a<b\\] and \\(c<d\\)", "\\[a<b\\] and \\(c<d\\)"),
        ("It costs $5 to $10.", "It costs $5 to $10."),
        ("$5/$10, US$3", "$5/$10, US$3"),
        ("a \\$5 note for $5", "a \\$5 note for $5"),
    ],
)
def test_formulas_are_told_from_prices(answer: str, markdown: str) -> None:
    assert shown(answer) == markdown


@pytest.mark.parametrize(
    ("answer", "markdown"),
    [
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("a </b> <!-- c --> <?php", "a &lt;/b> &lt;!-- c --> &lt;?php"),
        ("1 < 2, a <3", "1 < 2, a <3"),
        ("![a](http://elsewhere/x.png)", "[a](http://elsewhere/x.png)"),
        ("Look! [a](b)", "Look! [a](b)"),
    ],
)
def test_tags_are_text_and_pictures_links(answer: str, markdown: str) -> None:
    assert shown(answer) == markdown


@pytest.mark.parametrize(
    "code",
    ["`<b> $x$`", "``a ` <b>``", "```html\n<b>![a](b) $x$</b>\n```", "```\nunfinished <b>", "~~~\n<b>\n~~~"],
)
def test_code_is_left_alone(code: str) -> None:
    assert shown(code) == code
    assert shown(code + "\n\nafter") == code + "\n\nafter"
