"""What an evaluation says of a set where something is wrong, and of one where nothing is.

The detector is made by hand: a real model that finds coloured squares exactly, so that every figure can be counted. The
command itself runs on one with random weights.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import run as process
from folders import pair
from measure_evaluation import every, ids, pixels, shift, swapped, turn

from ssd.data import open_source
from ssd.evaluation.diagnosis import Diagnosis, diagnose
from ssd.evaluation.error_costs import Kind
from ssd.evaluation.findings import boxes_in_training, findings_of
from ssd.evaluation.measuring import Evaluation, evaluate, score
from ssd.evaluation.page import render
from ssd.pipeline import Example
from ssd.presets import preset
from ssd.run import Run
from ssdprep.images import encode_png
from ssdprep.labels import LabelMap
from ssdprep.record import Finding, Severity

CELL, WIDE, HIGH = 8, 14, 12  # pixels of a square; cells of a photo
SMALL = replace(preset("mobilenet_v2_035_ssd_224"), image_size=(CELL * HIGH, CELL * WIDE))
COLOURS = {"red": (230, 30, 30), "green": (30, 230, 30), "blue": (30, 30, 230)}
Some = Callable[[Sequence[Example]], list[Example]]


@pytest.fixture(scope="module")
def hand() -> Run:
    """A detector of squares in three colours, one anchor a cell: the mean colour of a cell decides."""
    pictures = keras.Input((CELL * HIGH, CELL * WIDE, 3))
    cells = keras.layers.AveragePooling2D(CELL)(pictures)
    decide = keras.layers.Conv2D(4, 1, name="decide")
    logits = keras.layers.Reshape((HIGH * WIDE, 4), name="logits")(decide(cells))
    offsets = keras.layers.Reshape((HIGH * WIDE, 4), name="offsets")(keras.layers.Conv2D(4, 1, name="none")(cells))
    model = keras.Model(pictures, {"logits": logits, "offsets": offsets})
    each = 0.08 * (1.5 * np.eye(3) - 0.5)  # a colour less the mean of the two others
    decide.set_weights([np.hstack([np.zeros((3, 1)), each])[None, None], np.array([6.0, 0, 0, 0])])
    model.get_layer("none").set_weights([np.zeros((1, 1, 3, 4)), np.zeros(4)])
    y, x = np.divmod(np.arange(HIGH * WIDE), WIDE)
    anchors = np.stack([(x + 0.5) / WIDE, (y + 0.5) / HIGH, np.full(len(x), 1 / WIDE), np.full(len(x), 1 / HIGH)], 1)
    return Run(model, SMALL, LabelMap(tuple(COLOURS)), anchors)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Thirty photos of two or three squares, top right: none lies where another is once the photo is turned."""
    folder, made = tmp_path_factory.mktemp("squares"), []
    for number in range(30):
        rng = np.random.default_rng(number)
        picture = np.full((CELL * HIGH, CELL * WIDE, 3), 120, np.uint8)
        boxes, labels = [], rng.permutation(3)[: 2 + number % 2] + 1
        for label, column in zip(labels.tolist(), rng.permutation(3), strict=False):
            y, x = CELL * int(rng.integers(0, 3)), CELL * (7 + int(column))
            picture[y : y + CELL, x : x + CELL] = list(COLOURS.values())[label - 1]
            boxes.append([x, y, x + CELL, y + CELL])
        path = folder / f"{number}.png"
        path.write_bytes(encode_png(picture))
        shares = np.array(boxes, np.float32) / ([CELL * WIDE, CELL * HIGH] * 2)
        nothing = np.zeros(len(boxes), bool)
        made.append(Example(str(path), picture.shape[:2], shares.astype(np.float32), labels.astype(np.int32), nothing))
    return made


def warnings(hand: Run, examples: Sequence[Example], tmp_path: Path, found: Sequence | None = None) -> list[Finding]:
    """What is said, notes aside."""
    (tmp_path / "config.json").write_text(json.dumps({"config": {}}))
    found = found or list(hand.detect(examples))
    judged = diagnose(examples, found, hand.labels.names).judged
    said = findings_of(hand, tmp_path, Path("set"), examples, found, judged)
    return [finding for finding in said if finding.severity is not Severity.INFO]


def test_the_detector_made_by_hand_finds_all(hand, examples):
    scores, found = evaluate(hand, examples)
    assert (scores.AP, scores.AP50, scores.voc07, scores.voc10) == pytest.approx((1, 1, 1, 1))
    assert sum(map(len, found)) == sum(len(e.ids) for e in examples)


