"""Prediction: photos and videos in, drawings, tables, LabelImg files out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from conftest import REPOSITORY, run
from make_photos import exif_block, scene, stored
from PIL import Image

from ssd.pipeline import Example, decode
from ssd.prediction.drawings import VideoDrawing
from ssd.prediction.limits import Limits
from ssd.prediction.predicting import predict_photos
from ssd.presets import preset
from ssd.run import Run
from ssdprep.formats import labelimg, voc
from ssdprep.formats.csv import COLUMNS, read_csv
from ssdprep.images import read_upright, upright_bytes, upright_pixels
from ssdprep.labels import LabelMap
from ssdprep.orient import to_upright
from ssdprep.record import Size, SsdprepError
from ssdprep.scan import scan_folder

NAMES = ("ace", "king", "two words")
USUAL = Size(96, 64)
NOTHING = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> Path:
    """A run whose scores lie around a quarter: four outputs, none of them learnt."""
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("detector") / "run"
    Run.new(preset("mobilenet_v2_035_ssd_224"), LabelMap(NAMES)).save(folder)
    return folder


def photo(path: Path, orientation: int = 1, size: Size = USUAL, seed: int = 0) -> Path:
    """A JPEG of an upright scene as a camera held that way stores it."""
    pixels = Image.fromarray(stored(scene(size, (8, 8, 40, 40), seed), orientation))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels.save(path, "JPEG", quality=95, exif=b"Exif\0\0" + exif_block(orientation))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photos of every orientation, one of them in a folder of its own; a video that is no photo."""
    made = tmp_path_factory.mktemp("mixed") / "photos"
    for orientation in range(1, 9):
        photo(made / ("below" if orientation == 2 else "") / f"turned-{orientation}.jpg", orientation, seed=orientation)
    return made


def video(path: Path, frames: int, size: tuple[int, int] = (96, 64), rate: float = 10) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, size)
    for number in range(frames):
        writer.write(np.ascontiguousarray(scene(Size(*size), (4 + 3 * number, 8, 30 + 3 * number, 40))[..., ::-1]))
    writer.release()
    return path


@pytest.mark.parametrize(
    ("command", "named", "cure"),
    [
        ("ssd.predict", "runs/fine/model.keras", "name the run folder: runs/fine"),
        ("ssd.export", "runs/fine/exports", "name the run folder: runs/fine"),
        ("ssd.evaluate", "runs", "name the run folder: runs/fine, 'runs/two words'"),
        ("ssd.predict", "runs/fien", "name the run folder: runs/fine"),
        ("ssd.predict", "elsewhere", "python -m ssd.train DATA"),
    ],
)
def test_who_names_no_run_folder_is_told_which_may_be_meant(detector, tmp_path, command, named, cure):
    for name in ("fine", "two words"):
        shutil.copytree(detector, tmp_path / "runs" / name)
    (tmp_path / "runs" / "fine" / "exports").mkdir()
    (tmp_path / "runs" / "begun").mkdir()
    done = run(command, named, *([] if command == "ssd.export" else ["photo.jpg"]), cwd=tmp_path)
    assert done.code == 2
    assert f"{named} holds no trained detector" in done.err
    assert cure in done.err.splitlines()[-1]


# One way of reading pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [Size(96, 64), Size(97, 61)])
def test_a_photo_decoded_once_has_the_pixels_of_its_bytes(tmp_path, orientation, size):
    path = photo(tmp_path / "a.jpg", orientation, size)
    expected = decode(upright_bytes(path).data).numpy()
    assert np.array_equal(upright_pixels(path), expected)
    assert expected.shape == (size.height, size.width, 3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("grey.jpg", {"mode": "L"}), ("cmyk.jpg", {"mode": "CMYK"}), ("progressive.jpg", {"progressive": True}),
        ("alpha.png", {"mode": "RGBA"}), ("palette.png", {"mode": "P"}), ("grey.png", {"mode": "L"}),
        ("lossy.webp", {"quality": 80}), ("exact.webp", {"lossless": True}), ("plain.bmp", {}),
    ],
)  # fmt: skip
def test_every_kind_of_file_has_the_pixels_of_its_bytes(tmp_path, name, options):
    picture = Image.fromarray(scene(Size(70, 50))).convert(options.get("mode", "RGB"))
    if picture.mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    path = tmp_path / name
    picture.save(path, **{key: value for key, value in options.items() if key != "mode"})
    assert np.array_equal(upright_pixels(path), decode(upright_bytes(path).data).numpy())


