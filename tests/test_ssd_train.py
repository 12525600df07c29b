"""The detector's commands as processes, on the sample set: train, evaluate, predict."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, run
from tiny import TINY

from ssd.config import Config
from ssd.exports.outdated import outdated
from ssd.preset_file import write_preset
from ssd.training.unfinished import Unfinished
from ssdprep.draw import draw_boxes
from ssdprep.images import read_upright
from ssdprep.lock import held
from ssdprep.record import Box, Object

SIDE = ("--weights", "none", "--batch", "4", "--preset")


@pytest.fixture(scope="module")
def photos(tmp_path_factory, sample) -> Path:
    """Twenty of the sample's photos whose frame is certain, split; and one without annotation."""
    folder = tmp_path_factory.mktemp("photos") / "set"
    whole = folder.with_name("whole")
    shutil.copytree(sample / "photos", whole)
    assert run("ssdprep", "fix-exif", whole, "--frame", "stored").code in (0, 1)
    folder.mkdir()
    for annotation in sorted(whole.glob("*.xml"))[:20]:
        for part in whole.glob(annotation.stem + ".*"):
            shutil.copy2(part, folder)
    assert run("ssdprep", "split", folder, "--val", "0.2", "--test", "0.2").code in (0, 1)
    shutil.copy2(max(folder.glob("*.jpg")), folder / "zz-unlabelled.jpg")
    write_preset(own(folder), TINY)
    return folder


def own(photos: Path) -> Path:
    """The preset file that lies beside the photos."""
    return photos.with_name("own.json")


@pytest.fixture(scope="module")
def trained(photos) -> Path:
    """A run of two epochs."""
    folder = photos.with_name("run")
    done = run("ssd.train", photos, "--epochs", "2", *SIDE, own(photos), "--out", folder, "--json")
    assert done.code == 0, done.err
    (folder / "answer.json").write_text(done.out)
    (folder / "said.txt").write_text(done.err)
    return folder


def history_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def test_training_leaves_a_run(trained):
    answer = json.loads((trained / "answer.json").read_text())
    history = history_of(trained)
    assert [int(line["epoch"]) for line in history] == [1, 2]
    assert all(np.isfinite(float(line["loss"])) for line in history)
    assert answer["photos"]["train"] + answer["photos"]["val"] < 20  # the test split was left alone
    stored = json.loads((trained / "config.json").read_text())
    assert Config.from_dict(stored["config"]) == TINY
    assert set(stored["boxes"]["train"]) == set(stored["classes"])
    assert Path(stored["data"]).is_absolute()  # evaluated from anywhere, it is known for its own
    assert sum(stored["boxes"]["val"].values()) > 0
    assert {"model.keras", "config.json", "history.csv", "curves.png", "validation.jpg"} <= {
        p.name for p in trained.iterdir()
    }


def test_what_is_left_out_is_said_before_training(trained):
    before, _, after = (trained / "said.txt").read_text().partition("epoch   stage")
    assert "left out: 1 photo (1 x PAIR" in before
    assert "2/2" in after


KILLED = """
import os, runpy, signal, sys
from ssd.training.unfinished import Unfinished

epochs, save = int(sys.argv.pop(1)), Unfinished.save

def save_or_die(self, folder):
    if len(self.history) > epochs:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, folder)

Unfinished.save = save_or_die
runpy.run_module("ssd.train", run_name="__main__", alter_sys=True)
"""


