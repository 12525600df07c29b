"""Label maps: ids that never shift, names that survive, files of other tools read, mistakes named with their line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdprep.labels import LabelMap, covering, read_label_map, write_label_map
from ssdprep.record import SsdprepError

NAMES = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6, unique=True)
HARD = (
    "milk carton",
    "Äpfel 🍎",
    "it's",
    '"quoted"',
    "back\\slash",
    "two\nlines",
    "\t tab ",
    "\x001",
    "\x7f\x85\u2028",
)


def read(folder: Path, text: str | bytes, name: str = "label_map.pbtxt") -> tuple[str, ...]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_label_map(path).names


def refused(folder: Path, text: str | bytes, name: str = "label_map.pbtxt") -> str:
    with pytest.raises(SsdprepError) as caught:
        read(folder, text, name)
    assert caught.value.remedy
    return caught.value.message


def test_ids_follow_the_given_order_from_one() -> None:
    labels = LabelMap.from_names(["pear", "apple", "milk carton"])
    assert [labels.id_of(name) for name in ("pear", "apple", "milk carton")] == [1, 2, 3]
    assert [labels.name_of(number) for number in (1, 2, 3)] == ["pear", "apple", "milk carton"]
    assert labels == LabelMap(("pear", "apple", "milk carton"))


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_an_id_that_no_class_has_is_a_wrong_call(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 3"):
        LabelMap(("a", "b", "c")).name_of(number)


@pytest.mark.parametrize("names", [["a", "b", "a"], ["a", ""], [" \n"], ["\ud800"]])
def test_names_that_are_none(names: list[str]) -> None:
    with pytest.raises(ValueError):
        LabelMap.from_names(names)


def test_a_set_gives_the_same_ids_in_every_process() -> None:
    code = "from ssdprep.labels import LabelMap; print(LabelMap.from_names({'c', 'a', 'd', 'b'}).names)"
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "('a', 'b', 'c', 'd')"


@pytest.mark.parametrize(
    ("name", "said"),
    [("aple", "did you mean 'apple'"), ("BANANA", "did you mean 'banana'"), ("truck", "holds 'apple', 'banana'")],
)
def test_an_unknown_class_names_the_nearest(name: str, said: str) -> None:
    with pytest.raises(SsdprepError, match=said) as caught:
        LabelMap(("apple", "banana")).id_of(name)
    assert repr(name) in caught.value.message


@given(names=NAMES)
def test_every_name_survives_a_pbtxt(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.pbtxt"
    labels = LabelMap.from_names(names)
    write_label_map(path, labels)
    assert read_label_map(path) == labels


@given(names=NAMES)
def test_a_txt_keeps_a_name_or_refuses_it(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.txt"
    path.unlink(missing_ok=True)
    labels = LabelMap.from_names(names)
    if all(name == name.strip() and not name.startswith("\ufeff") and not {"\n", "\r"} & set(name) for name in names):
        write_label_map(path, labels)
        assert read_label_map(path) == labels
    else:
        with pytest.raises(SsdprepError, match=r"\.pbtxt instead"):
            write_label_map(path, labels)
        assert not path.exists()


def test_protocol_buffers_read_what_is_written_and_write_what_is_read(tmp_path: Path) -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    path = tmp_path / "map.pbtxt"
    write_label_map(path, LabelMap(HARD))
    message = text_format.Parse(path.read_text(encoding="utf-8"), label_map_message())
    assert [(item.id, item.name) for item in message.item] == list(enumerate(HARD, 1))
    for as_utf8 in (True, False):
        path.write_text(text_format.MessageToString(message, as_utf8=as_utf8), encoding="utf-8")
        assert read_label_map(path).names == HARD


def label_map_message() -> Any:
    """An empty StringIntLabelMap, as the TF object-detection API defines its first fields."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="label_map.proto", package="test", syntax="proto2")
    item = file.message_type.add(name="Item")
    item.field.add(name="name", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    item.field.add(name="id", number=2, type="TYPE_INT32", label="LABEL_OPTIONAL")
    labels = file.message_type.add(name="Map")
    labels.field.add(name="item", number=1, type="TYPE_MESSAGE", type_name=".test.Item", label="LABEL_REPEATED")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.Map"))()


def test_nothing_else_is_left_and_the_old_map_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("old\n")
    write_label_map(path, LabelMap(("a", "b")))
    assert path.read_bytes() == b"a\nb\n"
    assert [found.name for found in tmp_path.iterdir()] == ["labels.txt"]


def test_a_pbtxt_of_other_tools(tmp_path: Path) -> None:
    text = """
    # comments, # more than one
    item: { id: 2, name: 'it\\'s "two"'; keypoints { id: 1 label: "nose" } ancestor_ids: [1, 3] frequency: COMMON }
    item < name: "/m/014j1m" display_name: "App"  # neighbours are one text
      'le' id: 1 >
    item { id: 0 name: "background" } item{name:"\\303\\251\\x41\\u00e9\\U0001F34E\\t\\?" id:3}
    """
    assert read(tmp_path, text) == ("Apple", 'it\'s "two"', "éAé🍎\t?")
    assert read(tmp_path, b"\xef\xbb\xbfitem {\r\n  id: 1\r\n  display_name: 'a'\r\n}\r\n") == ("a",)


def test_name_goes_before_display_name(tmp_path: Path) -> None:
    assert read(tmp_path, 'item { display_name: "Shown" id: 1 name: "apple" }') == ("apple",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('item { id: 1 name: "a" }\nitem { id: 3 name: "c" }', ":2: no class has the id 2"),
        ('item { id: 2 name: "b" }', ":1: no class has the id 1"),
        ('item { id: 1 name: "a" }\n\nitem { id: 1 name: "b" }', ":3: the id 1 is there twice, first in line 1"),
        ('item { id: 1 name: "a" }\nitem { id: 2 name: "a" }', ":2: the class 'a' is there twice, first in line 1"),
        ('item { id: 1 name: "a"\nid: 2 name: "b" }', ":2: a second id"),
        ('item { name: "a" }', ":1: an item without id"),
        ("item { id: 1 }", ":1: the item of id 1 has no name"),
        ('item { id: 1 name: " " }', ":1: the item of id 1 has no name"),
        ('item { id: 0 name: "apple" }', "0 is the background"),
        ('item { id: 1 name: "background" }', ":1: 'background' as a class"),
        ('item { id: -1 name: "apple" }', "cannot be a class"),
        ("item { id: 1 name: apple }", ":1: name is no text"),
        ('item { id: "1" name: "a" }', ":1: id is no whole number"),
        ('item { id: 1.5 name: "a" }', ":1: id is no whole number"),
        ('items { id: 1 name: "a" }', "'items' where an item is expected"),
        ('item { id: 1\n name: "a }', ":2: there is '\"'"),
        ('item { id: 1\n name: "a"', ":2: the file ends"),
        ("item { ids: [1, 2", ":1: the file ends"),
        ('item { id: 1 name "a" }', "':' is expected"),
        ('item { id: 1 name: "\\377" }', ":1: the text is not UTF-8"),
        ('item { id: 1 name: "\\ud800" }', ":1: the text is not UTF-8"),
        ("}", ":1: there is '}'"),
        ("item {" * 5000, "there is '{'"),
        ("", "names no class"),
        ("# nothing\n", "names no class"),
        (b"item { id: 1 name: '\xe9' }", "not UTF-8"),
    ],
)
def test_a_pbtxt_that_cannot_be_used(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, text)