def test_a_jpeg_with_a_harmless_complaint_has_the_pixels_of_its_bytes(tmp_path):
    data = photo(tmp_path / "a.jpg").read_bytes()
    at = data.rindex(b"\xff\xd9")
    (tmp_path / "a.jpg").write_bytes(data[:at] + b"\0\0\0\0" + data[at:])
    assert upright_bytes(tmp_path / "a.jpg").how == "transcoded"
    assert np.array_equal(upright_pixels(tmp_path / "a.jpg"), decode(upright_bytes(tmp_path / "a.jpg").data).numpy())


def test_a_folder_is_seen_as_evaluation_sees_it(detector, folder, tmp_path):
    """Batches of other sizes, threads, another decoder: the same rows."""
    report = predict_photos(detector, [folder], tmp_path / "out", threshold=0.2, draw=False)
    assert [p.name for p in report.photos] == ["below/turned-2.jpg", *(f"turned-{i}.jpg" for i in (1, *range(3, 9)))]
    examples = [Example(str(p.image), p.size[::-1], *NOTHING) for p in report.photos]
    assert sum(len(p.objects) for p in report.photos) > 50
    run = Run.load(detector)
    for told, rows in zip(report.photos, run.detect(examples, score=0.2), strict=True):
        assert [thing.name for thing in told.objects] == [run.labels.name_of(int(i)) for i in rows[:, 0]]
        np.testing.assert_allclose(told.scores, rows[:, 1], atol=1e-6)
        np.testing.assert_allclose([thing.box for thing in told.objects], rows[:, 2:], atol=1e-3)


# Scores


def test_a_class_may_have_a_limit_of_its_own(detector, folder, tmp_path):
    def counts(*words: str) -> dict[str, int]:
        report = predict_photos(detector, [folder], tmp_path / "out", threshold=words, draw=False)
        found = [thing.name for p in report.photos for thing in p.objects]
        return {name: found.count(name) for name in NAMES}

    low, mixed = counts("0.2"), counts("0.2", "king=0.99")
    assert low["king"] > 0
    assert mixed["king"] == 0
    assert mixed["ace"] + mixed["two words"] > 0  # they are not crowded out by what does not count
    assert counts("0.99", "king=0.2") == {**dict.fromkeys(NAMES, 0), "king": low["king"]}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("1.5", "no score"),
        ("much", "no score"),
        ("nan", "no score"),
        ("king=", "no score"),
        ("kong=0.3", "mean 'king'"),
    ],
)
def test_what_is_no_limit_is_told(word, said):
    with pytest.raises(SsdprepError, match=said):
        Limits.parse([word], LabelMap(NAMES))


def test_no_cure_leads_over_a_file_that_is_there(detector, tmp_path):
    with pytest.raises(SsdprepError, match=r"> best\.json"):
        Limits.parse([str(detector / "config.json")], LabelMap(NAMES))
    with pytest.raises(SsdprepError, match=r"does not exist.*> .*new\.json"):
        Limits.parse([str(tmp_path / "new.json")], LabelMap(NAMES))


def test_each_photo_is_looked_at_once_and_drawings_never_lie_among_them(detector, folder, tmp_path):
    one = photo(tmp_path / "photos" / "a.jpg")
    told = predict_photos(detector, [one, one.parent, one], tmp_path / "out", draw=False)
    assert [found.image for found in told.photos] == [one]
    with pytest.raises(SsdprepError, match="among the photos"):
        predict_photos(detector, [folder], folder / "new" / "below")


def test_an_evaluation_tells_the_best_score_of_each_class(tmp_path):
    told = tmp_path / "evaluation.json"
    told.write_text(json.dumps({"per_class": {"ace": {"shown_from": 0.35}, "two words": {"shown_from": 0.6}}}))
    limits = Limits.parse([str(told), "ace=0.4"], LabelMap(NAMES))
    assert limits.of_all(LabelMap(NAMES)).tolist() == [0.4, 0.5, 0.6]
    told.write_text("{}")
    with pytest.raises(SsdprepError, match="no evaluation"):
        Limits.parse([str(told)], LabelMap(NAMES))


def test_the_last_word_counts_and_names_may_hold_what_separates():
    labels = LabelMap(("a=b", "c"))
    assert Limits.parse(["0.1", "a=b=0.2", "a=b=0.3", "0.4"], labels) == Limits(0.4, {"a=b": 0.3})
    assert str(Limits(0.4, {"a=b": 0.3})) == "0.4, a=b 0.3"


# Labels