def killed_after(epochs: int, photos: Path, folder: Path) -> str:
    """Train, and kill -9 at the end of the epoch after that one, before it is kept; what was said until then."""
    words = [epochs, photos, "--epochs", "9", *SIDE, own(photos), "--out", folder]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, words)], env=env, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def cut(photos) -> Path:
    """A run that was killed in its second epoch."""
    folder = photos.with_name("cut")
    killed_after(1, photos, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the lock, which a kill leaves and every training removes."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}


def test_an_unfinished_run_is_neither_overwritten_nor_mixed_with_another(photos, cut, tmp_path):
    before = contents(cut)
    done = run("ssd.train", photos, "--epochs", "3", *SIDE, own(photos), "--rate", "0.002", "--out", cut)
    assert done.code == 2
    said = " ".join(done.err.split())
    assert "cannot continue: epochs was 9, is 3; rate was 0.001, is 0.002" in said
    assert "--force" in done.err
    assert contents(cut) == before
    other = shared_out_anew(photos, tmp_path / "other", {"train": "test", "test": "train"})
    assert run("ssd.train", other, "--epochs", "9", *SIDE, own(photos), "--out", cut).code == 2
    assert contents(cut) == before
    (told,) = (f for f in run("ssd.evaluate", cut, photos, "--json").json["findings"] if f["code"] == "RUN001")
    assert told["path"] == str(cut)
    command = " ".join(["python -m ssd.train", *map(str, (photos, "--epochs", 9, *SIDE, own(photos), "--out", cut))])
    assert told["remedy"] == f"{command} goes on; then run this again"
    assert f"try: {command}, to go on" in said


def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(photos, cut, tmp_path):
    """Weights, moments, averages and history, bit for bit; which also says that the same seed trains the same."""
    killed_after(2, photos, tmp_path / "undisturbed")
    assert "going on after epoch 1 of 9" in killed_after(2, photos, cut)
    a, b = (Unfinished.parse(Unfinished.stored(folder), folder) for folder in (tmp_path / "undisturbed", cut))
    assert len(a.slots) > len(a.weights) > 100
    for one, other in ((a.weights, b.weights), (a.slots, b.slots)):
        assert all(x.tobytes() == y.tobytes() for x, y in zip(one, other, strict=True))
    timed = {"images_per_second": 0.0, "seconds": 0.0}
    assert [replace(line, **timed) for line in a.history] == [replace(line, **timed) for line in b.history]


def test_an_export_of_an_earlier_epoch_is_told(cut):
    """To whoever exports again, and at the end of the training that went on."""
    export, description = cut / "exports" / "cut.onnx", cut / "exports" / "cut.onnx.json"
    export.parent.mkdir()
    for file in (export, description):
        file.write_text("{}")
    assert outdated(cut) == ()
    os.utime(cut / "model.keras", (export.stat().st_mtime + 5,) * 2)
    refused = run("ssd.export", cut)
    assert refused.code == 2
    assert "cut.onnx is there already, written before the detector" in " ".join(refused.err.split())
    (told,) = outdated(cut)
    assert (told.code, told.path) == ("RUN002", export)
    assert f"python -m ssd.export {cut} --force" in told.remedy


def test_two_trainings_do_not_share_a_folder(photos, trained):
    before = contents(trained)
    with held(trained / ".lock", "", ""):
        second = run("ssd.train", photos, *SIDE, own(photos), "--out", trained, "--force")
    (trained / ".lock").unlink()
    assert second.code == 2
    assert "another training is writing" in " ".join(second.err.split())
    assert contents(trained) == before


def test_a_training_that_finds_nothing_says_so(photos, trained):
    answer = json.loads((trained / "answer.json").read_text())
    assert answer["best"]["val_AP50"] < 0.05
    (told,) = [finding for finding in answer["findings"] if finding["code"] == "RUN003"]
    assert told["remedy"].startswith(f"more --epochs; python -m ssd.doctor {photos}")


def test_a_refused_training_leaves_no_folder_of_its_own(photos, tmp_path):
    (tmp_path / "mine").mkdir()
    for words in ((), ("--out", "mine")):
        assert run("ssd.train", "absent", *SIDE, own(photos), *words, cwd=tmp_path).code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("out", ["", "runs/mine"])
def test_a_run_does_not_land_among_the_photos(photos, out):
    before = sorted(photos.rglob("*"))
    refused = run("ssd.train", photos, *SIDE, own(photos), "--out", photos / out)
    assert refused.code == 2
    assert f"try: --out {photos.parent / 'runs' / photos.name}" in " ".join(refused.err.split())
    assert sorted(photos.rglob("*")) == before


def test_a_finished_run_is_not_overwritten(photos, trained):
    done = run("ssd.train", photos, "--epochs", "2", *SIDE, own(photos), "--out", trained)
    assert done.code == 2
    assert "already holds a run" in done.err


def test_a_run_is_not_judged_by_what_it_learnt_from(photos, trained, tmp_path):
    """Its own data, not split: what it set aside by itself is the exam."""
    data, own = tmp_path / "set", tmp_path / "run"
    shutil.copytree(photos, data, ignore=shutil.ignore_patterns("ImageSets"))
    shutil.copytree(trained, own)
    stored = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**stored, "data": str(data)}))
    for words in ((), ("--split", "val")):
        told = run("ssd.evaluate", own, data, *words, "--json").json
        assert told["data"].endswith("split val")
        assert 0 < told["images"] <= len(list(data.glob("*.xml"))) / 4
    assert run("ssd.evaluate", own, data, "--split", "all", "--json").json["images"] == 20