@given(text=st.text(alphabet="item{}<>[]:,;#\"'\\ \nd01naxu") | st.text())
def test_any_text_is_read_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pbtxt"
    path.write_bytes(text.encode())
    said = ""
    try:
        said = read_label_map(path).names[0]
    except SsdprepError as error:
        said = error.message.removeprefix(str(path))
    assert said


@pytest.mark.parametrize("text", ["a\nb c\n", "a\r\nb c", "\ufeffa\n b c \n\n\n", "a\rb c\r"])
def test_a_txt_has_one_name_a_line(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text, "labels.txt") == ("a", "b c")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n\nb\n", ":2: an empty line"),
        ("\na\n", ":1: an empty line"),
        ("???\na\n", ":1: '???' as a class"),
        ("a\nBackground\n", ":2: 'Background' as a class"),
        ("a\nb\na\n", ":3: the class 'a' is there twice, first in line 1"),
        (" \n", "names no class"),
        (b"\xff\xfea\x00", "not UTF-8"),
    ],
)
def test_a_txt_that_cannot_be_used(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, text, "labels.txt")


def test_a_map_that_covers_the_classes_says_what_is_odd(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("apple\nMilk Carton\nmilk_carton\npear\n")
    labels, odd = covering({"apple": "a.xml:3", "milk_carton": "b.xml:4"}, path)
    assert labels.names == ("apple", "Milk Carton", "milk_carton", "pear")
    assert [(finding.code, finding.message.split("'")[1]) for finding in odd] == [
        ("LBL001", "milk_carton"),
        ("LBL002", "Milk Carton"),
        ("LBL002", "pear"),
    ]
    assert covering({"b": "", "a": ""}) == (LabelMap(("a", "b")), ())


def test_every_unknown_class_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("apple\n")
    with pytest.raises(SsdprepError) as caught:
        covering({"aple": "a.xml:3", "truck": "b.xml:4", "apple": "c.xml:5"}, path)
    assert f"a.xml:3: class 'aple' is not in {path}: did you mean 'apple'?" in caught.value.message
    assert "b.xml:4: class 'truck'" in caught.value.message
    assert "c.xml" not in caught.value.message


def test_no_class_is_called_background(tmp_path: Path) -> None:
    with pytest.raises(SsdprepError, match=r"a\.xml:3.*'Background'"):
        covering({"Background": "a.xml:3"})
    with pytest.raises(SsdprepError, match="background"):
        write_label_map(tmp_path / "labels.txt", LabelMap(("background",)))
    assert not (tmp_path / "labels.txt").exists()


def test_other_suffixes_are_refused_and_a_missing_file_is_an_oserror(tmp_path: Path) -> None:
    assert "neither" in refused(tmp_path, "a\n", "labels.json")
    with pytest.raises(SsdprepError, match="neither"):
        write_label_map(tmp_path / "labels", LabelMap(("a",)))
    with pytest.raises(FileNotFoundError):
        read_label_map(tmp_path / "none.txt")