def test_annotations_are_labelimgs_own_and_stand_upright(detector, folder, tmp_path):
    """Beside photos of every orientation: what LabelImg shows, and what every other verb reads, without a question."""
    photos = tmp_path / "photos"
    shutil.copytree(folder, photos)
    report = predict_photos(detector, [photos], tmp_path / "out", threshold=0.2, draw=False, to_xml=photos)
    assert (report.labelled.written, report.labelled.beside, report.findings) == (8, True, ())
    dataset = scan_folder(photos)
    upright = to_upright(dataset)
    assert upright.findings == ()
    records = {record.image: record for record in upright.records}
    assert len(records) == 8
    for told in report.photos:
        annotation = told.image.with_suffix(".xml")
        plain = labelimg.read(annotation.read_bytes())
        assert (plain.filename, plain.size) == (told.image.name, told.size)
        corners = np.array([thing.box for thing in told.objects])
        assert np.abs(np.array([thing.box for thing in records[told.image].objects]) - corners).max() <= 1
        assert [thing.name for thing in plain.objects] == [thing.name for thing in told.objects]


def test_labels_that_are_there_stay_and_replaced_ones_come_back(detector, folder, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(folder, photos)
    mine = photos / "turned-1.xml"
    mine.write_bytes(b"<annotation><filename>turned-1.jpg</filename></annotation>")
    words = ("ssd.predict", detector, photos, "--threshold", "0.2", "--no-draw", "--to-xml", photos, "--out")
    done = run(*words, tmp_path / "out", "--json")
    assert done.code == 0, done.err
    told = {"folder": str(photos), "written": 7, "kept": [str(mine)], "nothing_found": 0}
    assert done.json["annotations"] == told
    assert [(f["code"], f["path"]) for f in done.json["findings"]] == [("PRD001", str(photos))]
    again = run(*words, tmp_path / "out")
    (line,) = [line for line in again.out.splitlines() if "PRD001" in line]  # one, however many stay
    assert "8 annotations there already" in line
    assert "turned-2.xml, turned-1.xml, turned-3.xml, ..." in line
    assert "listed 8 photos" in again.out
    assert b"object" not in mine.read_bytes()
    predict_photos(detector, [photos], tmp_path / "out", threshold=0.2, draw=False, to_xml=photos, force=True)
    assert b"object" in mine.read_bytes()
    for _ in range(2):
        assert run("ssdprep", "undo", photos).code == 0
    assert b"object" not in mine.read_bytes()
    assert list(photos.rglob("*.xml")) == [mine]


def test_two_photos_of_one_name_and_a_photo_without_objects(detector, tmp_path):
    photo(tmp_path / "photos" / "a.jpg")
    Image.fromarray(scene(Size(96, 64), seed=1)).save(tmp_path / "photos" / "a.png")
    out, labels = tmp_path / "out", tmp_path / "labels"
    report = predict_photos(detector, [tmp_path / "photos"], out, threshold=0.2, draw=False, to_xml=labels)
    assert [(f.code, f.path.name) for f in report.findings] == [("PRD003", "a.png")]
    assert [path.name for path in labels.glob("*.xml")] == ["a.xml"]
    empty = predict_photos(detector, [tmp_path / "photos"], out, threshold=1, draw=False, to_xml=tmp_path / "none")
    assert (empty.labelled.written, empty.labelled.nothing_found) == (0, 2)
    assert not (tmp_path / "none").exists()  # an empty annotation would say that the photo shows nothing


def test_the_table_has_the_columns_of_all_tables_and_the_boxes_of_the_annotations(detector, folder, tmp_path):
    table = tmp_path / "found.csv"
    options = {"threshold": 0.2, "draw": False, "to_csv": table}
    report = predict_photos(detector, [folder], tmp_path / "out", **options, to_xml=tmp_path / "labels")
    assert table.read_text().splitlines()[0].split(",") == [*COLUMNS, "score", "frame"]
    rows = read_csv(table)
    annotations = {p.name: voc.read((tmp_path / "labels" / p.name).with_suffix(".xml"))[0] for p in report.photos}
    expected = [
        (name, *annotation.labelled_size, thing.name, *thing.box)
        for name, annotation in annotations.items()
        for thing in annotation.objects
    ]
    assert [(r.filename, r.width, r.height, r.label, r.xmin, r.ymin, r.xmax, r.ymax) for r in rows] == expected
    with pytest.raises(SsdprepError, match="is there already"):
        predict_photos(detector, [folder], tmp_path / "out", **options)
    predict_photos(detector, [folder], tmp_path / "out", **options, force=True)


@pytest.mark.parametrize("name", ["still.jpg", "notes.log", "turned.xml"])
def test_a_table_replaces_no_other_file(detector, tmp_path, name):
    still, mine = photo(tmp_path / "still.jpg"), tmp_path / name
    if mine != still:
        mine.write_text("mine\n")
    before = mine.read_bytes()
    done = run("ssd.predict", detector, still, "--no-draw", "--to-csv", name, "--force", cwd=tmp_path)
    assert done.code == 2, done.out
    assert "table" in done.err
    assert "--to-csv" in done.err
    assert mine.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"still.jpg", name}  # nothing was begun