def test_photos_for_training_are_no_exam_unless_it_is_said(photos, trained, tmp_path):
    """The list of test photos is there, and empty."""
    shutil.copytree(photos, tmp_path / "set")
    (tmp_path / "set/ImageSets/Main/test.txt").write_text("")
    done = run("ssd.evaluate", trained, tmp_path / "set")
    assert done.code == 2
    assert "has no photos in split 'test', only in all, train" in done.err
    assert "--split all, where it is meant as a whole" in " ".join(done.err.split())


def test_evaluation_equals_pycocotools(photos, trained):
    """The figures of the command, and pycocotools fed with the same run's detections."""
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from ssd.data import open_source
    from ssd.run import Run

    told = run("ssd.evaluate", trained, photos, "--split", "all", "--json")
    assert told.code == 0, told.err
    detector = Run.load(trained)
    examples = open_source(photos, detector.labels).split("all")
    truth = COCO()
    annotations = [
        {"id": 0, "image_id": i, "category_id": int(c), "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for i, e in enumerate(examples)
        for c, box in zip(e.ids, _xywh(_pixels(e)), strict=True)
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    truth.dataset = {
        "images": [{"id": i, "height": e.size[0], "width": e.size[1]} for i, e in enumerate(examples)],
        "categories": [{"id": i, "name": n} for i, n in enumerate(detector.labels.names, start=1)],
        "annotations": annotations,
    }
    truth.createIndex()
    found = [
        {"image_id": i, "category_id": int(row[0]), "score": float(row[1]), "bbox": box}
        for i, rows in enumerate(detector.detect(examples))
        for row, box in zip(rows, _xywh(rows[:, 2:]), strict=True)
    ]
    judge = COCOeval(truth, truth.loadRes(found), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert told.json["AP"] == pytest.approx(judge.stats[0], abs=1e-6)
    assert told.json["AP50"] == pytest.approx(judge.stats[1], abs=1e-6)


def _pixels(example) -> np.ndarray:
    height, width = example.size
    return example.boxes.astype(np.float64) * [width, height, width, height]


def _xywh(corners: np.ndarray) -> list[list[float]]:
    return [[float(x0), float(y0), float(x1 - x0), float(y1 - y0)] for x0, y0, x1, y1 in corners]


@pytest.fixture(scope="module")
def records(photos) -> Path:
    """The photos as TFRecords."""
    folder = photos.with_name("records")
    written = run("ssdprep", "tfrecord", photos, "--out", folder)
    assert written.code == 0, written.out + written.err
    return folder


@pytest.fixture(scope="module")
def with_val(photos, records) -> Path:
    """A run that learnt from the photos for validation too, over one that did not; and what it said."""
    folder = photos.with_name("with-val")
    folder.mkdir()
    (folder / "validation.jpg").touch()
    done = run("ssd.train", records, "--with-val", "--epochs", "2", *SIDE, own(photos), "--out", folder)
    assert done.code == 0, done.err
    (folder / "said.txt").write_text(done.err + done.out)
    return folder


def test_with_val_all_but_the_test_is_learnt_from_and_the_last_epoch_kept(photos, trained, with_val):
    said, answer = (with_val / "said.txt").read_text(), json.loads((trained / "answer.json").read_text())
    stored = json.loads((with_val / "config.json").read_text())
    assert stored["photos"] == {"train": sum(answer["photos"].values()), "val": 0}
    assert sum(stored["boxes"]["val"].values()) == 0
    assert stored["kept"]["epoch"] == 2
    assert [line["val_AP"] for line in history_of(with_val)] == ["nan", "nan"]
    assert "not measured" in said
    assert not re.search(r"\bnan\b", said)
    assert "next:    python -m ssd.evaluate" in said
    assert (with_val / "curves.png").exists()
    assert not (with_val / "validation.jpg").exists()


def test_what_learnt_from_val_is_not_measured_on_it(photos, records, with_val, tmp_path):
    assert run("ssd.evaluate", with_val, records, "--json").json["data"].endswith("split test")
    refused = run("ssd.evaluate", with_val, records, "--split", "val")
    assert refused.code == 2
    assert "this detector learnt from all photos of" in " ".join(refused.err.split())


def test_what_learnt_from_all_there_is_is_not_measured_unasked(photos, tmp_path):
    data, folder = tmp_path / "set", tmp_path / "run"
    shutil.copytree(photos, data, ignore=shutil.ignore_patterns("ImageSets"))
    done = run("ssd.train", data, "--with-val", "--epochs", "1", *SIDE, own(photos), "--out", folder)
    assert json.loads((folder / "config.json").read_text())["photos"] == {"train": 20, "val": 0}
    assert "next:    python -m ssd.export" in done.err + done.out
    refused = run("ssd.evaluate", folder, data)
    assert refused.code == 2
    assert "this detector learnt from all photos of" in " ".join(refused.err.split())


def test_with_val_nothing_can_be_waited_for(photos, tmp_path):
    done = run("ssd.train", photos, "--with-val", "--patience", "3", *SIDE, own(photos), "--out", tmp_path / "run")
    assert done.code == 2
    assert "leave out --patience" in done.err


def test_predict_draws_and_prints(photos, trained, tmp_path):
    images = sorted(photos.glob("*.jpg"))[:2]
    done = run("ssd.predict", trained, *images, "--threshold", "0.05", "--out", tmp_path / "drawn", "--json")
    assert done.code == 0, done.err
    assert [Path(p["image"]) for p in done.json["photos"]] == images
    for photo in done.json["photos"]:
        assert Path(photo["drawn"]).stat().st_size > 1000
        assert all(0 <= o["score"] <= 1 and o["xmin"] < o["xmax"] for o in photo["objects"])


def test_tfrecords_are_seen_as_photos_are(photos, records, trained, tmp_path):
    """The same photos as TFRecords give the same detections, and the command counts the same boxes."""
    from ssd.data import open_source
    from ssd.run import Run

    detector = Run.load(trained)
    sets = [
        sorted(open_source(data, detector.labels).split("test"), key=lambda e: Path(e.source).name)
        for data in (photos, records)
    ]
    seen = [list(detector.detect(examples)) for examples in sets]
    assert sum(map(len, seen[0])) > 100
    assert all(np.array_equal(one, other) for one, other in zip(*seen, strict=True))
    done = run("ssd.evaluate", trained, records, "--split", "test", "--json")
    assert done.code == 0, done.err
    assert done.json["images"] == len(sets[0])
    counted = np.bincount(np.concatenate([e.ids for e in sets[0]]), minlength=len(detector.labels.names) + 1)
    assert [c["boxes"] for c in done.json["per_class"].values()] == counted[1:].tolist()
    shutil.copytree(records, tmp_path / "bare", ignore=shutil.ignore_patterns("manifest.json"))
    for words in (("ssd.evaluate", trained, tmp_path / "bare"), ("ssd.export", trained, "--check", tmp_path / "bare")):
        refused = run(*words)
        assert refused.code == 2
        assert "holds TFRecords, and no manifest.json" in " ".join(refused.err.split())


def test_an_evaluation_leaves_out_what_is_found_on_other_photos(photos, trained, tmp_path):
    """Whether the photo is usable all the same, or left out for what is wrong with it."""
    data = tmp_path / "set"
    shutil.copytree(photos, data)
    odd = "<object><name></name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
    faulty = {}
    for part in ("train", "test"):
        listed = (data / "ImageSets" / "Main" / f"{part}.txt").read_text().split()
        odd_one, cut = (data / f"{stem}.xml" for stem in listed[:2])
        odd_one.write_text(odd_one.read_text().replace("</annotation>", f"{odd}</annotation>"))
        cut.write_text(cut.read_text()[:200])
        faulty[part] = {odd_one.name, cut.name}
    for words, expected in (((), faulty["test"]), (("--split", "all"), faulty["train"] | faulty["test"])):
        done = run("ssd.evaluate", trained, data, *words, "--json")
        assert {Path(f["path"]).name for f in done.json["findings"] if f["path"].endswith(".xml")} == expected


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("ssd.evaluate", "nowhere", "nothing"), 2, "holds no trained detector"),
        (("ssd.train", "nowhere", "--weights", "none"), 2, "nowhere"),
        (("ssd.predict", "nowhere", "photo.jpg"), 2, "holds no trained detector"),
    ],
)
def test_what_cannot_run_says_why(words, code, says, tmp_path):
    done = run(*words, cwd=tmp_path)
    assert done.code == code
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_damaged_photo_is_named_and_the_rest_goes_on(photos, trained, tmp_path):
    whole = next(photos.glob("*.jpg"))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(whole.read_bytes()[:3000])
    done = run("ssd.predict", trained, broken, whole, "--out", tmp_path / "drawn", "--json")
    assert done.code == 1
    assert [f["path"] for f in done.json["findings"]] == [str(broken)]
    assert [p["image"] for p in done.json["photos"]] == [str(whole)]


