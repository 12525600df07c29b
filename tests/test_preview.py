"""The verb preview: which photos it draws, what it says of each, where it writes, and where it will not."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from folders import annotation, pair, photo
from make_labelled import add_photo
from PIL import Image

from ssdprep.palette import palette
from ssdprep.previewed import choose, preview
from ssdprep.record import Box, Object, Record, Size, SsdprepError
from ssdprep.scan import scan_folder


def records(*kinds: tuple[int, tuple[str, ...]]) -> list[Record]:
    box = Box(1, 1, 9, 9)
    return [
        Record(
            Path(f"{i:03}.jpg"), Path(f"{i:03}.xml"), tuple(Object(n, box) for n in names), Size(20, 10), orientation
        )
        for i, (orientation, names) in enumerate(kinds)
    ]


def test_the_choice_covers_classes_and_orientations():
    common = [(1, ("milk",))] * 200
    photos = records(*common, (6, ("milk",)), (8, ("milk",)), (1, ("apple",)), (3, ("milk", "pear")), (1, ()))
    chosen = choose(photos, 6, seed=5)
    assert {r.orientation for r in chosen} == {1, 3, 6, 8}
    assert {thing.name for r in chosen for thing in r.objects} == {"milk", "apple", "pear"}
    assert chosen == choose(photos, 6, seed=5)
    assert chosen == sorted(chosen, key=lambda r: r.path)
    assert len(choose(photos, 1000, seed=1)) == len(photos)
    assert choose(photos, 2, seed=3, first=photos[7:9]) == photos[7:9]


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """Photos that can be decided, one that cannot, one without objects, one without labels."""
    data = tmp_path / "set"
    apple, milk = ("apple", Box(8, 10, 40, 30)), ("milk", Box(50, 20, 90, 60))
    add_photo(data, "plain.jpg", apple, milk)
    add_photo(data, "stored.jpg", apple, milk, orientation=6, frame="stored")
    add_photo(data, "upright.jpg", apple, orientation=8)
    add_photo(data, "doubtful.jpg", apple, orientation=3)
    add_photo(data, "nothing.jpg")
    photo(data / "unlabelled.jpg", (96, 64))
    return data


def test_preview_writes_a_sheet_beside_the_folder(turned, cli):
    ran = cli("preview", turned)
    assert ran.code == 1  # one photo's frame is unknown
    assert "5 of 5 photos, 5 boxes" in ran.out
    assert "--frame stored" in ran.out  # how the unknown one can be settled
    with Image.open(turned.with_name("set-preview.png")) as sheet:
        assert sheet.size[0] == 1680


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's fonts are always found")
@pytest.mark.parametrize("words", [["preview"], ["augment", "--preview", "--flip-h"]])
def test_a_name_that_no_font_can_write_is_said_once(cli, tmp_path, words):
    for stem in ("a", "b"):
        pair(tmp_path / "set", stem, [("苹果", 10, 10, 30, 40), ("Яблоко", 20, 10, 40, 40)])
    fonts = {"XDG_DATA_HOME": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path)}  # our own font has no Chinese
    ran = cli(words[0], tmp_path / "set", *words[1:], "--json", env=fonts)
    assert ran.code == 0
    (said,) = [found for found in ran.json["findings"] if found["code"] == "SHT001"]
    assert "1 class name" in said["message"]
    assert "'苹果'" in said["message"]
    assert said["path"].endswith(".png")


def test_preview_says_in_json_what_it_drew(turned, cli, tmp_path):
    answer = cli("preview", turned, "--json", "-o", tmp_path / "deep" / "sheet.png").json
    assert set(answer) == {"sheet", "mode", "photos", "boxes", "tiles", "findings"}
    notes = {Path(tile["image"]).stem: tile["notes"] for tile in answer["tiles"]}
    assert notes == {
        "plain": ["2 boxes"],
        "stored": ["2 boxes, EXIF 6"],
        "upright": ["1 box, EXIF 8"],
        "nothing": ["no objects"],
        "unlabelled": ["not labelled"],
    }
    assert Path(answer["sheet"]).is_file()
    assert [f["code"] for f in answer["findings"] if f["severity"] == "error"] == ["ORI001"]


def test_both_readings_of_what_is_unresolved(turned):
    report = preview(turned, unresolved=True)
    assert [(path.stem, notes) for path, notes in report.tiles] == [("doubtful", ("--frame stored", "--frame upright"))]
    assert report.exit_code == 1


def test_nothing_unresolved_draws_no_sheet(tmp_path, cli):
    pair(tmp_path / "set", "a")
    ran = cli("preview", tmp_path / "set", "--unresolved")
    assert (ran.code, "no sheet is drawn" in ran.out) == (0, True)
    assert not (tmp_path / "set-preview.png").exists()


def test_before_and_after(turned, cli, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(turned, old)
    assert cli("fix-exif", turned, "--frame", "upright").code == 0
    report = preview(turned, tmp_path / "sheet.png", before=old)
    notes = {path.stem: notes for path, notes in report.tiles}
    reader, overlap = notes["stored"][0].split(": IoU ")
    assert reader == "in OpenCV"
    assert float(overlap) < 0.5
    reader, overlap = notes["upright"][0].split(": IoU ")
    assert reader == "in Pillow and TensorFlow"
    assert float(overlap) < 0.5
    assert notes["plain"] == ("in OpenCV: IoU 1.00", "in every reader: 2 boxes")
    assert {after for _, after in notes.values()} >= {"in every reader: 1 box", "in every reader: no objects"}
    assert report.exit_code == 0


def test_what_keeps_its_tag_is_not_said_to_be_right_everywhere(turned, cli, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(turned, old)
    assert cli("fix-exif", turned, "--frame", "upright", "--images", "keep").code == 0
    notes = {path.stem: notes for path, notes in preview(turned, before=old).tiles}
    assert notes["stored"][1] == "in readers that apply EXIF: 2 boxes"
    assert notes["plain"][1] == "in every reader: 2 boxes"


def test_the_same_seed_gives_the_same_bytes(sample, tmp_path):
    sheets = [tmp_path / f"{i}.png" for i in range(3)]
    for sheet, seed in zip(sheets, (1, 1, 2), strict=True):
        preview(sample / "photos", sheet, count=4, seed=seed)
    first, second, third = (sheet.read_bytes() for sheet in sheets)
    assert first == second != third


def test_a_damaged_photo_is_left_out_and_said(tmp_path, cli):
    data = tmp_path / "set"
    for stem in "abc":
        pair(data, stem)
    whole = (data / "b.jpg").read_bytes()
    (data / "b.jpg").write_bytes(whole[: len(whole) // 2])
    annotation(data / "broken.xml").write_text("<annotation>")
    ran = cli("preview", data, "--json")
    assert ran.code == 1
    assert [Path(tile["image"]).stem for tile in ran.json["tiles"]] == ["a", "c"]
    assert [f["code"] for f in ran.json["findings"] if f["path"].endswith("b.jpg") and f["severity"] == "error"] == [
        "IMG003"
    ]


def test_one_line_where_there_is_nothing_to_draw(tmp_path, cli):
    for name in ("missing", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        ran = cli("preview", tmp_path / name)
        assert ran.code == 2
        assert ran.err.startswith("error: ")
    data = tmp_path / "set"
    pair(data, "a")
    (data / "a.jpg").write_bytes(b"\xff\xd8\xff")
    assert cli("preview", data).code == 2
    pair(tmp_path / "one", "a")
    pair(tmp_path / "other", "b")
    with pytest.raises(SsdprepError, match=r"is in .*other too"):
        preview(tmp_path / "one", before=tmp_path / "other")


def test_wrong_calls(tmp_path, cli):
    pair(tmp_path, "a")
    with pytest.raises(ValueError, match="count"):
        preview(tmp_path, count=0)
    with pytest.raises(ValueError, match="exclude"):
        preview(tmp_path, before=tmp_path, unresolved=True)
    ran = cli("preview", tmp_path, "--unresolved", "--before", tmp_path)
    assert (ran.code, "--before" in ran.err) == (2, True)


def test_real_phone_photos(real_data, tmp_path):
    """Photos as phones leave them, without annotations: all are drawn upright, none is a fault."""
    folder = tmp_path / "set"
    shutil.copytree(real_data / "exif-orientation-examples", folder)
    report = preview(folder, tmp_path / "sheet.png", count=18)
    assert len(report.tiles) == len(scan_folder(folder).records)
    assert report.exit_code == 0


def test_all_sheets_of_a_set_have_the_same_colours(turned, tmp_path):
    """Also where a class is on none of the photos drawn, or only on those whose frame is unknown."""
    add_photo(turned, "last.jpg", ("zebra", Box(8, 10, 40, 30)), orientation=3)
    add_photo(turned, "first.jpg", ("aardvark", Box(8, 10, 40, 30)))
    colours = palette(["aardvark", "apple", "milk", "zebra"])
    sheets = [tmp_path / "one.png", tmp_path / "all.png", tmp_path / "readings.png"]
    preview(turned, sheets[0], count=1, seed=3)
    preview(turned, sheets[1])
    preview(turned, sheets[2], unresolved=True)
    for sheet, expected in zip(sheets, ({"milk"}, {"aardvark", "apple", "milk"}, {"apple", "zebra"}), strict=True):
        with Image.open(sheet) as drawn:
            pixels = np.asarray(drawn.convert("RGB"))[:110]  # the legend
        assert expected <= {name for name, colour in colours.items() if (pixels == colour).all(axis=2).sum() > 100}, (
            sheet
        )


@pytest.mark.parametrize(
    ("out", "says", "cure"),
    [
        ("folder", "is a folder", "--out folder.png"),
        ("new", "is no .png file", "--out new.png"),
        ("sheet.jpg", "is no .png file", "--out sheet.jpg.png"),
        ("set/sheet.png", "would count as one of the photos", "put it beside the folder: --out"),
        ("set/new/sheet.png", "would count as one of the photos", "put it beside the folder: --out"),
        ("old/sheet.png", "would count as one of the photos", "put it beside the folder: --out"),
        ("file/sheet.png", "file is no folder", "/file/sheet.png"),
    ],
)
def test_where_no_sheet_belongs(cli, tmp_path, out, says, cure):
    pair(tmp_path / "set", "a")
    (tmp_path / "set/a.jpg").write_bytes(b"")  # nothing could be drawn: the place is looked at first
    pair(tmp_path / "old", "a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"mine")
    before = sorted(tmp_path.rglob("*"))
    ran = cli("preview", "set", "--before", "old", "--out", out, cwd=tmp_path)
    said = " ".join(ran.err.split())
    assert (ran.code, says in said, cure in said) == (2, True, True), ran.err
    assert "Errno" not in ran.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("verb", [("preview",), ("augment", "--preview", "--rotate", 5)])
def test_only_an_earlier_sheet_is_replaced(cli, tmp_path, verb):
    for stem in "abc":
        pair(tmp_path / "set", stem)
    mine = photo(tmp_path / "ph/holiday.png")
    before = mine.read_bytes()
    out = "ph/holiday" if verb[0] == "augment" else "ph/holiday.png"
    ran = cli(*verb, "set", "--out", out, cwd=tmp_path)
    said = " ".join(ran.err.split())
    assert ran.code == 2
    assert "is no contact sheet of ssdprep" in said
    assert mine.read_bytes() == before
    assert list(mine.parent.iterdir()) == [mine]
    *_, named = said.split("--out ")
    assert cli(*verb, "set", "--out", named, cwd=tmp_path).code == 0  # the cure does
    sheet = tmp_path / named
    first = sheet.read_bytes()
    with Image.open(sheet) as drawn:
        assert drawn.text == {"Software": "ssdprep"}
    pair(tmp_path / "set", "d")
    assert cli(*verb, "set", "--out", named, cwd=tmp_path).code == 0
    assert sheet.read_bytes() != first


@pytest.mark.parametrize("verb", [("preview",), ("augment", "--preview", "--rotate", 5)])
def test_no_sheet_among_the_backups(cli, tmp_path, verb):
    pair(tmp_path / "set", "a")
    ran = cli(*verb, "set", "--out", "other/.ssdprep/sheet.png", cwd=tmp_path)
    assert (ran.code, "keeps its backups" in " ".join(ran.err.split())) == (2, True)
    assert not (tmp_path / "other").exists()


def test_a_link_into_nowhere_is_not_filled(cli, tmp_path):
    pair(tmp_path / "set", "a")
    (tmp_path / "sheet.png").symlink_to(tmp_path / "gone.png")
    assert cli("preview", "set", "-o", "sheet.png", cwd=tmp_path).code == 2
    assert not (tmp_path / "gone.png").exists()


def test_a_sheet_in_the_folder_itself(cli, tmp_path):
    pair(tmp_path / "set", "a")
    ran = cli("preview", ".", "-o", "sheet.png", cwd=tmp_path / "set")
    assert (ran.code, str(tmp_path / "sheet.png") in "".join(ran.err.split())) == (2, True)
    assert cli("preview", ".", "-o", "../sheet.png", cwd=tmp_path / "set").code == 0
    assert cli("preview", ".", cwd=tmp_path / "set").code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"set", "sheet.png", "set-preview.png"}