@pytest.mark.parametrize("plant", [every(1, lambda e: e), every(1, shift(0.04, -0.04)), every(1, pixels(-0.3, -0.3))])
def test_where_nothing_is_wrong_nothing_is_said(hand, examples, tmp_path, plant: Some):
    assert warnings(hand, plant(examples), tmp_path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (shift(0.1, 0), "by 0.10 of its width to the right, against"),
        (shift(0, -0.4), "by 0.40 of its height up, against"),
        (shift(-0.25, 0.25), "by 0.25 of its width to the left and 0.25 of its height down, against"),
    ],
)
def test_shifted_labels(hand, examples, tmp_path, change, said):
    (finding,) = warnings(hand, every(1, change)(examples), tmp_path)
    assert finding.code == "EVAL005"
    assert said in finding.message


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ([2, 1, 3], "red and green look exchanged (red: "),
        ([1, 3, 2], "green and blue look exchanged (green: "),
        ([2, 3, 1], "red, blue, green look exchanged (red: "),
    ],
)
def test_exchanged_labels(hand, examples, tmp_path, order, said):
    (finding,) = warnings(hand, every(1, ids(order))(examples), tmp_path)
    assert (finding.code, finding.path) == ("EVAL004", Path("set"))
    assert said in finding.message


@pytest.mark.parametrize(("way", "said"), [(2, "left to right"), (3, "half turn"), (4, "top to bottom")])
def test_labels_in_another_frame(hand, examples, tmp_path, way, said):
    findings = warnings(hand, every(5, turn(way))(examples), tmp_path)
    assert [finding.path for finding in findings] == [Path(e.source) for e in examples[::5]]
    assert {finding.code for finding in findings} == {"EVAL006"}
    assert all(said in finding.message and "6 photos" in finding.message for finding in findings)
    assert "ssdprep fix-exif set" in findings[0].remedy


@pytest.mark.parametrize("way", [5, 6, 7, 8])
def test_labels_in_a_frame_of_other_sides(hand, examples, tmp_path, way):
    """Boxes beyond the shorter side are cut off, so that not every photo can tell."""
    findings = warnings(hand, every(1, turn(way))(examples), tmp_path)
    assert {finding.code for finding in findings} == {"EVAL006"}
    how = {5: "diagonal", 6: "turn clockwise", 7: "other diagonal", 8: "turn counter-clockwise"}[way]
    assert all(how in finding.message for finding in findings)


def test_one_photo_that_fits_after_a_turn_is_chance(hand, examples, tmp_path):
    assert warnings(hand, [turn(3)(examples[0]), *examples[1:]], tmp_path) == []


def test_red_and_blue_exchanged(hand, examples, tmp_path):
    """Labels of red and blue look exchanged then as well; that it is the photos is said, and nothing else."""
    (finding,) = warnings(hand, swapped(examples, tmp_path), tmp_path)
    assert finding.code == "EVAL007"
    assert "mean score of 1.00 instead of 0." in finding.message


def test_an_exchange_with_a_frequent_class_is_no_class_everywhere(hand, examples, tmp_path):
    """Of red there are few; exchanged with green, red has few labels and many detections."""
    few = [
        replace(e, boxes=e.boxes[e.ids > 1], ids=e.ids[e.ids > 1], difficult=e.difficult[e.ids > 1]) for e in examples
    ]
    found = [rows[rows[:, 0] > 1] for rows in hand.detect(examples)]
    some = [*examples[:5], *few[5:]]
    (finding,) = warnings(hand, every(1, ids([2, 1, 3]))(some), tmp_path, [*hand.detect(examples[:5]), *found[5:]])
    assert finding.code == "EVAL004"


def test_one_class_everywhere(hand, examples, tmp_path):
    """A detector that says red wherever it sees anything, and surest where there is nothing."""
    found = [np.concatenate([rows, _everywhere(len(rows), 1)]) for rows in hand.detect(examples)]
    (finding,) = warnings(hand, examples, tmp_path, found)
    assert finding.code == "EVAL001"
    said = r"red is found nearly everywhere: of the 75 surest .* 100% are of it \(of the labels 3\d%\)"
    assert re.search(said, finding.message)


def _everywhere(n: int, label: int) -> np.ndarray:
    boxes = np.array([[8.0 * i, 48, 8.0 * i + 8, 60] for i in range(6)])
    return np.concatenate([np.full((6, 1), label), np.ones((6, 1)), boxes], axis=1)