def relabelled(photos: Path, folder: Path, change) -> Path:
    shutil.copytree(photos, folder)
    for annotation in folder.glob("*.xml"):
        annotation.write_text(change(annotation.read_text()))
    return folder


def test_data_with_other_classes_is_named_with_the_detectors_own(photos, trained, tmp_path):
    def to_animals(text: str) -> str:
        return text.replace(">apple<", ">cat<").replace(">banana<", ">dog<").replace(">milk carton<", ">cow<")

    done = run("ssd.evaluate", trained, relabelled(photos, tmp_path / "animals", to_animals))
    assert done.code == 2
    assert "this detector knows only apple, banana, milk carton;" in done.err
    assert "has cat, cow, dog" in done.err
    assert "python -m ssd.train" in done.err


def test_a_class_that_the_detector_does_not_know_stops_nothing(photos, trained, tmp_path):
    """Its boxes are left out, each with its place; a slip's cure can be pasted, and cures it."""
    slip = next(path for path in sorted(photos.glob("*.xml")) if ">milk carton<" in path.read_text()).name
    mixed = relabelled(photos, tmp_path / "my photos", lambda text: text)
    annotation = mixed / slip
    annotation.write_text(annotation.read_text().replace(">milk carton<", ">milk cartom<", 1))
    line = annotation.read_text().partition(">milk cartom<")[0].count("\n")  # of the <object> above the name
    done = run("ssd.evaluate", trained, mixed, "--split", "all", "--json")
    whole = run("ssd.evaluate", trained, photos, "--split", "all", "--json")
    boxes = [sum(each["boxes"] for each in of.json["per_class"].values()) for of in (done, whole)]
    (found,) = [finding for finding in done.json["findings"] if finding["code"] == "EVAL009"]
    assert (done.code, boxes[0]) == (1, boxes[1] - 1)
    assert (Path(found["path"]), found["line"]) == (annotation, line)
    assert "none of the detector's (apple, banana, milk carton): 1 box left out" in found["message"]
    assert done.json["boxes_of_unknown_classes"] == 1
    cure, _, _ = found["remedy"].partition(", if that is meant")
    assert cure == f"ssdprep repair '{mixed}' --rename 'milk cartom=milk carton'"
    assert run(*shlex.split(cure)).code == 0
    assert run("ssd.evaluate", trained, mixed, "--split", "all", "--json").json["per_class"] == whole.json["per_class"]


