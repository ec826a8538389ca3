"""Places of several pieces as one answer."""

import pytest

from qwen_vl_app.tasks import Place, Whole, as_answer, found, in_pixels, merged

WHOLE = Whole(400, 2000)


def test_what_two_pieces_share_is_there_once_and_the_cut_one_gives_way() -> None:
    above = [Place((0, 0, 100, 20), "one"), Place((0, 180, 100, 190), "tw")]  # cut by the lower edge
    below = [Place((0, 180, 100, 200), "two"), Place((0, 240, 100, 260), "three")]
    assert [place.label for place in merged([above, below])] == ["one", "two", "three"]
    assert [place.label for place in merged([below[:1], [Place((1, 181, 99, 190), "t")]])] == ["two"]


def test_neighbours_stay_two() -> None:
    lines = [Place((0, 0, 100, 20), "one"), Place((0, 18, 100, 38), "two")]
    assert merged([lines[:1], lines[1:]]) == lines
    points = [Place((5, 5), "dot")]
    assert merged([points, points]) == points * 2  # nothing tells whether they are one
    assert merged([lines[:1], [], lines[:1]]) == lines[:1] * 2  # pieces that do not touch share nothing
    assert merged([]) == []


def test_an_answer_about_the_whole_says_where_things_are() -> None:
    places = [Place((40, 500, 200, 530), "甲"), Place((100, 1000), "dot")]
    read = found(as_answer(places, WHOLE))
    assert (read.lost, read.cut) == (0, False)
    back = in_pixels(read.places, WHOLE)
    assert [place.label for place in back] == ["甲", "dot"]
    for place, other in zip(places, back, strict=True):
        assert other.at == pytest.approx(place.at, abs=0.2)


def test_losses_are_still_told() -> None:
    read = found(as_answer([Place((0, 0, 40, 40), "one")], WHOLE, lost=2, cut=True))
    assert (len(read.places), read.lost, read.cut) == (1, 2, True)
    assert found(as_answer([], WHOLE)) == found("[]")
