"""The sample set keeps its promises: what is in it, how it is stored, and that every box lies on its object."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image

from ssdprep.orient import Verdict, judge, to_upright
from ssdprep.record import Dataset
from ssdprep.scan import scan_folder

sys.path.insert(0, str(REPOSITORY / "data"))

import draw_sample
from drawing.arrangement import CLASSES, LARGEST, SMALLEST, arrange, wanted
from drawing.scene import draw_scene, visible
from drawing.stage import draw_stage

LABELIMG = re.compile(
    r'<annotation(?: verified="yes")?>\n\t<folder>groceries</folder>\n\t<filename>[\w-]+\.jpg</filename>\n'
    r"\t<path>[CD]:\\[^<]+\\groceries\\[\w-]+\.jpg</path>\n\t<source>\n\t\t<database>Unknown</database>\n\t</source>\n"
    r"\t<size>\n\t\t<width>\d+</width>\n\t\t<height>\d+</height>\n\t\t<depth>3</depth>\n\t</size>\n"
    r"\t<segmented>0</segmented>\n"
    r"(\t<object>\n\t\t<name>[a-z ]+</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>[01]</truncated>\n"
    r"\t\t<difficult>[01]</difficult>\n\t\t<bndbox>\n(\t\t\t<(xmin|ymin|xmax|ymax)>\d+</\3>\n){4}\t\t</bndbox>\n"
    r"\t</object>\n)*</annotation>\n"
)


@pytest.fixture(scope="module")
def photos() -> Path:
    return REPOSITORY / "data" / "photos"


@pytest.fixture(scope="module")
def scanned(photos: Path) -> Dataset:
    return scan_folder(photos)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jpg"))


def test_it_is_small_enough(photos):
    assert sum(f.stat().st_size for f in photos.iterdir()) < 3.2e6
    assert sum(f.stat().st_size for f in (REPOSITORY / "data").rglob("*") if "__pycache__" not in f.parts) < 6e6


def test_it_is_what_its_script_says(photos):
    assert [f.name for f in files(photos)] == sorted(photo.name for photo in draw_sample.PHOTOS)
    assert len(files(photos)) == 84


def test_it_can_be_split_into_parts_that_hold_all_classes(scanned):
    boxes = Counter(thing.name for record in scanned.records for thing in record.objects)
    in_photos = Counter(name for record in scanned.records for name in {t.name for t in record.objects})
    assert scanned.classes == ("apple", "banana", "milk carton")
    assert boxes["milk carton"] > 4 * max(boxes["apple"], 1)  # far too much milk
    assert min(in_photos.values()) >= 20
    assert sum(not record.objects for record in scanned.records) == 8


def test_boxes_are_of_many_sizes_and_some_touch_the_border(scanned):
    objects = [(record, thing) for record in scanned.records for thing in record.objects]
    sides = np.array(
        [
            max(t.box.xmax - t.box.xmin, t.box.ymax - t.box.ymin) / min(r.stored_size)
            for r, t in objects
            if r.stored_size is not None
        ]
    )
    assert sides.min() < 0.15
    assert sides.max() > 0.6
    assert 0.2 < np.median(sides) < 0.5
    assert sum(thing.truncated for _, thing in objects) >= 10


def test_all_orientations_in_both_frames(scanned):
    """For 2, 3, 4 and squares the file cannot tell: they are few, and all in the stored frame."""
    found = Counter(
        (record.orientation, decision.verdict)
        for record, decision in zip(scanned.records, judge(scanned), strict=True)
        if decision is not None
    )
    for orientation in (5, 6, 7, 8):
        assert found[orientation, Verdict.STORED_FRAME] >= 1
        assert found[orientation, Verdict.UPRIGHT_FRAME] >= 1
    assert [found[orientation, Verdict.UNRESOLVED] for orientation in (2, 3, 4, 6)] == [1, 2, 1, 1]
    assert found[1, Verdict.ALREADY_UPRIGHT] > 40
    assert not [kind for kind in found if kind[1] is Verdict.CONFLICT]


def test_one_command_settles_it(scanned):
    upright = to_upright(scanned, frame="stored")
    assert len(upright.records) == 84
    assert [f.code for f in upright.findings] == ["IMG011", "IMG015", "VOC012"]


@pytest.mark.parametrize("name", ["mine.jpg", "IMG_2041.jpg"])
def test_drawing_leaves_the_files_of_others_alone(tmp_path, name):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / name).write_bytes(b"mine")
    script = REPOSITORY / "data" / "draw_sample.py"
    done = subprocess.run([sys.executable, script, "--out", tmp_path], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"such as {name}" in done.stderr
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "photos").iterdir()] == [(name, b"mine")]


def test_the_demo_removes_no_folder_that_it_is_told(tmp_path):
    """Without any command of ours on the PATH it stops after it has made its own folder."""
    (tmp_path / "data").mkdir()
    shutil.copytree(REPOSITORY / "data/photos", tmp_path / "data/photos")
    for name in ("demo.sh", "start.h5"):
        shutil.copy(REPOSITORY / "data" / name, tmp_path / "data")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.jpg").write_bytes(b"mine")
    words, plain = ["sh", tmp_path / "data/demo.sh", tmp_path / "mine"], {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, cwd=tmp_path / "mine", env=plain, capture_output=True, text=True)
    assert done.returncode != 0
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["photo.jpg"]
    assert (tmp_path / "build/demo/photos").is_dir()


def test_annotations_are_as_labelimg_writes_them(photos):
    for xml in sorted(photos.glob("*.xml")):
        assert LABELIMG.fullmatch(xml.read_text(encoding="utf-8")), xml.name


def test_a_png_calls_itself_jpg_and_labelimg_could_not_open_it(photos):
    pngs = [f for f in files(photos) if f.read_bytes().startswith(b"\x89PNG")]
    assert len(pngs) == 1
    assert "<width>0</width>\n\t\t<height>0</height>" in pngs[0].with_suffix(".xml").read_text(encoding="utf-8")


def opened(photos: Path) -> Iterator[tuple[Path, Image.Image]]:
    for path in files(photos):
        with Image.open(path) as image:
            yield path, image


def test_exif_is_as_phones_write_it(photos):
    seen = Counter()
    for path, image in opened(photos):
        exif = image.getexif()
        seen["without"] += not exif
        seen["thumbnail"] += bool(exif.get_ifd(0x014A)) or b"\xff\xd8\xff" in image.info.get("exif", b"")
        if gps := exif.get_ifd(0x8825):
            seen["gps"] += 1
            assert (gps[1], gps[3], *gps[2], *gps[4]) == ("S", "W", 48, 52, 31.8, 123, 23, 33.3)  # the open Pacific
        if exif:
            assert {0x010F, 0x0110, 0x0112, 0x0132} <= set(exif)
            assert exif.get_ifd(0x8769)[0xA002] == image.width
            assert re.fullmatch(r"2019:0[567]:[12]\d 1\d:[0-5]\d:[0-5]\d", exif[0x0132]), path
    assert seen["without"] > 10
    assert seen["thumbnail"] > 10
    assert 2 <= seen["gps"] <= 10


def test_most_sides_can_be_turned_without_loss_and_some_cannot(photos):
    odd = [image.size for _, image in opened(photos) if image.width % 16 or image.height % 16]
    assert 3 <= len(odd) < 84 / 4
    assert {True, False} == {w > h for w, h in (cv2.imread(str(f)).shape[1::-1] for f in files(photos)[:20])}


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_drawn_again_it_is_the_same_photo_with_the_same_boxes(photos, scanned, orientation):
    """OpenCV shows what was drawn, and the boxes, upright, are those of the drawing: for each orientation and frame."""
    some = {
        p.stored_frame: p for p in draw_sample.PHOTOS if p.orientation == orientation and not p.png and not p.negative
    }
    upright = {r.path.name: r for r in to_upright(scanned, frame="stored").records}
    for photo in some.values():
        pixels, objects = draw_sample.draw_photo(photo)
        read = cv2.imread(str(photos / photo.name))[..., ::-1]
        assert read.shape == pixels.shape
        assert np.abs(read.astype(int) - pixels).mean() < 6  # JPEG, and other processors' last digits
        found = [(t.name, tuple(t.box)) for t in upright[photo.name].objects]
        assert len(found) == len(objects)
        for (name, box, *_), (label, labelled) in zip(objects, found, strict=True):
            assert label == name
            assert np.abs(np.subtract(box, labelled)).max() <= 1  # LabelImg has no 0


def test_boxes_are_tight():
    """Against the things' own outlines: what is visible fills its box, and not a pixel of it is outside."""
    checked = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        stage = draw_stage(rng, 320, 240)
        shown = visible(stage.camera, arrange(rng, stage, wanted(rng, None, (1, 5))))
        for i, each in enumerate(shown):
            mask = np.zeros((240, 320), bool)
            mask[each.seen.window.cut] = each.seen.alpha > 0.5
            for nearer in shown[i + 1 :]:
                mask[nearer.seen.window.cut] &= nearer.seen.alpha <= 0.5
            y, x = np.nonzero(mask)
            assert each.box.tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
            checked += 1
    assert checked > 20


