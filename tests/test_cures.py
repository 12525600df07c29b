"""The cures for labels as pure functions, and the XML edited with every other byte kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdprep import cures
from ssdprep.checks import usual_spellings
from ssdprep.formats.voc_edit import Item, edit, items
from ssdprep.orient import decide
from ssdprep.record import Box, Record, Size

BOX = Box(10, 10, 30, 40)
S = Size(64, 48)


def boxed(*boxes: tuple[float, float, float, float]) -> tuple[Item, ...]:
    return tuple(Item("apple", Box(*box)) for box in boxes)


@pytest.mark.parametrize(
    ("inverted", "right"),
    [
        ((30, 10, 10, 40), BOX),
        ((10, 40, 30, 10), BOX),
        ((30, 40, 10, 10), BOX),
        ((10, 10, 30, 40), BOX),
        ((30, 5, 10, 5), Box(10, 5, 30, 5)),
    ],
)
def test_corners_are_sorted(inverted, right):
    (cured,) = cures.with_sorted_corners(boxed(inverted))
    assert cured == Item("apple", right)


def test_what_no_reader_looks_at_is_not_sorted():
    nameless = (Item(" ", Box(30, 40, 10, 10)), Item("apple", None), None)
    assert cures.with_sorted_corners(nameless) == nameless


def test_an_empty_box_goes_only_where_another_stays():
    empty, full = Item("apple", Box(5, 5, 5, 9)), Item("apple", BOX)
    assert cures.without_empty((empty, full, empty)) == (None, full, None)
    assert cures.without_empty((empty, empty)) == (empty, empty)


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((50, 10, 70, 20), (50, 10, 64, 20)),
        ((-3, -2, 70, 60), (0, 0, 64, 48)),
        ((50, 10, 64.0005, 20), (50, 10, 64.0005, 20)),  # floats of other tools: no finding, no cure
        ((60, 10, 80, 20), (60, 10, 80, 20)),  # most of it is off the photo
        ((64, 10, 80, 20), (64, 10, 80, 20)),  # all of it
        ((80, 10, 60, 20), (80, 10, 60, 20)),  # inverted
    ],
)
def test_boxes_are_cut_at_the_border(box, cut):
    assert cures.clipped(boxed(box), S) == boxed(cut)


def test_the_first_of_equal_boxes_stays():
    pear = Item("pear", BOX)
    one, blank, other = Item("apple", BOX), Item("apple ", BOX), Item("apple", Box(0, 0, 9, 9))
    assert cures.without_twins((one, pear, blank, other, one)) == (one, pear, None, other, None)
    inverted = boxed((30, 40, 10, 10), (30, 40, 10, 10))
    assert cures.without_twins(inverted) == inverted


def test_names():
    def named(*names):
        return tuple(Item(name, None) for name in names)

    assert cures.renamed(named(" a ", "b", "ab"), {"a": "b", "b": "c"}) == named(" b ", "c", "ab")
    assert cures.without_blanks(named("\n a b\t", " ")) == named("a b", " ")


def test_the_usual_spelling_is_the_frequent_one_unless_another_is_meant():
    counts = {"Milk": 1, "milk": 3, "m_ilk": 3, "pear": 9}
    assert usual_spellings(counts) == {"Milk": "m_ilk", "milk": "m_ilk"}
    assert usual_spellings(counts, {"Milk"}) == {"m_ilk": "Milk", "milk": "Milk"}


@pytest.mark.parametrize(
    ("orientation", "labelled", "box", "size"),
    [
        (1, None, (1, 1, 20, 20), S),
        (1, (65, 47), (1, 1, 20, 20), S),
        (1, (64, 48), (1, 1, 20, 20), S),
        (1, None, (1, 1, 20, 60), None),  # a box leaves the photo: another one was labelled
        (1, (48, 64), (1, 1, 20, 20), None),  # turned after it was labelled: evidence
        (1, (640, 480), (1, 1, 20, 20), None),  # another size of it
        (6, None, (1, 1, 20, 20), None),  # fits either frame
        (6, None, (1, 1, 60, 20), S),
        (6, None, (1, 1, 20, 60), S.swapped),
        (6, (47, 65), (1, 1, 20, 20), S.swapped),
        (6, (63, 48), (1, 1, 20, 20), S),
        (3, None, (1, 1, 20, 20), S),  # the frame is unknown, its size is not
        (3, (48, 64), (1, 1, 20, 20), None),
        (6, None, None, None),  # no boxes: either
        (6, (47, 64), None, S.swapped),
        (1, None, None, S),
    ],
)
def test_the_right_size(orientation, labelled, box, size):
    record = Record(Path("a.jpg"), Path("a.xml"), (), S, orientation, Size(*labelled) if labelled else None)
    decision = decide(orientation, S, record.labelled_size, [box] if box else [])
    assert cures.right_size(record, decision) == size


# ---- the XML --------------------------------------------------------------------------------------------------------

LINES = """<annotation>
\t<filename>a.jpg</filename>
\t<!-- kept -->
\t<object>
\t\t<name>apple</name>
\t\t<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3.0</xmax><ymax>4</ymax></bndbox>
\t</object>
\t<object>
\t\t<name> milk </name>
\t\t<bndbox><xmin>5</xmin><ymin>6</ymin><xmax>7</xmax><ymax>8</ymax></bndbox>
\t</object>  \t
</annotation>
"""
FIRST = LINES[LINES.index("\t<object>") : LINES.index("\t<object>\n\t\t<name> milk")]
ENCODED = {
    "utf-8": LINES.encode(),
    "bom": b"\xef\xbb\xbf" + LINES.encode(),
    "crlf": LINES.replace("\n", "\r\n").encode(),
    "utf-16": LINES.encode("utf-16"),
    "utf-16-be": ("\ufeff" + LINES).encode("utf-16-be"),
}


def recoded(text: str, like: str) -> bytes:
    if like == "crlf":
        return text.replace("\n", "\r\n").encode()
    return {"bom": b"\xef\xbb\xbf"}.get(like, b"") + (
        ("\ufeff" + text).encode(like) if like == "utf-16-be" else text.encode("utf-8" if like == "bom" else like)
    )


@pytest.mark.parametrize("encoding", ENCODED)
def test_every_other_byte_stays(encoding):
    data = ENCODED[encoding]
    first, second = items(data)
    assert second == Item(" milk ", Box(5, 6, 7, 8), 8)
    assert edit(data, [first, second]) == data
    assert edit(data, [None, second]) == recoded(LINES.replace(FIRST, ""), encoding)
    shorn = LINES[: LINES.index("\n\t<object>\n\t\t<name> milk")] + "\n</annotation>\n"
    assert edit(data, [first, None]) == recoded(shorn, encoding)
    trimmed = edit(data, [first, second._replace(name="milk")], filename="b & c.jpg")
    expected = LINES.replace(" milk ", "milk").replace("a.jpg", "b &amp; c.jpg")
    assert trimmed == recoded(expected, encoding)
    moved = edit(data, [first._replace(box=Box(0, 2, 5, 4)), second], size=Size(9, 8))
    assert b"\0" in moved or b"<xmin>0</xmin><ymin>2</ymin><xmax>5.0</xmax>" in moved
    assert [item and item.box for item in items(moved)] == [Box(0, 2, 5, 4), second.box]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<a/><object><name>x</name></object><object/>", "<a/><object/>"),
        ("<a/> <object><name>x</name></object> <object/>", "<a/>  <object/>"),
        ("<a/>\n <object><name>x</name></object><object/>\n", "<a/>\n <object/>\n"),
        ("<a/>\n <object><name>x</name></object> <!-- c -->\n<object/>", "<a/>\n  <!-- c -->\n<object/>"),
        ("<!-- c -->\r <object><name>x</name></object>\r<object/>", "<!-- c -->\r<object/>"),
        ("\n\n<object><name>x</name></object>\n\n<object/>", "\n\n\n<object/>"),
    ],
)
def test_an_object_takes_its_lines_with_it(before, after):
    data = f"<annotation>{before}</annotation>".encode()
    assert edit(data, [None, items(data)[1]]) == f"<annotation>{after}</annotation>".encode()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("<annotation><object><name>apple</name></object></annotation>", "苹果"),
        ('<?xml version="1.0" encoding="gbk"?><annotation><object><name>a</name></object></annotation>', "苹果"),
        ("<annotation><object><name><![CDATA[a <b>]]></name></object></annotation>", "c & <d>"),
        ("<annotation><object><name>\xa0café\xa0</name></object></annotation>", "café"),
        ("<annotation><object><name>&#32;café&#32;</name></object></annotation>", "café"),
    ],
)
def test_names_are_written_so_that_they_read_back(data, name):
    for codec in ("utf-8", "gbk") if "gbk" in data else ("utf-8", "utf-16"):
        encoded = data.encode(codec)
        (item,) = items(encoded)
        assert items(edit(encoded, [item._replace(name=name)])) == (item._replace(name=name),)


def test_other_letters_of_an_old_encoding_stay_as_they_are():
    text = (
        '<?xml version="1.0" encoding="gbk"?><annotation><!-- 好 --><object><name> 苹果 </name></object></annotation>'
    )
    (item,) = items(text.encode("gbk"))
    assert edit(text.encode("gbk"), [item._replace(name="苹果")]) == text.replace(" 苹果 ", "苹果").encode("gbk")
    renamed = edit(text.encode("gbk"), [item._replace(name="梨")])
    assert renamed == text.replace(" 苹果 ", "&#26792;").encode("gbk")


@pytest.mark.parametrize(
    "name",
    ["ap<!-- c -->ple", "apple<b/>", "ap<?php ?>ple"],
)
def test_a_name_that_holds_more_than_text_is_refused(name):
    data = f"<annotation><object><name>{name}</name></object></annotation>".encode()
    (item,) = items(data)
    with pytest.raises(ValueError, match="more than text"):
        edit(data, [item._replace(name="pear")])


def test_what_xml_cannot_hold_is_refused():
    data = b"<annotation><filename>a.jpg</filename></annotation>"
    with pytest.raises(ValueError, match="read back"):
        edit(data, [], filename="a\x07.jpg")
    with pytest.raises(ValueError, match="1 objects for 0"):
        edit(data, [None])


EDGES = st.tuples(*[st.integers(-9, 80)] * 4)
NAMES = st.sampled_from(["apple", " apple", "Apple\n", "milk", "a & b"])


@given(st.lists(st.tuples(NAMES, EDGES), max_size=6))
def test_a_cure_of_what_is_cured_changes_nothing(things):
    raw = tuple(Item(name, Box(*box)) for name, box in things)
    for cure in (
        cures.with_sorted_corners,
        cures.without_empty,
        cures.without_blanks,
        cures.without_twins,
        lambda found: cures.clipped(found, S),
    ):
        once = cure(raw)
        assert cure(once) == once
        assert len(once) == len(raw)