def test_records_with_a_class_that_the_detector_does_not_know(photos, trained, tmp_path):
    mixed = relabelled(photos, tmp_path / "mixed", lambda text: text.replace(">apple<", ">cat<"))
    apples = sum(path.read_text().count(">cat<") for path in mixed.glob("*.xml"))
    records = tmp_path / "records"
    assert run("ssdprep", "tfrecord", mixed, "--out", records).code in (0, 1)
    done = run("ssd.evaluate", trained, records, "--split", "all", "--json")
    (found,) = [finding for finding in done.json["findings"] if finding["code"] == "EVAL009"]
    assert done.code == 1
    assert (
        f"class 'cat' is none of the detector's (apple, banana, milk carton): {apples} boxes left out"
        in found["message"]
    )
    assert done.json["per_class"]["apple"]["boxes"] == 0
    assert done.json["boxes_of_unknown_classes"] == apples
    done = run("ssd.evaluate", trained, mixed, "--split", "all")
    (line,) = [line for line in done.out.splitlines() if "EVAL009" in line]
    assert f"{apples} boxes left out" in line
    assert f"all photos, without {apples} boxes of classes that it does not know" in " ".join(done.out.split())


def test_a_part_of_unknown_classes_alone_is_not_measured(photos, trained, tmp_path):
    mixed = relabelled(photos, tmp_path / "mixed", lambda text: text)
    (split,) = mixed.rglob("test.txt")
    for name in split.read_text().split():
        annotation = mixed / f"{Path(name).stem}.xml"
        annotation.write_text(re.sub(r"<name>.*</name>", "<name>dog</name>", annotation.read_text()))
    done = run("ssd.evaluate", trained, mixed, "--split", "test")
    assert done.code == 2
    assert "split test: no photo has a box of a class that the detector knows" in " ".join(done.err.split())