def test_scenes_are_drawn_from_their_seed_alone():
    (first, labels), (again, same), (other, _) = (
        draw_scene(np.random.default_rng(seed), (160, 120)) for seed in (3, 3, 4)
    )
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert labels == same
    assert (first.shape, first.dtype) == ((120, 160, 3), np.uint8)


def test_scenes_hold_what_is_asked_for():
    names = Counter()
    for seed in range(20):
        _, objects = draw_scene(np.random.default_rng([9, seed]), (160, 200), {"apple": 1, "banana": 3})
        for name, (xmin, ymin, xmax, ymax), truncated, difficult in objects:
            names[name] += 1
            assert 0 <= xmin < xmax <= 160
            assert 0 <= ymin < ymax <= 200
            assert SMALLEST * 160 - 1 <= max(xmax - xmin, ymax - ymin) <= LARGEST * 160 + 1
            assert isinstance(truncated, bool)
            assert isinstance(difficult, bool)
    assert set(names) == {"apple", "banana"}
    assert names["banana"] > names["apple"]
    assert draw_scene(np.random.default_rng(1), (160, 120), dict.fromkeys(CLASSES, 0.0))[1] == []


def test_an_unknown_class_is_a_wrong_call():
    with pytest.raises(ValueError, match="pear"):
        draw_scene(np.random.default_rng(1), (160, 120), {"pear": 1.0})
