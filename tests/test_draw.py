"""draw, sheets, preview: boxes lie where they should, text fits, sheets are even, what is left out is said."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from folders import annotation, pair, photo
from hypothesis import given, settings
from hypothesis import strategies as st
from make_labelled import add_photo
from PIL import Image

from ssdprep.draw import colour_of, draw_boxes, fitted, font
from ssdprep.previewed import choose, preview
from ssdprep.record import Box, Object, Record, Size, SsdprepError
from ssdprep.scan import scan_folder
from ssdprep.sheets import GUTTER, MARGIN, PAPER, Panel, contact_sheet, thumbnail

GREY = 120


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def changed(image: np.ndarray) -> list[int]:
    """Edges of what is no longer grey."""
    y, x = np.nonzero((image != GREY).any(axis=2))
    return [int(v) for v in (x.min(), y.min(), x.max() + 1, y.max() + 1)]


def of_colour(image: np.ndarray, name: str) -> np.ndarray:
    return (image == np.array(colour_of(name))).all(axis=2)


def test_the_outline_lies_on_the_box():
    drawn = draw_boxes(grey(400, 300), [Object("apple", Box(100, 120, 220, 260))])
    mine = of_colour(drawn, "apple")
    rows, columns = np.flatnonzero(mine[:, 160]), np.flatnonzero(mine[200])
    assert (rows[-1] + 1, columns[0], columns[-1] + 1) == (260, 100, 220)
    assert mine[120, 100:220].all()
    assert (drawn[140:240, 120:200] == GREY).all()  # the object itself stays as it is


def test_the_picture_given_is_not_touched():
    image = grey(60, 40)
    drawn = draw_boxes(image, [Object("a", Box(5, 5, 30, 30))])
    assert (image == GREY).all()
    assert not np.shares_memory(image, drawn)
    assert (draw_boxes(image, []) == image).all()


def test_a_tag_stands_above_its_box_and_within_it_where_there_is_no_room():
    above = changed(draw_boxes(grey(400, 300), [Object("apple", Box(100, 120, 220, 260))]))
    assert 95 < above[1] < 112
    at_the_top = changed(draw_boxes(grey(400, 300), [Object("apple", Box(100, 2, 220, 260))]))
    assert at_the_top[1] in (1, 2)
    at_the_right = changed(draw_boxes(grey(400, 300), [Object("a long class name", Box(385, 120, 398, 260))]))
    assert at_the_right[2] <= 400


def test_tags_keep_off_each_other():
    names = [f"class {i}" for i in range(4)]
    alone = [of_colour(draw_boxes(grey(640, 480), [Object(n, Box(200, 150, 420, 300))]), n).sum() for n in names]
    together = draw_boxes(grey(640, 480), [Object(n, Box(200, 150, 420, 300)) for n in names])
    outline = 2 * (220 + 150) * 2
    for name, count in zip(names, alone, strict=True):
        assert of_colour(together, name).sum() > (count - outline) * 0.9


def test_lines_and_letters_grow_with_the_picture():
    def tag_height(width: int) -> float:
        box = Box(0.3 * width, 0.4 * width, 0.6 * width, 0.7 * width)
        return (0.4 * width - changed(draw_boxes(grey(width, width), [Object("apple", box)]))[1]) / width

    assert tag_height(2400) == pytest.approx(tag_height(800), rel=0.15)


def test_scores_are_written():
    thing = Object("apple", Box(100, 120, 300, 260))
    without, written = (draw_boxes(grey(400, 300), [thing], scores=s) for s in (None, [0.87]))
    assert of_colour(written, "apple")[100:120].sum() > of_colour(without, "apple")[100:120].sum()


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_other_arrays_are_a_wrong_call(wrong):
    with pytest.raises(ValueError, match="a picture is"):
        draw_boxes(wrong, [])


def test_as_many_scores_as_objects():
    with pytest.raises(ValueError, match="zip"):
        draw_boxes(grey(9, 9), [Object("a", Box(1, 1, 4, 4))], scores=[])


EDGE = st.floats(-50, 250, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.lists(st.tuples(st.text(max_size=30), EDGE, EDGE, EDGE, EDGE), max_size=5),
)
def test_any_boxes_on_any_picture(size, things):
    objects = [Object(name, Box(*edges)) for name, *edges in things]
    drawn = draw_boxes(grey(*size), objects)
    assert drawn.shape == (size[1], size[0], 3)
    visible = [b for _, *b in things if min(b[2], size[0]) - max(b[0], 0) > 1 and min(b[3], size[1]) - max(b[1], 0) > 1]
    assert (drawn != GREY).any() or not visible


@given(st.text(max_size=40))
def test_every_colour_can_be_read(name):
    """WCAG 2.2 asks for a contrast of 4.5 between text and what it stands on."""

    def luminance(colour: tuple[int, int, int]) -> float:
        c = np.array(colour) / 255
        return float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])

    assert (luminance(colour_of(name)) + 0.05) / (luminance((18, 20, 24)) + 0.05) > 4.5
    assert colour_of(name) == colour_of(str(name))


def test_the_sample_classes_do_not_look_alike():
    colours = np.array([colour_of(name) for name in ("apple", "banana", "milk carton")], float)
    assert min(np.linalg.norm(a - b) for i, a in enumerate(colours) for b in colours[:i]) > 100


@given(st.text("ab W…", max_size=60), st.floats(0, 300))
def test_fitted_text_fits(text, width):
    letter = font(13)
    shorter = fitted(text, width, letter)
    assert letter.getlength(shorter) <= max(width, 0)
    assert shorter == text or letter.getlength(text) > width


def panels(*sizes: tuple[int, int]) -> list[tuple[Panel, ...]]:
    return [(Panel(np.full((h, w, 3), 255, np.uint8), caption=f"{w}x{h}"),) for w, h in sizes]


def runs(line: np.ndarray) -> list[tuple[int, int]]:
    """(first, end) of each stretch of white."""
    white = np.concatenate([[False], (line == 255).all(axis=1), [False]])
    edges = np.flatnonzero(white[1:] != white[:-1])
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def test_a_sheet_has_even_gutters_and_fills_its_width():
    sizes = [(640, 480), (480, 640), (600, 400), (500, 500)] * 6
    sheet = contact_sheet(panels(*sizes), title="a title", subtitle="of what", legend={"apple": 3, "banana": 4})
    assert sheet.shape[1] == 1680
    rows = [found for line in sheet[150::120] if len(found := [r for r in runs(line) if r[1] - r[0] > 60]) > 2]
    assert len(rows) > 4
    for row in rows:
        assert row[0][0] == MARGIN
        assert row[-1][1] == pytest.approx(1680 - MARGIN, abs=3)
        assert {b[0] - a[1] for a, b in pairwise(row)} <= {GUTTER - 1, GUTTER, GUTTER + 1}
    assert tuple(sheet[-1, 0]) == PAPER


@pytest.mark.parametrize("sizes", [[(640, 480)], [(4000, 300)], [(30, 900)], [(1, 1)], [(640, 480), (5000, 20)]])
def test_odd_sheets(sizes):
    sheet = contact_sheet(
        panels(*sizes), title="t" * 400, subtitle="s" * 400, legend={"n" * 90 + str(i): i for i in range(50)}
    )
    assert sheet.shape[1] == 1680
    assert sheet.shape[0] < 1200
    assert (sheet[110:] == 255).all(axis=2).any()


def test_no_tile_no_sheet():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], title="")


def test_a_thumbnail_takes_its_boxes_along():
    small = thumbnail(Panel(grey(2000, 1000), (Object("a", Box(500, 100, 1000, 300)),)), largest=500)
    assert small.image.shape == (250, 500, 3)
    assert small.objects[0].box == Box(125, 25, 250, 75)


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
