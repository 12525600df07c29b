"""How photos look, as findings: copies across a split, labels that disagree, odd photos, motley classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from folders import Labelled, annotation
from PIL import Image, ImageFilter
from test_likeness import patches, saved

from ssdprep.crops import KINDS, kind_of, look_at
from ssdprep.likeness import fingerprints
from ssdprep.look import boxes_to_see, look_findings
from ssdprep.orient import to_upright
from ssdprep.record import Box, Finding, Size
from ssdprep.scan import scan_folder

APPLE: Labelled = ("apple", 40, 40, 120, 120)
SIZE = (320, 240)


def findings(folder: Path) -> list[Finding]:
    upright = to_upright(scan_folder(folder))
    return list(look_findings(upright, fingerprints(boxes_to_see(upright), jobs=1)))


def said(folder: Path) -> list[tuple[str, str]]:
    return [(finding.code, finding.path.name) for finding in findings(folder)]


def labelled(folder: Path, stem: str, pixels: np.ndarray, *boxes: Labelled, taken: str = "") -> Path:
    annotation(folder / f"{stem}.xml", boxes, size=SIZE)
    return saved(folder / f"{stem}.jpg", pixels, taken)


def lists(folder: Path, **parts: str) -> None:
    (folder / "ImageSets/Main").mkdir(parents=True)
    for name, stems in parts.items():
        (folder / f"ImageSets/Main/{name}.txt").write_text("\n".join(stems.split()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for seed in range(24):
        labelled(tmp_path, f"p{seed:02}", patches(seed), APPLE)
    return tmp_path


def test_strangers_are_no_finding(data: Path) -> None:
    assert findings(data) == []


def test_copies_are_said_and_worst_across_a_split(data: Path) -> None:
    shutil.copyfile(data / "p00.jpg", data / "q00.jpg")
    labelled(data, "q01", np.roll(patches(1), 3, axis=1), APPLE)
    annotation(data / "q00.xml", [APPLE], size=SIZE)
    assert said(data) == [("DUP001", "p00.jpg"), ("DUP002", "p01.jpg")]
    lists(data, train="p00 p01 p02", val="q01", test="q00")
    assert said(data)[2:] == [("DUP003", "q00.jpg"), ("DUP003", "q01.jpg")]
    assert "in test, and a copy of it in train: p00.jpg" in findings(data)[2].message


def test_shots_of_a_burst_across_a_split_are_said_once(data: Path) -> None:
    wide = patches(50, (340, 240)).copy()
    labelled(data, "shot0", wide[:, :320], APPLE, taken="2024:05:01 10:00:00")
    changed = wide[:, 20:].copy()
    changed[90:150, 100:200] = patches(51, (100, 60))
    labelled(data, "shot1", changed, APPLE, taken="2024:05:01 10:00:01")
    labelled(data, "shot2", changed, APPLE, taken="2024:05:01 10:00:01")
    lists(data, train="shot0 shot1", test="shot2")
    found = [finding for finding in findings(data) if finding.code in {"DUP003", "DUP005"}]
    assert [(finding.code, finding.path.name) for finding in found] == [("DUP003", "shot2.jpg")]
    lists_of_test = data / "ImageSets/Main/train.txt"
    lists_of_test.write_text("shot0")
    found = [finding for finding in findings(data) if finding.code in {"DUP003", "DUP005"}]
    assert [(finding.code, finding.path.name) for finding in found] == [("DUP005", "shot2.jpg")]


@pytest.mark.parametrize(
    ("boxes", "differ"),
    [
        ([APPLE], False),
        ([("apple", 44, 42, 124, 118)], False),
        ([("pear", 40, 40, 120, 120)], True),
        ([("apple", 150, 40, 230, 120)], True),
        ([APPLE, ("apple", 200, 100, 260, 160)], True),
        ([], True),
    ],
)
def test_labels_that_disagree_on_one_picture(data: Path, boxes: list[Labelled], differ: bool) -> None:
    Image.open(data / "p05.jpg").save(data / "q05.jpg", quality=60)
    annotation(data / "q05.xml", boxes, size=SIZE)
    assert (("DUP004", "q05.xml") in said(data)) is differ


def test_a_copy_that_lies_otherwise_may_have_other_boxes(data: Path) -> None:
    labelled(data, "q05", patches(5)[:, ::-1], ("apple", 200, 40, 280, 120))
    assert said(data) == [("DUP002", "p05.jpg")]


def test_pictures_that_were_drawn_are_no_copies(data: Path) -> None:
    labelled(data, "p05-1", patches(5)[:, ::-1], APPLE)
    (data / "augmentation.csv").write_text("picture,original\np05-1.jpg,p05.jpg\n")
    assert findings(data) == []


def test_odd_photos(data: Path) -> None:
    labelled(data, "black", patches(60) // 30, APPLE)
    labelled(data, "night", (patches(61) * 0.04).astype(np.uint8), APPLE)
    labelled(data, "lens", np.full((240, 320, 3), 90, np.uint8), APPLE)
    rng = np.random.default_rng(0)
    for seed in range(24):  # fine texture, so that blur has something to take away
        pixels = patches(seed) * 0.7 + rng.integers(0, 70, (240, 320, 1))
        labelled(data, f"p{seed:02}", pixels.astype(np.uint8), APPLE)
    Image.open(data / "p07.jpg").filter(ImageFilter.GaussianBlur(4)).save(data / "p07.jpg")
    codes = {name: code for code, name in said(data)}
    assert codes.pop("p07.jpg") == "LOOK002"
    assert codes.pop("lens.jpg") in {"LOOK003"}
    assert set(codes) <= {"black.jpg", "night.jpg"}
    assert codes


def test_a_photo_all_but_black_is_not_compared_where_there_is_nothing_to_compare(tmp_path: Path) -> None:
    black = np.zeros((240, 320, 3), np.uint8)
    black[40:120, 40:120] = patches(60)[:80, :80] // 2
    labelled(tmp_path, "black", black, APPLE)
    labelled(tmp_path, "white", 255 - black, APPLE)
    messages = {finding.path.stem: finding.message for finding in findings(tmp_path)}
    assert {name: message.partition(":")[0] for name, message in messages.items()} == {
        "black": "all but black",
        "white": "all but white",
    }


def test_a_dark_photo_is_compared_with_enough_others(data: Path) -> None:
    labelled(data, "night", patches(61) // 6, APPLE)
    (finding,) = (finding for finding in findings(data) if finding.code == "LOOK001")
    assert finding.message.startswith("much darker than the others: ")


def fruit_shop(folder: Path, photos: int, *names: str) -> None:
    """White cartons, and things of a colour each: red, yellow, green, purple in turn, called by ``names`` in turn."""
    colours = [(200, 30, 30), (230, 210, 30), (40, 170, 50), (150, 30, 200)]
    folder.mkdir()
    for number in range(photos):
        pixels = patches(number).copy()
        pixels[40:140, 40:120] = 235
        pixels[60:140, 180:260] = colours[number % 4]
        boxes = ("milk", 40, 40, 120, 140), (names[number % len(names)], 180, 60, 260, 140)
        labelled(folder, f"p{number:03}", pixels, *boxes)


def test_milk_and_fruits(tmp_path: Path) -> None:
    fruit_shop(tmp_path / "trap", 40, "fruit")
    found = [finding for finding in findings(tmp_path / "trap") if finding.code.startswith("LOOK")]
    assert [finding.code for finding in found] == ["LOOK004"]
    assert "class 'fruit' has many looks" in found[0].message
    assert "40 photos" in found[0].message
    fruit_shop(tmp_path / "cured", 80, "apple", "banana", "pear", "plum")
    assert "LOOK004" not in {finding.code for finding in findings(tmp_path / "cured")}


@pytest.mark.parametrize(
    ("colour", "kind"),
    [
        ((250, 0, 0), "red"),
        ((250, 0, 20), "red"),
        ((240, 220, 0), "yellow"),
        ((0, 200, 0), "green"),
        ((0, 0, 250), "blue"),
        ((120, 0, 200), "purple"),
        ((10, 12, 9), "dark"),
        ((230, 228, 226), "pale"),
    ],
)
def test_kinds_of_looks_by_hand(colour: tuple[int, int, int], kind: str) -> None:
    pixels = np.full((60, 80, 3), 128, np.uint8)
    pixels[15:45, 20:60] = colour
    crop = look_at(pixels, Box(80, 60, 240, 180), Size(320, 240))
    assert KINDS[kind_of(crop)] == kind
    assert sum(crop.colours) >= 990
    assert crop.shape == pytest.approx(np.log(160 / 120), abs=1e-5)


@pytest.mark.parametrize(
    "box", [Box(-50, -50, 5, 5), Box(310, 230, 500, 400), Box(400, 300, 500, 400), Box(5, 5, 5.5, 5.5)]
)
def test_a_box_off_the_photo_or_of_no_size_is_a_crop_all_the_same(box: Box) -> None:
    assert len(look_at(patches(1, (64, 48)), box, Size(320, 240)).colours) == 14


@pytest.mark.parametrize("name", ["cards", "raccoon", "bccd"])
def test_real_sets_raise_no_false_alarm(real_data: Path, name: str) -> None:
    codes = [finding.code for finding in findings(real_data / name)]
    assert not [code for code in codes if code.startswith("LOOK")]
    assert codes.count("DUP003") == (5 if name == "bccd" else 0)


def test_the_sample_raises_none(sample: Path) -> None:
    assert findings(sample / "photos") == []