def test_a_name_with_a_line_break_is_one_line_of_the_table(detector, tmp_path):
    film, still = video(tmp_path / "a.avi", 1).rename(tmp_path / "a\n[red]m.avi"), photo(tmp_path / "odd\nname.jpg")
    done = run("ssd.predict", detector, still, film, "--no-draw", "--out", "out", cwd=tmp_path)
    assert done.code == 0, done.err
    first, second, last = done.out.splitlines()
    assert first.startswith(f"{tmp_path}/odd\\nname.jpg ")
    assert second.startswith(f"{tmp_path}/a\\n[red]m.avi ")
    assert last.startswith("listed 2 pictures")


# Videos and drawings


def test_a_video_is_drawn_frame_by_frame_and_what_cannot_be_read_is_named(detector, tmp_path):
    film, still = video(tmp_path / "film.avi", 9), photo(tmp_path / "still.jpg", 6)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    done = run(
        "ssd.predict", detector, film, tmp_path / "broken.mp4", tmp_path / "gone.mp4", still,
        "--every", "3", "--threshold", "0.2", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.code == 1, done.err
    assert done.err == ""
    assert [Path(f["path"]).name for f in done.json["findings"]] == ["broken.mp4", "gone.mp4"]
    (told,) = done.json["videos"]
    assert [(frame["frame"], frame["seconds"]) for frame in told["frames"]] == [(0, 0.0), (3, 0.3), (6, 0.6)]
    assert [photo["image"] for photo in done.json["photos"]] == [str(still)]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"film.mp4", "still.jpg", "predictions.jsonl"}
    drawn = cv2.VideoCapture(str(tmp_path / "out" / "film.mp4"))
    assert (drawn.get(cv2.CAP_PROP_FRAME_COUNT), round(drawn.get(cv2.CAP_PROP_FPS), 2)) == (3, 3.33)
    lines = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "objects" in line]
    assert [line.get("frame") for line in lines] == [0, 3, 6, None]
    assert lines[0]["objects"] == told["frames"][0]["objects"]


def test_videos_in_a_folder_are_named_with_the_command_that_looks_at_them(detector, tmp_path):
    photo(tmp_path / "mixed" / "a.jpg")
    for name in ("mixed/deep/film one.avi", "films/film.avi", "films/.hidden.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        video(tmp_path / name, 2)
    words = ("ssd.predict", detector, "mixed", "--no-draw")
    done = run(*words, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    (told,) = done.json["findings"]
    assert (told["code"], told["path"]) == ("PRD005", "mixed")
    assert "1 video" in told["message"]
    command = f"python -m ssd.predict {detector} mixed 'mixed/deep/film one.avi'"
    assert told["remedy"].endswith(f"{command}, with the same options")
    both = run(*words, "mixed/deep/film one.avi", cwd=tmp_path)
    assert "PRD005" not in both.out
    assert "listed 2 pictures" in both.out
    none = run("ssd.predict", detector, "films", cwd=tmp_path)
    assert none.code == 2
    assert none.err.splitlines()[-1].endswith(f"python -m ssd.predict {detector} films/film.avi")


def test_who_does_not_draw_keeps_what_was_drawn_and_who_draws_replaces_it(detector, tmp_path):
    film, still, out = video(tmp_path / "film.avi", 3), photo(tmp_path / "still.jpg"), tmp_path / "out"
    predict_photos(detector, [film, still], out)
    drawn = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".jsonl"}
    assert set(drawn) == {"film.mp4", "still.jpg"}
    for _ in range(2):
        listed = predict_photos(detector, [still], out, threshold=0.2, draw=False)
    assert listed.photos[0].drawn is None
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".jsonl"} == drawn
    told = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [line["image"] for line in told if "image" in line] == [str(still)]
    predict_photos(detector, [still], out)
    assert {path.name for path in out.iterdir()} == {"still.jpg", "predictions.jsonl"}


def test_an_unfinished_video_goes_only_where_it_is_ours(detector, tmp_path):
    still, out = photo(tmp_path / "still.jpg"), tmp_path / "out"
    out.mkdir()
    (out / ".unfinished.mp4").write_bytes(b"mine")
    with pytest.raises(SsdprepError, match=r"did not draw: \.unfinished\.mp4"):
        predict_photos(detector, [still], out)
    assert (out / ".unfinished.mp4").read_bytes() == b"mine"
    drawing = VideoDrawing(tmp_path / "cut" / "film.mp4", 10, (64, 96))  # a run that was killed
    drawing.add(np.zeros((64, 96, 3), np.uint8))
    assert (tmp_path / "cut" / ".unfinished.mp4").exists()
    predict_photos(detector, [still], tmp_path / "cut")
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {"still.jpg", "predictions.jsonl"}


