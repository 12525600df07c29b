"""`ssdprep augment`: a complete new data set, the same bytes for the same seed."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from make_labelled import add_photo, contents, labelled_folder, marker_in
from PIL import Image

from ssdprep import SsdprepError, augment_folder, scan_folder
from ssdprep.augment import Drawn, Recipe
from ssdprep.provenance import read_provenance
from ssdprep.record import Box, Size
from ssdprep.walk import folded

GEOMETRY = ("--rotate", 20, "--scale", 0.1, "--translate", 0.05, "--flip-h")
ALL = (*GEOMETRY, "--shear", 5, "--flip-v", "--noise", 0.02, "--blur", 0.5, "--contrast", 0.1, "--brightness", 0.1)
TURN = Recipe(rotate=15)


@pytest.fixture
def data(tmp_path):
    return labelled_folder(tmp_path / "data")


def table(out):
    with (out / "augmentation.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_complete_set_comes_out(cli, data, tmp_path):
    before = contents(data)
    done = cli("augment", data, *GEOMETRY, "--copies", 2, "--json")
    assert done.code == 0, done.err
    out = tmp_path / "data-augmented"
    photos = ["negative", "p0", "p1", "p2", "p3", "p4", "p5", "turned"]
    names = {name for photo in photos for name in (photo, f"{photo}_aug1", f"{photo}_aug2")}
    assert {path.stem for path in (out / "images").iterdir()} == names
    assert {path.stem for path in (out / "annotations").iterdir()} == names
    assert contents(data) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    found = scan_folder(out)
    assert found.findings == ()
    assert len(found.records) == 24
    report = done.json
    assert (report["photos"], report["pictures"], report["unlabelled"]) == (8, 16, 1)
    counted = {name: sum(t.name == name for r in found.records for t in r.objects) for name in found.classes}
    assert report["boxes"] == counted
    assert report["recipe"]["rotate"] == 20


def test_boxes_lie_on_their_markers(data, tmp_path):
    recipe = Recipe(rotate=20, shear=5, scale=0.1, translate=0.05, flip_h=True, flip_v=True)
    report = augment_folder(data, recipe=recipe, copies=3, jobs=1)
    checked = 0
    for record in scan_folder(report.out).records:
        if len(record.objects) == 1 and not record.objects[0].truncated:
            box = marker_in(np.asarray(Image.open(record.path)))
            assert np.abs(box - record.objects[0].box).max() <= 2, record.path.name
            checked += 1
    assert checked >= 12


def test_originals_are_upright_and_else_untouched(data, tmp_path):
    report = augment_folder(data, recipe=TURN, jobs=1)
    for name in ("p0.jpg", "p3.png"):
        assert (report.out / "images" / name).read_bytes() == (data / name).read_bytes()
    with Image.open(report.out / "images/turned.jpg") as turned:
        assert turned.size == (64, 96)
        assert turned.getexif().get(0x0112, 1) == 1
        assert np.abs(marker_in(np.asarray(turned)) - (20, 10, 50, 40)).max() <= 1
    with Image.open(report.out / "images/turned_aug1.jpg") as drawn:
        assert dict(drawn.getexif()) == {}
    copy = next(r for r in scan_folder(report.out).records if r.path.stem == "turned_aug1")
    assert copy.size == (64, 96)
    assert np.abs(marker_in(np.asarray(Image.open(copy.path))) - copy.objects[0].box).max() <= 2
    assert report.how["passed through"] == 7


@pytest.mark.parametrize("frame", ["stored", "upright"])
@pytest.mark.parametrize("orientation", [6, 8])
def test_boxes_of_either_frame_come_out_upright(tmp_path, frame, orientation):
    box = Box(20, 10, 50, 40)
    add_photo(tmp_path / "data", "a.jpg", ("apple", box), size=Size(64, 96), orientation=orientation, frame=frame)
    report = augment_folder(tmp_path / "data", recipe=Recipe(rotate=10), copies=2, jobs=1)
    assert [finding.code for finding in report.findings] == ["AUG002"]
    for record in scan_folder(report.out).records:
        assert record.size == (64, 96)
        assert np.abs(marker_in(np.asarray(Image.open(record.path))) - record.objects[0].box).max() <= 2


def test_a_photo_whose_frame_is_unknown_is_left_out(data):
    add_photo(data, "unknown.jpg", ("apple", Box(20, 10, 50, 40)), orientation=3)
    report = augment_folder(data, recipe=TURN, jobs=1)
    assert report.photos == 8
    assert [(f.code, f.path.stem) for f in report.findings if f.severity == "error"] == [("ORI001", "unknown")]
    assert report.exit_code == 1


def test_the_table_says_what_was_done(data):
    report = augment_folder(data, recipe=Recipe(rotate=20, flip_h=True), copies=2, jobs=1)
    rows = table(report.out)
    assert len(rows) == report.pictures == 16
    assert list(rows[0])[:6] == ["picture", "original", "source", "copy", "boxes", "kept"]
    assert set(Drawn.__slots__) <= set(rows[0])
    assert all((report.out / "images" / row["picture"]).is_file() and (data / row["source"]).is_file() for row in rows)
    assert all((report.out / "images" / row["original"]).is_file() for row in rows)
    assert all(int(row["kept"]) + int(row["dropped"]) == int(row["boxes"]) for row in rows)
    assert {row["flip_h"] for row in rows} == {"0", "1"}
    assert len({row["rotate"] for row in rows}) == 16


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_jobs(cli, data, tmp_path):
    runs = {}
    for name, *options in (("a", "--jobs", 1), ("b", "--jobs", 2), ("c", "--jobs", 1, "--seed", 1)):
        done = cli("augment", data, *ALL, "--copies", 2, "--out", tmp_path / name, *options)
        assert done.code == 0, done.err
        runs[name] = contents(tmp_path / name)
    assert runs["a"] == runs["b"]
    assert runs["a"] != runs["c"]


def test_a_photo_gets_the_same_picture_whatever_else_there_is(data, tmp_path):
    first = augment_folder(data, tmp_path / "a", TURN, jobs=1)
    (data / "p0.jpg").unlink()
    (data / "p0.xml").unlink()
    second = augment_folder(data, tmp_path / "b", TURN, copies=2, jobs=1)
    picture = "images/p4_aug1.jpg"
    assert (first.out / picture).read_bytes() == (second.out / picture).read_bytes()


def test_only_training_photos_are_drawn_from(tmp_path):
    data = labelled_folder(tmp_path / "data", splits=True)
    report = augment_folder(data, recipe=TURN, copies=2, jobs=1)
    lists = {path.stem: path.read_text().split() for path in (report.out / "ImageSets/Main").iterdir()}
    assert lists["val"] == ["p3"]
    assert lists["test"] == ["p4"]
    assert lists["train"][:4] == ["p0", "p0_aug1", "p0_aug2", "p1"]
    assert len(lists["train"]) == 15
    drawn_from = {row["source"] for row in table(report.out)}
    assert drawn_from == {"p0.jpg", "p1.jpg", "p2.jpg", "turned.jpg", "negative.jpg"}
    assert [(f.code, f.path.name) for f in report.findings if f.code == "AUG001"] == [("AUG001", "p5.jpg")]
    assert {name: len(records) for name, records in scan_folder(report.out).splits.items()} == report.splits


def test_a_photo_that_train_lists_too_stays_held_out(cli, tmp_path):
    data = labelled_folder(tmp_path / "data", splits=True)
    with (data / "ImageSets/Main/train.txt").open("a") as file:
        file.write("p3\np4\n")
    assert cli("augment", data, *GEOMETRY).code == 1  # SPL012: two parts list it
    drawn_from = {row["source"] for row in table(tmp_path / "data-augmented")}
    assert drawn_from == {"p0.jpg", "p1.jpg", "p2.jpg", "turned.jpg", "negative.jpg"}


def test_a_photo_and_what_was_drawn_from_it_are_never_trained_and_tested_on(cli, tmp_path):
    data = tmp_path / "data"
    for number in range(10):
        add_photo(data, f"{number % 2}/x{number // 2}.jpg", ("apple", Box(20, 20, 50, 50)))  # stems repeat
    done = cli("augment", data, *GEOMETRY, "--copies", 2, "--json")
    assert done.code == 0, done.err
    assert [(f["code"], f["severity"]) for f in done.json["findings"]] == [("AUG002", "warning")]
    assert "split first" in done.json["findings"][0]["remedy"]
    out = tmp_path / "data-augmented"
    done = cli("split", out, "--no-group", "--json")
    assert done.code == 0, done.err
    lists = {path.stem: path.read_text().split() for path in (out / "ImageSets/Main").iterdir()}
    assert {name: len(lines) for name, lines in lists.items()} == {"train": 21, "val": 1, "test": 2, "trainval": 22}
    siblings = {Path(row["picture"]).stem: Path(row["original"]).stem for row in table(out)}
    assert len(siblings) == 20
    assert not set(lists["val"] + lists["test"]) & set(siblings)
    assert {siblings.get(name, name) for name in lists["train"]}.isdisjoint(lists["val"] + lists["test"])
    assert [(f["code"], f["message"].split(":")[0]) for f in done.json["findings"]] == [
        ("SPL006", "6 drawn pictures in no part")
    ]


def test_a_set_that_is_drawn_from_again_forgets_no_original(data, tmp_path):
    augment_folder(data, tmp_path / "once", Recipe(rotate=9), jobs=1)
    augment_folder(tmp_path / "once", tmp_path / "twice", Recipe(rotate=9), jobs=1)
    once, twice = (read_provenance(tmp_path / name) for name in ("once", "twice"))
    photos = {folded(path.stem) for path in (tmp_path / "once/images").iterdir()}
    first = {stem for stem in photos if not stem.endswith("_aug1")}
    records = scan_folder(tmp_path / "twice").records
    assert len(records) == 2 * len(photos) == 4 * len(first)
    assert {twice.original_of(record) for record in records} == first
    assert sum(not twice.is_drawn(record) for record in records) == len(first)
    for record in scan_folder(tmp_path / "once").records:
        assert twice.original_of(record) == once.original_of(record)


def test_no_drawn_picture_validates_in_a_fold(cli, tmp_path):
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        path = add_photo(tmp_path / "data", f"p{number:02}.jpg", ("apple", Box(10, 8, 40, 30)))
        Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC).save(path)
    data, out = tmp_path / "data", tmp_path / "data-augmented"
    assert cli("split", data, "--kfold", 3).code == 0
    done = cli("augment", data, "--flip-h", "--json")
    assert done.code == 0, done.err
    lists = {path.stem: path.read_text().split() for path in (out / "ImageSets/Main").glob("*.txt")}
    assert len(lists) == 10
    drawn_from = {Path(row["picture"]).stem: Path(row["original"]).stem for row in table(out)}
    drawn = set(drawn_from)
    for name, listed in lists.items():
        if name.endswith(("val", "test")) and name != "trainval":
            assert not drawn & set(listed), name
        else:
            assert {picture for picture in drawn if drawn_from[picture] in listed} == drawn & set(listed), name
    assert drawn & set(lists["fold1_train"])
    assert done.json["splits"] == {name: len(listed) for name, listed in lists.items()}


@pytest.mark.parametrize("split", [False, True])
def test_the_cure_of_a_missing_split_names_the_folder(cli, data, tmp_path, split):
    if split:
        (data / "ImageSets/Main").mkdir(parents=True)
        (data / "ImageSets/Main/train.txt").write_text("p0\np1\n")
    done = cli("augment", "data", "--flip-h", "--json", cwd=tmp_path)
    found = {finding["code"]: finding["remedy"] for finding in done.json["findings"]}
    assert "ssdprep split data" in found["AUG001" if split else "AUG002"]


@pytest.mark.parametrize("damage", ["binary", "empty", "cut in a line"])
def test_a_table_that_cannot_be_read_stops_the_split(cli, data, tmp_path, damage):
    out = augment_folder(data, recipe=TURN, jobs=1).out
    whole = (out / "augmentation.csv").read_bytes()
    ends = {"empty": 0, "cut in a line": whole.rindex(b",", 0, -80)}
    (out / "augmentation.csv").write_bytes(b"\xff\xfe" if damage == "binary" else whole[: ends[damage]])
    done = cli("split", out)
    assert done.code == 2
    said = " ".join(done.err.split())
    assert "augmentation.csv cannot be read" in said
    assert "give it another name: mv" in said
    assert not (out / "ImageSets").exists()


def test_a_table_that_a_spreadsheet_saved_says_the_same(cli, data):
    out = augment_folder(data, recipe=TURN, jobs=1).out
    written = (out / "augmentation.csv").read_bytes()
    (out / "augmentation.csv").write_bytes(b"\xef\xbb\xbf" + written.replace(b",", b";"))
    assert cli("split", out, "--val", 0.3).code == 0
    held = [(out / f"ImageSets/Main/{name}.txt").read_text() for name in ("val", "test")]
    assert "_aug" not in "".join(held)


def test_names_never_meet(tmp_path):
    data = tmp_path / "data"
    for name in ("a/x.jpg", "b/x.jpg", "c/X.png", "x_aug1.jpg"):
        add_photo(data, name, ("apple", Box(20, 20, 50, 50)))
    report = augment_folder(data, recipe=TURN, jobs=1)
    names = [path.name for path in (report.out / "images").iterdir()]
    assert (report.photos, report.pictures) == (4, 4)
    assert len({name.lower() for name in names}) == 8
    assert len(scan_folder(report.out).records) == 8


def test_a_damaged_photo_becomes_a_finding_and_the_rest_goes_on(cli, data, tmp_path):
    whole = (data / "p1.jpg").read_bytes()
    (data / "p1.jpg").write_bytes(whole[: len(whole) // 2])
    done = cli("augment", data, *GEOMETRY, "--json")
    assert done.code == 1
    assert done.json["photos"] == 7
    errors = [f for f in done.json["findings"] if f["severity"] == "error"]
    assert [Path(f["path"]).name for f in errors] == ["p1.jpg"]
    assert errors[0]["remedy"]
    out = tmp_path / "data-augmented"
    assert not [path.name for path in out.rglob("p1*")]
    assert (out / "images/p2_aug1.jpg").is_file()


def test_boxes_off_the_photo_stay_out(data):
    xml = data / "p0.xml"
    xml.write_bytes(xml.read_bytes().replace(b"<xmin>10<", b"<xmin>200<").replace(b"<xmax>40<", b"<xmax>240<"))
    report = augment_folder(data, recipe=TURN, jobs=1)
    record = next(r for r in scan_folder(report.out).records if r.path.stem == "p0")
    assert record.objects == ()
    assert [f.path.name for f in report.findings if f.severity != "info" and "p0" in f.path.name]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), ("nothing to draw", "--rotate 15")),
        ((*GEOMETRY, "--out", "full"), ("exists and is not empty", "--out")),
        ((*GEOMETRY, "--out", "data/inside"), ("inside", "--out")),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_with_its_cure(cli, data, tmp_path, words, says):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("keep me")
    before = contents(tmp_path)
    done = cli("augment", "data", *words, cwd=tmp_path)
    assert done.code == 2
    assert all(text in done.err for text in says)
    assert "Traceback" not in done.err
    assert contents(tmp_path) == before


def test_no_usable_photo_and_wrong_calls(tmp_path):
    (tmp_path / "data").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "data/a.png")
    with pytest.raises(SsdprepError, match="no photo"):
        augment_folder(tmp_path / "data", recipe=TURN)
    with pytest.raises(ValueError, match="copies"):
        augment_folder(tmp_path / "data", recipe=TURN, copies=0)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_empty_folder_may_be_filled(data, tmp_path):
    (tmp_path / "new").mkdir()
    assert augment_folder(data, tmp_path / "new", TURN, jobs=1).photos == 8
    assert (tmp_path / "new/augmentation.csv").is_file()


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_a_kill_leaves_nothing_half_written(cli, data, tmp_path, blow):
    command = [sys.executable, "-m", "ssdprep", "augment", data, "--rotate", "9", "--copies", "300", "--jobs", "2"]
    running = subprocess.Popen(
        list(map(str, command)), env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stderr=subprocess.PIPE, text=True
    )
    partial = tmp_path / ".data-augmented.partial"
    deadline = time.monotonic() + 60
    while not (partial / "images").is_dir() or len(list((partial / "images").iterdir())) < 20:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(blow)
    said = running.communicate(timeout=60)[1]
    assert running.returncode in (130, -signal.SIGKILL)
    assert "Traceback" not in said
    assert not (tmp_path / "data-augmented").exists()
    assert partial.exists() == (blow == signal.SIGKILL)
    again = cli("augment", data, "--rotate", 9, "--jobs", 1)
    assert again.code == 0, again.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "data-augmented"]
    assert len(list((tmp_path / "data-augmented/images").iterdir())) == 16


def test_two_runs_do_not_write_one_folder(data, tmp_path):
    from ssdprep.derived import new_folder

    with new_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("mine")
        with pytest.raises(SsdprepError, match="another ssdprep is writing"):
            augment_folder(data, tmp_path / "out", TURN)
    assert (tmp_path / "out/a.txt").read_text() == "mine"


def test_the_terminal_says_what_comes_next(cli, data):
    done = cli("augment", "data", *GEOMETRY, cwd=data.parent)
    assert "8 pictures drawn from 8 photos" in done.out
    assert "ssdprep preview data-augmented" in done.out