def test_a_class_that_is_never_found(hand, examples, tmp_path):
    found = [rows[rows[:, 0] != 2] for rows in hand.detect(examples)]
    (finding,) = warnings(hand, examples, tmp_path, found)
    assert finding.code == "EVAL002"
    assert "green is never found: none of its " in finding.message
    assert "to learn from" not in finding.message  # nobody knows


def test_a_class_without_a_box_in_training(hand, examples, tmp_path):
    found = [rows[rows[:, 0] != 2] for rows in hand.detect(examples)]
    judged = diagnose(examples, found, hand.labels.names).judged
    for boxes, code in (({"red": 9, "blue": 9}, "EVAL003"), ({"red": 9, "blue": 9, "green": 7}, "EVAL002")):
        (tmp_path / "config.json").write_text(json.dumps({"boxes": {"train": boxes}}))
        (finding,) = findings_of(hand, tmp_path, Path("set"), examples, found, judged)[:1]
        assert finding.code == code
        assert ("it had 7 boxes to learn from" in finding.message) == (code == "EVAL002")


def test_boxes_of_training_are_counted_where_the_data_lies(tmp_path):
    data = tmp_path / "set"
    for number in range(12):
        pair(data, f"p{number}", [("apple", 2, 2, 30, 30)] * 2 + [("pear", 20, 5, 40, 45)])
    lists = data / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("p0\np1\np2\n")
    (lists / "val.txt").write_text("p3\n")
    labels = LabelMap(("apple", "fig", "pear"))
    (tmp_path / "config.json").write_text(json.dumps({"data": str(data), "seed": 0}))
    assert boxes_in_training(tmp_path, labels) == {"apple": 6, "fig": 0, "pear": 3}
    (tmp_path / "config.json").write_text(json.dumps({"data": str(tmp_path / "gone")}))
    assert boxes_in_training(tmp_path, labels) is None
    (tmp_path / "config.json").write_text(json.dumps({"data": str(data)}))
    assert boxes_in_training(tmp_path, LabelMap(("cat",))) is None  # other data lies there by now


def test_difficult_objects_count_for_coco_alone(hand, examples):
    """The first photo's objects are difficult, and are not found."""
    hard = [replace(examples[0], difficult=np.ones(len(examples[0].ids), bool)), *examples[1:]]
    found = [np.zeros((0, 6)), *hand.detect(examples[1:])]
    scores = score(hard, found, hand.labels.names)
    assert scores.voc07 == scores.voc10 == pytest.approx(1)
    assert scores.AP50 < 1
    assert sum(c.difficult for c in scores.per_class) == len(examples[0].ids)
    assert sum(c.boxes for c in scores.per_class) == sum(len(e.ids) for e in examples)


def diagnosed(hand: Run, examples: Sequence[Example]) -> tuple[Diagnosis, Evaluation]:
    """Of two photos whose labels are wrong in known ways."""
    corner = np.tile(np.array([0.9, 0.9, 1, 1], np.float32), (len(examples[0].ids), 1))
    lost = replace(examples[0], boxes=corner)
    other = replace(examples[1], ids=examples[1].ids % 3 + 1)
    some = [lost, other, *examples[2:]]
    scores, found = evaluate(hand, some)
    diagnosis = diagnose(some, found, hand.labels.names)
    return diagnosis, Evaluation(Path("run"), Path("<set>"), "all", hand.labels.names, scores, diagnosis)


def test_the_worst_photos_come_first_with_their_mistakes(hand, examples):
    diagnosis, _ = diagnosed(hand, examples)
    assert {photo.example for photo in diagnosis.worst} == {0, 1}
    by_photo = {photo.example: [m.kind for m in photo.mistakes] for photo in diagnosis.worst}
    many = len(examples[0].ids)
    assert by_photo[0] == [Kind.BACKGROUND] * many + [Kind.MISSED] * many
    assert by_photo[1] == [Kind.CLASS] * len(examples[1].ids)
    costs = [photo.cost for photo in diagnosis.worst]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] > 0
    assert all(label == found % 3 + 1 for label, found, _ in diagnosis.taken_for())
    assert sum(n for *_, n in diagnosis.taken_for()) == len(examples[1].ids)