def shared_out_anew(photos: Path, folder: Path, parts: dict[str, str]) -> Path:
    """A copy whose parts have the photos of others."""
    shutil.copytree(photos, folder)
    (lists,) = folder.rglob("Main")
    for part, other in parts.items():
        shutil.copy2(photos / lists.relative_to(folder) / f"{other}.txt", lists / f"{part}.txt")
    return folder


def test_photos_that_it_learnt_from_are_told_by_their_bytes(photos, trained, tmp_path):
    """In another folder, after a new split, and as records; not where they were asked for."""
    anew = shared_out_anew(photos, tmp_path / "anew", {"train": "test", "test": "train"})
    records = tmp_path / "records"
    assert run("ssdprep", "tfrecord", anew, "--out", records).code in (0, 1)
    learnt = len((anew / "ImageSets" / "Main" / "test.txt").read_text().split())
    for data in (anew, records):
        done = run("ssd.evaluate", trained, data, "--json")
        (told,) = [finding for finding in done.json["findings"] if finding["code"] == "EVAL010"]
        assert (done.code, told["severity"]) == (1, "error")
        assert f"{learnt} of {learnt} photos are among those that it learnt from" in told["message"]
    for split, severities in (("train", []), ("val", []), ("all", ["warning"])):
        done = run("ssd.evaluate", trained, photos, "--split", split, "--json")
        assert [f["severity"] for f in done.json["findings"] if f["code"] == "EVAL010"] == severities