FULL = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
runpy.run_module("ssd.predict", run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_full_disk_is_said_with_the_folder(detector, folder, tmp_path):
    words = [sys.executable, "-c", FULL, detector, folder, "--no-draw", "--out", tmp_path / "drawn"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(list(map(str, words)), env=env, capture_output=True, text=True)
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert f"{tmp_path / 'drawn'} cannot be written: File too large" in said
    assert "make room on the disk" in said


@pytest.mark.parametrize("option", ["to_csv", "to_xml"])
def test_nothing_else_is_put_among_drawings(detector, tmp_path, option):
    still, out = photo(tmp_path / "still.jpg"), tmp_path / "out"
    with pytest.raises(SsdprepError, match="among the drawings"):
        predict_photos(detector, [still], out, **{option: out / "found.csv"})
    assert not out.exists()


@pytest.mark.parametrize(("option", "said"), [("to_csv", "is no folder"), ("to_xml", "is no folder")])
def test_a_place_that_holds_no_labels_is_told_before_anything_is_done(detector, tmp_path, option, said):
    still, out = photo(tmp_path / "still.jpg"), tmp_path / "out"
    predict_photos(detector, [still], out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(SsdprepError, match=said):
        predict_photos(detector, [still], out, **{option: still / "labels"})
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_the_table_knows_frames_and_a_video_has_no_annotation(detector, tmp_path):
    film, still, table = video(tmp_path / "film.avi", 4), photo(tmp_path / "still.jpg"), tmp_path / "found.csv"
    report = predict_photos(
        detector, [film, still], tmp_path / "out", threshold=0.2, every=3, draw=False,
        to_csv=table, to_xml=tmp_path / "labels",
    )  # fmt: skip
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    assert {(row[0], row[-1]) for row in rows} == {("film.avi", "0"), ("film.avi", "3"), ("still.jpg", "")}
    assert [path.name for path in (tmp_path / "labels").glob("*.xml")] == ["still.xml"]
    (told,) = report.findings
    assert (told.code, told.path, report.exit_code) == ("PRD004", film, 0)
    assert "ffmpeg -i" in told.remedy
    assert "where it is not installed" in told.remedy
    assert told.remedy.endswith("--no-draw")


def test_a_video_that_breaks_off_is_seen_as_far_as_it_goes(detector, tmp_path):
    film = video(tmp_path / "film.avi", 30)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    report = predict_photos(detector, [film], tmp_path / "out", draw=False)
    (frames,) = report.videos.values()
    assert 5 < len(frames) < 25
    assert [f.code for f in report.findings] == ["IMG003"]


def test_of_an_animation_the_first_picture_is_seen_and_that_is_told(detector, tmp_path):
    first, second = (Image.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "both.gif", save_all=True, append_images=[second])
    first.save(tmp_path / "one.gif")
    report = predict_photos(detector, [tmp_path], tmp_path.parent / "out-animation", threshold=0.2, draw=False)
    both, one = report.photos
    assert both.scores == one.scores
    (told,) = report.findings
    assert (told.code, told.path.name, report.exit_code) == ("IMG016", "both.gif", 0)


def test_frames_are_seen_as_photos_are(detector, tmp_path):
    film = video(tmp_path / "film.avi", 3)
    reader = cv2.VideoCapture(str(film))
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), reader.read()[1])
    stills = [tmp_path / f"{number}.png" for number in range(3)]
    report = predict_photos(detector, [film, *stills], tmp_path / "out", threshold=0.2, draw=False)
    (frames,) = report.videos.values()
    for frame, still in zip(frames, report.photos, strict=True):
        assert frame.scores == pytest.approx(still.scores, abs=1e-6)


def test_drawings_show_the_photo_upright_and_no_more_than_asked(detector, folder, tmp_path):
    report = predict_photos(detector, [folder], tmp_path / "out", threshold=0.2, most=2)
    assert (tmp_path / "out" / "contact_sheet.jpg").is_file()
    for told in report.photos:
        drawn = read_upright(told.drawn)
        assert drawn.shape[:2] == told.size[::-1]
        assert told.boxes_drawn == 2
        assert np.median(np.abs(drawn.astype(int) - upright_pixels(told.image))) < 4  # most of it is the photo