def test_the_page_holds_it_all(hand, examples):
    from test_audit_page import Reader

    diagnosis, report = diagnosed(hand, examples)
    page = render(report, examples)
    reader = Reader(page.decode())
    assert page == render(report, examples)
    assert len(reader.all("img")) == 2 * len(diagnosis.worst)
    shown = "".join(reader.text)
    for part in ("What to do", "Classes", "What errors cost", "What was taken for what", "Worst photos", "<set>"):
        assert part in shown
    kind = max(diagnosis.costs, key=diagnosis.costs.get)
    worst = min(report.scores.per_class, key=lambda each: each.AP50)
    assert report.scores.AP50 < 0.9
    assert f"{worst.name} is found worst: AP50 {worst.AP50:.3f}" in shown
    assert f"{kind.value} errors cost most" in shown
    assert "Nothing: no error" not in shown
    for photo in diagnosis.worst:
        assert f"costs {photo.cost:.4f} AP50" in shown
    assert all(picture["alt"] for picture in reader.all("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in reader.all("svg"))
    places = {attributes["id"] for _, attributes in reader.elements if "id" in attributes}
    assert {link["href"] for link in reader.all("a")} <= {f"#{place}" for place in places}


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def set_and_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Drawn photos, and a detector that says pear wherever it looks: random weights with one bias."""
    folder = tmp_path_factory.mktemp("everywhere")
    for number in range(12):
        pair(
            folder / "set", f"p{number}", [("&lt;b&gt;apple", 2, 2, 22, 30), ("pear", 30, 10, 60, 40)][: 1 + number % 2]
        )
    keras.utils.set_random_seed(0)
    run = Run.new(replace(SMALL, image_size=(64, 64)), LabelMap(("<b>apple", "pear")))
    for layer in run.model.layers:
        if re.fullmatch(r"classes_\d_conv", layer.name):
            *kernels, bias = layer.get_weights()
            layer.set_weights([*kernels, (bias.reshape(-1, 3) + np.array([0, -6, 2])).reshape(-1)])
    run.save(folder / "run")
    return folder / "set", folder / "run"


def test_the_command_tells_and_writes_it_all(set_and_run, tmp_path):
    data, run = set_and_run
    out = tmp_path / "e.html"
    done = process("ssd.evaluate", run, data, "--html", out, "--json")
    assert done.code == 0, done.err
    said = done.json
    assert said["page"] == str(out)
    assert out.read_text("utf-8").count("<script>") == 1
    assert "<b>apple" not in out.read_text("utf-8")
    assert {"EVAL001", "EVAL002", "EVAL008"} <= {f["code"] for f in said["findings"]}
    assert "pear is found nearly everywhere" in " ".join(f["message"] for f in said["findings"])
    assert len(said["coco"]) == 12
    assert said["coco"]["AP50"] == said["AP50"]
    assert said["coco"]["AP_large"] is None  # there is no such object
    assert set(said["errors"]) == {"class", "place", "both", "duplicate", "background", "missed"}
    matrix = np.array(said["confusion"]["counts"])
    assert matrix.shape == (len(said["confusion"]["labels"]), len(said["confusion"]["found"])) == (4, 3)
    assert matrix[:2].sum(axis=1).tolist() == [said["per_class"][name]["boxes"] for name in ("<b>apple", "pear")]
    assert len(said["per_class"]["pear"]["precision_at_recall"]) == 101
    plain = process("ssd.evaluate", run, data)
    for word in ("VOC10", "COCO", "AR100", "duplicate", "EVAL001", "--html evaluation.html", "errors cost most"):
        assert word in plain.out


def test_a_slip_in_the_name_of_a_split_is_told_first(set_and_run, tmp_path):
    data, run = set_and_run
    shutil.copytree(data, tmp_path / "set")
    assert process("ssdprep", "split", tmp_path / "set").code in (0, 1)
    for slip, cure in {"tset": "try: --split test, if that is meant; ", "other": "try: --split all, where"}.items():
        done = process("ssd.evaluate", run, tmp_path / "set", "--split", slip)
        assert done.code == 2
        assert done.err.splitlines()[-1].strip().startswith(cure)


def test_a_page_replaces_no_file_of_others(set_and_run, tmp_path):
    data, run = set_and_run
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine")
    done = process("ssd.evaluate", run, data, "--html", mine)
    assert done.code == 2
    assert "is no page of ssd.evaluate" in done.err
    assert "mine-evaluate.html" in done.err
    assert mine.read_text() == "<p>mine"


def test_the_library_says_what_the_command_says(set_and_run):
    import ssd

    data, run = set_and_run
    report = ssd.evaluate_folder(run, data)
    labels = Run.load(run).labels
    scores, _ = evaluate(Run.load(run), open_source(data, labels).split("all"))
    assert report.scores.AP50 == scores.AP50
    assert json.loads(json.dumps(report.to_dict()))["images"] == 12