def test_what_a_run_set_aside_is_known_when_the_lists_are_gone(photos, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(photos, data)
    folder = tmp_path / "run"
    assert run("ssd.train", data, "--epochs", "1", *SIDE, own(photos), "--out", folder).code == 0
    (lists,) = data.rglob("Main")
    val = sorted((lists / "val.txt").read_text().split())
    shutil.rmtree(lists.parent)
    with (folder / "photos.csv").open() as file:
        assert sorted(Path(row["photo"]).stem for row in csv.DictReader(file) if row["part"] == "val") == val
    done = run("ssd.evaluate", folder, data, "--json")
    assert done.json["data"].endswith("split val")
    assert done.json["images"] == len(val)
    assert "EVAL010" not in {finding["code"] for finding in done.json["findings"]}


def test_photos_labelled_after_the_split_are_told_before_training(photos, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(photos, data)
    listed = (data / "ImageSets" / "Main" / "train.txt").read_text().split()
    photo = next(path for path in data.glob("*.jpg") if path.stem == listed[0])
    for part in data.glob(f"{photo.stem}.*"):
        shutil.copy2(part, data / f"later{part.suffix}")
    done = run("ssd.train", data, "--epochs", "1", *SIDE, own(photos), "--out", tmp_path / "run")
    said = "1 labelled photo is in no split: it is neither trained on nor measured: later.jpg"
    assert said in done.err
    assert "AUD008" in done.out
    assert f"ssdprep split {data} --add" in done.err


@pytest.mark.parametrize("command", ["ssd.train", "ssd.doctor"])
def test_a_class_called_background_is_refused(photos, tmp_path, command):
    data = relabelled(photos, tmp_path / "data", lambda text: text.replace(">apple<", ">background<"))
    done = run(command, data, *SIDE[:2], "--preset", own(photos), "--out", tmp_path / "out")
    assert done.code == 2
    assert "a class is called 'background'" in " ".join(done.err.split())


def test_nothing_can_be_measured_without_boxes(photos, trained, tmp_path):
    bare = relabelled(photos, tmp_path / "bare", lambda text: re.sub(r"(?s)\s*<object>.*</object>", "", text))
    done = run("ssd.evaluate", trained, bare)
    assert done.code == 2
    assert "no photo has a box, so nothing can be measured" in done.err
    assert "try: " in done.err


def test_a_part_without_boxes_can_be_cured_as_it_says(photos, tmp_path):
    """Of photos by a command that can be pasted; records cannot be split, the photos they came from can."""
    bare = relabelled(photos, tmp_path / "my photos", lambda text: re.sub(r"(?s)\s*<object>.*</object>", "", text))
    (split,) = bare.rglob("val.txt")
    for name in split.read_text().split():
        shutil.copy2(photos / f"{Path(name).stem}.xml", bare)  # val has boxes
    written = tmp_path / "my records"
    assert run("ssdprep", "tfrecord", bare, "--out", written).code in (0, 1)
    cures = {}
    for data in (bare, written):
        done = run("ssd.train", data, *SIDE, own(photos), "--out", tmp_path / "run")
        assert done.code == 2
        assert "no photo of the train part" in done.err
        cures[data] = " ".join(done.err.split())
    assert f"ssdprep split '{bare}' --force" in cures[bare]
    assert str(written) not in cures[written].partition("try: ")[2]


def test_paths_that_do_not_exist(photos, trained, tmp_path):
    done = run("ssd.predict", trained, "nosuch.jpg", cwd=tmp_path)
    assert done.code == 2
    assert "nosuch.jpg does not exist" in done.err
    assert list(tmp_path.iterdir()) == []
    there = next(photos.glob("*.jpg"))
    done = run("ssd.predict", trained, "nosuch.jpg", there, "--json", cwd=tmp_path)
    assert done.code == 1
    assert [f["path"] for f in done.json["findings"]] == ["nosuch.jpg"]
    assert [f["message"] for f in done.json["findings"]] == ["does not exist"]
    assert [p["image"] for p in done.json["photos"]] == [str(there)]


def test_predictions_hold_one_runs_drawings_and_no_more_boxes_than_asked(photos, trained, tmp_path):
    images, out = sorted(photos.glob("*.jpg")), tmp_path / "drawn"
    done = run("ssd.predict", trained, *images[:3], "--threshold", "0", "--out", out)
    assert done.code == 0, done.err
    assert "best 20 drawn" in " ".join(done.out.split())
    assert {p.name for p in out.iterdir()} == {*(i.name for i in images[:3]), "contact_sheet.jpg", "predictions.jsonl"}
    done = run("ssd.predict", trained, images[3], "--threshold", "0", "--most", "1", "--out", out, "--json")
    assert {p.name for p in out.iterdir()} == {images[3].name, "predictions.jsonl"}
    (photo,) = done.json["photos"]
    assert photo["boxes_drawn"] == 1 < len(photo["objects"])
    best = photo["objects"][0]
    thing = Object(best["name"], Box(*(best[edge] for edge in Box._fields)))
    expected = draw_boxes(read_upright(images[3]), [thing], scores=[best["score"]])
    drawn = read_upright(out / images[3].name)
    assert np.abs(drawn.astype(int) - expected).mean() < 3  # JPEG
    (out / "notes.txt").write_text("mine")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    done = run("ssd.predict", trained, images[4], "--out", out)
    assert done.code == 2
    assert "did not draw: notes.txt" in done.err
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("ssd.train", "[default: runs/NAME-OF-DATA]"),
        ("ssd.evaluate", "[default: (test where there is one, else val of its own data, else all)]"),
        ("ssd.predict", "[default: predictions]"),
    ],
)
def test_help_says_every_default(module, said):
    done = run(module, "--help", env={"COLUMNS": "160", "TERMINAL_WIDTH": "160", "NO_COLOR": "1", "TERM": "dumb"})
    assert said.replace("(", "").replace(")", "") in done.out.replace("(", "").replace(")", "")
