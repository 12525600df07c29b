"""Annotations: read whatever they look like, written as LabelImg writes, patched to the byte."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdprep.formats import labelimg, voc
from ssdprep.record import Box, Object, Record, Severity, Size

LABELIMG = """<annotation verified="yes">
\t<folder>fruits</folder>
\t<filename>a b.jpg</filename>
\t<path>C:\\fruits\\a b.jpg</path>
\t<source>
\t\t<database>Unknown</database>
\t</source>
\t<size>
\t\t<width>640</width>
\t\t<height>480</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>apple</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>1</difficult>
\t\t<bndbox>
\t\t\t<xmin>10</xmin>
\t\t\t<ymin>20</ymin>
\t\t\t<xmax>110</xmax>
\t\t\t<ymax>220</ymax>
\t\t</bndbox>
\t</object>
</annotation>
"""
APPLE = Object("apple", Box(10, 20, 110, 220), difficult=True, line=14)


def codes(data: bytes | str) -> list[str]:
    return [finding.code for finding in voc.parse(data if isinstance(data, bytes) else data.encode())[1]]


def parsed(data: bytes | str) -> voc.Annotation:
    annotation, _ = voc.parse(data if isinstance(data, bytes) else data.encode())
    assert annotation is not None
    return annotation


def changed(old: str, new: str) -> str:
    assert old in LABELIMG
    return LABELIMG.replace(old, new)


def test_reads_what_labelimg_writes() -> None:
    expected = voc.Annotation((APPLE,), (APPLE.box,), Size(640, 480), "a b.jpg", verified=True)
    assert voc.parse(LABELIMG.encode()) == (expected, ())


def test_reads_by_name_not_by_position() -> None:
    shuffled = """<Annotation><object><part><name>leaf</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>
      <ymax>2</ymax></bndbox></part><bndbox><ymax>220.75</ymax><xmax>1.1e2</xmax><ymin> 20 </ymin><xmin>10</xmin>
      </bndbox><Difficult>1</Difficult><truncated>0.0597</truncated><name>apple</name></object>
      <size><depth/><height>480</height><width>640</width></size></Annotation>"""
    annotation = parsed(shuffled)
    assert annotation.objects == (Object("apple", Box(10, 20, 110, 220.75), truncated=True, difficult=True, line=1),)
    assert annotation.labelled_size == Size(640, 480)
    assert codes(shuffled) == ["VOC010", "VOC023"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (LABELIMG.replace("apple", "苹果").encode(), "苹果"),
        (b"\xef\xbb\xbf" + LABELIMG.replace("apple", "苹果").encode(), "苹果"),
        (('<?xml version="1.0" encoding="gbk"?>' + LABELIMG.replace("apple", "苹果")).encode("gbk"), "苹果"),
        (LABELIMG.replace("apple", "苹果").encode("utf-16"), "苹果"),
        (("\ufeff" + LABELIMG.replace("apple", "苹果")).encode("utf-16-be"), "苹果"),
        (LABELIMG.replace("apple", "&#x82f9;&#26524;").encode(), "苹果"),
        (LABELIMG.replace("apple", "<![CDATA[salt & <pepper>]]>").encode(), "salt & <pepper>"),
        (LABELIMG.replace("apple", "ap<!-- no --><?php ple ?>ple").encode(), "apple"),
        (LABELIMG.replace("<annotation", '<v:annotation xmlns:v="urn:v"', 1).replace("</a", "</v:a").encode(), "apple"),
        (LABELIMG.replace("<annotation", '<annotation xmlns="urn:v"', 1).encode(), "apple"),
        (LABELIMG.replace("<object", "<object xmlns='urn:v'").encode(), "apple"),
        (b'<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/x.dtd">' + LABELIMG.encode(), "apple"),
    ],
    ids=[
        "utf8",
        "bom",
        "gbk",
        "utf16le",
        "utf16be",
        "entities",
        "cdata",
        "comment",
        "prefix",
        "xmlns",
        "xmlns below",
        "doctype",
    ],
)
def test_reads_any_declared_encoding_and_spelling(data: bytes, name: str) -> None:
    annotation, findings = voc.parse(data)
    assert annotation is not None
    assert [thing.name for thing in annotation.objects] == [name]
    assert findings == ()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (LABELIMG.replace("apple", "苹果").encode("gbk"), "苹果"),
        (('<?xml version="1.0" encoding="utf-8"?>' + LABELIMG.replace("apple", "苹果")).encode("gbk"), "苹果"),
        (LABELIMG.replace("apple", "café").encode("cp1252"), "café"),
        (LABELIMG.replace("apple", "苹果").encode("utf-16-le"), "苹果"),
        (('<?xml version="1.0" encoding="klingon"?>' + LABELIMG.replace("apple", "苹果")).encode(), "苹果"),
    ],
    ids=["gbk", "gbk-says-utf8", "cp1252", "utf16-without-mark", "unknown"],
)
def test_an_undeclared_encoding_is_guessed_aloud(data: bytes, name: str) -> None:
    annotation, findings = voc.parse(data)
    assert annotation is not None
    assert [thing.name for thing in annotation.objects] == [name]
    assert [(finding.code, finding.severity) for finding in findings] == [("VOC009", Severity.WARNING)]


@pytest.mark.parametrize(
    ("data", "code", "line", "words"),
    [
        (b"", "VOC001", 0, "empty"),
        (b" \r\n\t", "VOC001", 0, "empty"),
        (LABELIMG.partition("</bndbox>")[0].encode(), "VOC001", 24, "cut short"),
        (b"\xff\xd8\xff\xe0 a photo", "VOC001", 1, "broken"),
        (b"not xml at all", "VOC001", 1, "broken"),
        (LABELIMG.encode() * 2, "VOC001", 27, "goes on after the end"),
        (b"<object/>\n<object/>", "VOC001", 2, "goes on after the end"),
        (LABELIMG.replace("object>", "item>").encode(), "VOC024", 19, "<bndbox> within <item>"),
        (changed("</annotation>", "<objects>\n<object/></objects></annotation>").encode(), "VOC024", 27, "<object>"),
        (changed("<pose>", "<object/><pose>").encode(), "VOC024", 16, "<object> within <object>"),
        (LABELIMG.replace("apple", "a & b").encode(), "VOC001", 15, "broken"),
        (b"<html><body/></html>", "VOC002", 1, "<html>"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + changed("apple", "&x;").encode(), "VOC008", 1, ""),
        (b'<!DOCTYPE a [<!ENTITY x "y">]>' + LABELIMG.encode(), "VOC008", 1, "entities"),
    ],
)
def test_a_broken_file_gives_no_labels_and_one_finding(data: bytes, code: str, line: int, words: str) -> None:
    annotation, findings = voc.parse(data, Path("a.xml"))
    assert annotation is None
    (finding,) = findings
    assert (finding.code, finding.line, finding.severity, finding.path) == (code, line, Severity.ERROR, Path("a.xml"))
    assert words in finding.message
    assert finding.remedy


def test_an_entity_bomb_is_refused() -> None:
    levels = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 20}">' for n in range(12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "ha">{levels}]>' + LABELIMG.replace("apple", "&e12;")
    assert voc.parse(bomb.encode())[0] is None
    with pytest.raises(ValueError):
        voc.patch(bomb.encode(), size=Size(1, 1))


@pytest.mark.parametrize(
    ("old", "new", "expected", "line"),
    [
        ("<xmax>110<", "<xmax>5<", "VOC003", 19),
        ("<ymax>220<", "<ymax>1<", "VOC003", 19),
        ("<xmax>110<", "<xmax>10<", "VOC004", 19),
        ("<xmax>110<", "<xmax>nan<", "VOC005", 19),
        ("<xmax>110<", "<xmax>-inf<", "VOC005", 19),
        ("<xmax>110<", "<xmax>1_1<", "VOC005", 19),
        ("<xmax>110<", "<xmax><", "VOC005", 19),
        ("\t\t\t<xmax>110</xmax>\n", "", "VOC005", 19),
        ("<name>apple<", "<name> <", "VOC006", 14),
        ("\t\t<name>apple</name>\n", "", "VOC006", 14),
        ("bndbox", "polygon", "VOC007", 14),
    ],
)
def test_an_unusable_object_is_left_out_and_named(old: str, new: str, expected: str, line: int) -> None:
    annotation, findings = voc.parse(changed(old, new).encode())
    assert annotation is not None
    assert annotation.objects == ()
    assert annotation.left_out == len(annotation.boxes) == 1
    assert [(f.code, f.line, f.severity) for f in findings] == [(expected, line, Severity.ERROR)]


def test_raw_boxes_keep_their_place_beside_unusable_ones() -> None:
    second = "<object><name>b</name><bndbox><xmin>5</xmin><ymin>1</ymin><xmax>5</xmax><ymax>9</ymax></bndbox></object>"
    third = "<object><name>c</name></object>"
    annotation = parsed(LABELIMG.replace("\t<object>", second + third + "\t<object>"))
    assert annotation.boxes == (Box(5, 1, 5, 9), None, Box(10, 20, 110, 220))
    assert [thing.name for thing in annotation.objects] == ["apple"]


@pytest.mark.parametrize(
    ("old", "new", "size"),
    [
        ("<width>640</width>\n\t\t<height>480<", "<width>0</width>\n\t\t<height>0<", None),
        ("<width>640</width>", "", None),
        ("<width>640</width>", "<width/>", None),
        ("<width>640</width>", "<width>-640</width>", None),
        ("<width>640</width>", "<width>640.0</width>", Size(640, 480)),
        ("<depth>3</depth>", "<depth/>", Size(640, 480)),
    ],
)
def test_sizes(old: str, new: str, size: Size | None) -> None:
    assert parsed(changed(old, new)).labelled_size == size
    assert codes(changed(old, new)) == ([] if size else ["VOC012"])


def test_every_cut_is_noticed() -> None:
    for end in range(len(LABELIMG) - 1):
        assert voc.parse(LABELIMG[:end].encode())[0] is None


@pytest.mark.parametrize(
    ("text", "flag", "expected"),
    [
        ("0", False, []),
        ("1", True, []),
        ("", False, []),
        ("Unspecified", False, []),
        ("True", True, []),
        ("no", False, []),
        ("0.0597", True, []),
        ("0.0", False, []),
        ("maybe", False, ["VOC014"]),
    ],
)
def test_flags(text: str, flag: bool, expected: list[str]) -> None:
    source = changed("<difficult>1<", f"<difficult>{text}<")
    assert parsed(source).objects[0].difficult is flag
    assert codes(source) == expected


@pytest.mark.parametrize(("root", "verified"), [("yes", True), ("no", False)])
def test_verified(root: str, verified: bool) -> None:
    assert parsed(changed('"yes"', f'"{root}"')).verified is verified


def test_a_path_in_filename_is_named_and_only_its_end_is_used() -> None:
    for written, name in [
        ("../../etc/passwd", "passwd"),
        ("D:\\x\\y.jpg", "y.jpg"),
        ("a/..", ""),
        ("C:a.jpg", "a.jpg"),
    ]:
        text = changed("<filename>a b.jpg<", f"<filename>{written}<")
        assert parsed(text).filename == written
        assert voc.base_name(written) == name
        assert codes(text) == ["VOC013"]


def test_blanks_around_a_name_are_layout() -> None:
    text = changed("<name>apple<", "<name>\n  red apple <")
    assert parsed(text).objects[0].name == "red apple"
    assert codes(text) == ["VOC011"]


def test_unreadable_files_are_findings(tmp_path: Path) -> None:
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "dangling.xml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")  # never opened here: scan takes regular files only
    for name in ("folder.xml", "dangling.xml", "missing.xml"):
        annotation, findings = voc.read(tmp_path / name)
        assert annotation is None
        assert [(f.code, f.path) for f in findings] == [("VOC015", tmp_path / name)]


@given(st.binary(max_size=300) | st.builds(lambda a, b: LABELIMG.encode()[:a] + b, st.integers(0, 900), st.binary()))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    annotation, findings = voc.parse(data)
    assert (annotation is None) <= any(finding.severity is Severity.ERROR for finding in findings)


# ---- dumps ----------------------------------------------------------------------------------------------------------


def test_writes_as_labelimg_does() -> None:
    record = Record(Path("a b.jpg"), None, (APPLE,))
    expected = LABELIMG.replace(' verified="yes"', "").replace("C:\\fruits\\a b.jpg", "fruits/a b.jpg")
    assert voc.dumps(record, folder="fruits", filename="a b.jpg", size=Size(640, 480)).decode() == expected


def test_written_text_is_escaped() -> None:
    record = Record(Path("a.jpg"), None, (Object("salt & <pepper>\t'\"é", Box(1, 1, 9, 9)),))
    data = voc.dumps(record, folder="", filename="a&b.jpg", size=Size(10, 10), depth=1)
    assert parsed(data).objects[0].name == record.objects[0].name
    assert parsed(data).filename == "a&b.jpg"
    with pytest.raises(ValueError, match="cannot hold"):
        voc.dumps(record, folder="", filename="a\0.jpg", size=Size(10, 10))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(0.4, 0.5, 9.5, 9.4), Box(0, 1, 10, 9)),
        (Box(-3, -3, 99, 99), Box(0, 0, 10, 10)),
        (Box(4.6, 4.6, 5.4, 5.4), Box(5, 5, 6, 6)),
        (Box(9.7, 9.7, 10, 10), Box(9, 9, 10, 10)),
        (Box(0, 0, 0.2, 0.2), Box(0, 0, 1, 1)),
    ],
)
def test_written_boxes_are_whole_and_valid(box: Box, expected: Box) -> None:
    data = voc.dumps(Record(Path("a"), None, (Object("a", box),)), folder="f", filename="a", size=Size(10, 10))
    assert parsed(data).boxes == (expected,)


def test_a_box_outside_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="hold nothing"):
        voc.dumps(
            Record(Path("a"), None, (Object("a", Box(11, 0, 12, 5)),)), folder="f", filename="a", size=Size(10, 10)
        )


sides = st.integers(1, 5000)


@given(st.data())
def test_written_boxes_come_back(data: st.DataObject) -> None:
    size = Size(data.draw(sides), data.draw(sides))
    edges = st.tuples(st.integers(0, size.width), st.integers(0, size.height))
    (x0, y0), (x1, y1) = data.draw(edges), data.draw(edges)
    box = Box(min(x0, x1), min(y0, y1), max(x0, x1, min(x0, x1) + 1), max(y0, y1, min(y0, y1) + 1))
    if box.xmax > size.width or box.ymax > size.height:
        box = Box(0, 0, *size)
    record = Record(Path("a.jpg"), None, (Object("a", box),))
    written = parsed(voc.dumps(record, folder="f", filename="a.jpg", size=size))
    assert written.boxes == (box,)
    assert written.labelled_size == size


# ---- patch ----------------------------------------------------------------------------------------------------------

HOSTILE = {
    "labelimg": LABELIMG.encode(),
    "crlf": LABELIMG.replace("\n", "\r\n").encode(),
    "bom": b"\xef\xbb\xbf" + LABELIMG.encode(),
    "one line": re.sub(r"[\t\n]", "", LABELIMG).encode(),
    "declared, single quotes": ("<?xml version='1.0'  standalone='yes' ?>\n" + LABELIMG.replace('"', "'")).encode(),
    "gbk": ('<?xml version="1.0" encoding="GBK"?>' + LABELIMG.replace("apple", "苹果乗]")).encode("gbk"),
    "gbk undeclared": LABELIMG.replace("apple", "苹果").encode("gbk"),
    "latin 1": LABELIMG.replace("apple", "café").encode("cp1252"),
    "utf16": LABELIMG.replace("apple", "苹😀").encode("utf-16"),
    "utf16 be": ("\ufeff" + LABELIMG.replace("apple", "苹😀")).encode("utf-16-be"),
    "utf16 unmarked": LABELIMG.replace("apple", "苹😀").encode("utf-16-le"),
    "comments": LABELIMG.replace(">10<", "><!-- x > 3 -->10<!-- y --><").replace(">640<", ">\n 640 <!--w--><").encode(),
    "cdata": LABELIMG.replace(">20<", "><![CDATA[20]]><").replace(">480<", "> <![CDATA[ 480 ]]> <").encode(),
    "references": LABELIMG.replace(">110<", ">1&#49;0<").replace("apple", "&lt;&#x82f9;&amp;").encode(),
    "attributes": LABELIMG.replace("<xmin>", "<xmin a='>' b=\"/>\" >").replace("<width>", '<width unit="px">').encode(),
    "tags with blanks": LABELIMG.replace("</xmin>", "</xmin \t>").replace("<size>", "<size\n>").encode(),
    "instructions": LABELIMG.replace(">10<", "><?x y?>10<").replace("<size>", "<?php <size> ?><size>").encode(),
    "floats": LABELIMG.replace(">10<", ">10.25<").replace(">220<", ">2.205e2<").encode(),
    "parts": LABELIMG.replace(
        "\t\t<bndbox>",
        "<part><name>p</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part>\t\t<bndbox>",
        1,
    ).encode(),
    "other root": LABELIMG.replace("annotation", "Annotation").encode(),
    "prefixed": re.sub("<(/?)", r"<\1v:", LABELIMG).replace("v:annotation", "v:annotation xmlns:v='u'", 1).encode(),
    "text and elements": LABELIMG.replace(">110<", ">110<note>!</note>9<").encode(),
    "upper case": LABELIMG.replace("bndbox", "BndBox").replace("xmin", "XMin").encode(),
    "doubled": LABELIMG.replace("<xmin>10</xmin>", "<xmin>10</xmin><xmin>99</xmin>").encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_patching_with_the_same_values_changes_no_byte(name: str) -> None:
    before = parsed(HOSTILE[name])
    assert len(before.objects) == 1
    assert before.labelled_size == Size(640, 480)
    assert voc.patch(HOSTILE[name], size=before.labelled_size, boxes=before.boxes) == HOSTILE[name]
    assert voc.patch(HOSTILE[name]) == HOSTILE[name]


@pytest.mark.parametrize("name", HOSTILE)
def test_patching_changes_the_numbers_and_nothing_else(name: str) -> None:
    """Five-digit markers: wherever they land, putting the old numbers back must give the old bytes back."""
    data = HOSTILE[name]
    marks = {"480": "71001", "640": "71002", "10": "71003", "20": "71004", "110": "71005", "220": "71006"}
    old_texts = {"71003": ["10.25", "10"], "71005": ["1&#49;0", "110"], "71006": ["2.205e2", "220"]}
    new_box = Box(*(float(marks[key]) for key in ("10", "20", "110", "220")))
    new_size = Size(71002, 71001)
    patched = voc.patch(data, size=new_size, boxes=[new_box])
    after, before = parsed(patched), parsed(data)
    assert after.boxes == (new_box,)
    assert after.labelled_size == new_size
    assert [thing.name for thing in after.objects] == [thing.name for thing in before.objects]
    for old, mark in marks.items():
        found = re.findall(_spaced(mark + r"(?:\.0)?", data), patched)
        assert len(found) == 1
        texts = [text for text in old_texts.get(mark, [old]) if _encoded(text, data) in data]
        patched = patched.replace(found[0], _encoded(texts[0], data))
    assert patched == data


def _codec(data: bytes) -> str:
    return "latin-1" if b"\0" not in data[:4] else "utf-16-le" if data[1] == 0 or data[:1] == b"\xff" else "utf-16-be"


def _encoded(text: str, data: bytes) -> bytes:
    return text.encode(_codec(data))


def _spaced(pattern: str, data: bytes) -> bytes:
    if _codec(data) == "latin-1":
        return pattern.encode()
    digits = pattern.removesuffix(r"(?:\.0)?")
    return re.escape(_encoded(digits, data))


def test_integers_stay_integers_and_floats_stay_floats() -> None:
    patched = voc.patch(HOSTILE["floats"], boxes=[Box(7, 8, 9.5, 30)])
    for text in (b"<xmin>7.0<", b"<ymin>8<", b"<xmax>9.5<", b"<ymax>30.0<"):
        assert text in patched


whole = st.integers(-(10**6), 10**6).map(float)
real = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.sampled_from(sorted(HOSTILE)), st.tuples(sides, sides), st.tuples(*[whole | real] * 4))
def test_patched_values_read_back_and_patching_back_restores_them(
    name: str, size: tuple[int, int], box: tuple[float, ...]
) -> None:
    data = HOSTILE[name]
    before = parsed(data)
    patched = voc.patch(data, size=Size(*size), boxes=[Box(*box)])
    after = parsed(patched)
    assert (after.boxes, after.labelled_size, after.filename) == ((Box(*box),), Size(*size), before.filename)
    again = voc.patch(patched, size=before.labelled_size, boxes=before.boxes)
    assert parsed(again).boxes == before.boxes
    if box == tuple(map(float, map(int, box))) and not {"floats", "references"} & {name}:
        assert again == data


def test_a_size_of_nought_is_filled_in() -> None:
    for width in ("<width>0</width>", "<width></width>", "<width/>", "<width />", "<width>?</width>"):
        text = changed("<width>640</width>", width)
        assert voc.patch(text.encode(), size=Size(640, 480)) == LABELIMG.encode()
    kept = changed("<width>640</width>", "<width unit='px' />")
    assert b"<width unit='px'>640</width>" in voc.patch(kept.encode(), size=Size(640, 480))
    spaced = changed("<width>640</width>", "<width> <!-- unknown --> </width>")
    assert b"<width>640 <!-- unknown --> </width>" in voc.patch(spaced.encode(), size=Size(640, 480))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("indent", ["\t", "  ", "    "])
def test_a_missing_size_is_inserted_in_the_indent_of_the_file(newline: str, indent: str) -> None:
    styled = LABELIMG.replace("\n", newline).replace("\t", indent)
    size = re.search(r"[ \t]*<size>.*</size>\r?\n", styled, re.DOTALL)
    assert size
    without = styled.replace(size[0], "")
    assert voc.patch(without.encode(), size=Size(640, 480)).decode() == styled
    for tag in ("width", "height"):
        line = re.search(rf"[ \t]*<{tag}>.*\r?\n", styled)
        assert line
        assert voc.patch(styled.replace(line[0], "").encode(), size=Size(640, 480)).decode() == styled


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<annotation><filename>a</filename></annotation>", "<annotation><filename>a</filename>{}</annotation>"),
        ("<annotation/>", "<annotation>{}</annotation>"),
        ("<annotation a='b' />", "<annotation a='b'>{}</annotation>"),
        ("<annotation>\n  <object/>\n</annotation>", "<annotation>\n  {}\n  <object/>\n</annotation>"),
        ("<annotation>\n\t<a/>\n</annotation>\n", "<annotation>\n\t<a/>\n\t{}\n</annotation>\n"),
    ],
)
def test_a_missing_size_finds_its_place(source: str, expected: str) -> None:
    patched = voc.patch(source.encode(), size=Size(7, 9)).decode()
    block = re.search(r"<size>.*</size>", patched, re.DOTALL)
    assert block
    assert re.sub(r"\s", "", block[0]) == "<size><width>7</width><height>9</height><depth>3</depth></size>"
    assert patched == expected.format(block[0])


def test_an_empty_size_element_is_filled() -> None:
    assert voc.patch(b"<annotation><size/></annotation>", size=Size(7, 9)) == (
        b"<annotation><size><width>7</width><height>9</height></size></annotation>"
    )


def test_degenerate_and_unreadable_boxes_can_be_patched_around() -> None:
    inverted = changed("<xmax>110<", "<xmax>5<").encode()
    moved = voc.patch(inverted, boxes=[Box(30, 20, 25, 220)])
    assert parsed(moved).boxes == (Box(30, 20, 25, 220),)
    unreadable = changed("<xmax>110<", "<xmax>nan<").encode()
    assert voc.patch(unreadable, size=Size(480, 640), boxes=[None]).count(b"nan") == 1
    assert parsed(voc.patch(unreadable, boxes=[Box(1, 2, 3, 4)])).boxes == (Box(1, 2, 3, 4),)


@pytest.mark.parametrize(
    ("source", "boxes"),
    [
        (LABELIMG[:500], None),
        (LABELIMG, []),
        (LABELIMG, [None, None]),
        (changed("\t\t\t<xmax>110</xmax>\n", ""), [Box(1, 2, 3, 4)]),
        (changed("bndbox", "polygon"), [Box(1, 2, 3, 4)]),
        (LABELIMG, [Box(1, 2, float("nan"), 4)]),
        (changed("<xmin>10<", "<xmin>1<!-- -->0<"), [Box(3, 20, 110, 220)]),
    ],
    ids=["cut short", "too few", "too many", "no xmax", "no bndbox", "nan", "number in pieces"],
)
def test_what_cannot_be_patched_exactly_is_refused(source: str, boxes: list[Box | None] | None) -> None:
    with pytest.raises(ValueError):
        voc.patch(source.encode(), size=Size(3, 4), boxes=boxes)


def test_real_annotations_survive_patching(real_data: Path) -> None:
    files = sorted(real_data.rglob("*.xml"))[::10]
    assert len(files) > 50
    for file in files:
        data = file.read_bytes()
        before = parsed(data)
        assert voc.patch(data, size=before.labelled_size, boxes=before.boxes) == data
        moved = [box and Box(*(edge + 1000 for edge in box)) for box in before.boxes]
        patched = voc.patch(data, size=Size(9999, 8888), boxes=moved)
        assert parsed(patched).boxes == tuple(moved)
        assert voc.patch(patched, size=before.labelled_size, boxes=before.boxes) == data


def test_two_zero_area_boxes_are_found_in_real_data(real_data: Path) -> None:
    found = [finding for file in sorted(real_data.rglob("*.xml")) for finding in voc.read(file)[1]]
    assert [finding.code for finding in found if finding.severity is Severity.ERROR] == ["VOC004", "VOC004"]


# ---- the layout of LabelImg, read without a parser ------------------------------------------------------------------

VALUES = st.sampled_from(
    ["apple", "", " ", "é", "梨", "a b", " a", "0", "1", "07", "4_0", "-3", "1.5", "٣", "1e3", "99999999999"]
) | st.sampled_from(
    ["&amp;", "<b/>", "<!-- -->", "]]>", "\t", "\n", "\r", "\x85", "\ufffe", "a/b.jpg", "C:\\a.jpg", "..", "x:y"]
)


@given(st.data())
def test_labelimg_layout_is_read_as_the_parser_reads_it(data: st.DataObject) -> None:
    parts = re.split(r"(?<=>)([^<\n]+)(?=<)", LABELIMG)
    place = data.draw(st.sampled_from(range(1, len(parts), 2)))
    parts[place] = data.draw(VALUES)
    same_lines = b'<?xml version="1.0"?>'  # a declaration: the same document to a parser, another layout
    changed = "".join(parts).encode()
    cut = data.draw(st.sampled_from([changed, changed[:-1], changed + b" ", changed.replace(b"\n", b"\r\n")]))
    assert voc.parse(cut) == voc.parse(same_lines + cut)


def test_labelimg_layout_needs_no_parser() -> None:
    plain = labelimg.read(LABELIMG.encode())
    assert plain is not None
    assert plain.objects == (APPLE,)
    assert labelimg.read(LABELIMG.replace("\t", "  ").encode()) is None
