"""Average precision: golden figures, pycocotools itself on drawn data, and cases counted by hand."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ssd import coco_average_precision, voc_average_precision

GOLDEN = Path(__file__).parent / "golden"
VOC = json.loads((GOLDEN / "voc_ap_cases.json").read_text())
COCO_CASES = json.loads((GOLDEN / "coco_ap_cases.json").read_text())


@pytest.mark.parametrize("name", VOC)
@pytest.mark.parametrize("plus_one", [False, True])
@pytest.mark.parametrize(("method", "year"), [("11point", "07"), ("area", "12")])
def test_voc_is_that_of_the_devkit(name: str, plus_one: bool, method: str, year: str) -> None:
    case, key = VOC[name], f"plus{int(plus_one)}_voc{year}"
    score = voc_average_precision(
        [[[row[0] + 1, *row[1:5]] for row in image["gt"]] for image in case["images"]],
        [[[row[0] + 1, *row[1:]] for row in image["det"]] for image in case["images"]],
        case["n_classes"],
        difficult=[[row[5] for row in image["gt"]] for image in case["images"]],
        iou_threshold=case["iou_threshold"],
        method=method,
        plus_one=plus_one,
    )
    np.testing.assert_allclose(score.per_class, np.array(case["ap"][key], float), rtol=0, atol=1e-9)
    assert score.mean == pytest.approx(case["map"][key], abs=1e-9)


def test_an_iou_of_one_half_is_enough() -> None:
    """As in the devkit; voc_eval asks for more than one half and would call it wrong."""
    edge = json.loads((GOLDEN / "voc_iou_edge.json").read_text())
    truth, found = [[1, *edge["gt"][0][1:5]]], [[1, *edge["det"][0][1:]]]
    assert voc_average_precision([truth], [found], 1, plus_one=True).mean == pytest.approx(edge["ap_official_ge"])
    assert voc_average_precision([truth], [found], 1).mean == 0.0  # without the extra pixel the IoU is 4/9


BOX, ELSEWHERE = [10, 10, 50, 50], [60, 60, 90, 90]


@pytest.mark.parametrize(
    ("truth", "found", "difficult", "eleven", "area"),
    [
        ([[1, *BOX]], [], [0], 0.0, 0.0),
        ([[1, *BOX]], [[1, 0.9, *BOX]], [0], 1.0, 1.0),
        ([[1, *BOX]], [[1, 0.9, *BOX], [1, 0.8, *BOX]], [0], 1.0, 1.0),  # found twice: the second is wrong, too late
        ([[1, *BOX]], [[1, 0.9, *ELSEWHERE], [1, 0.8, *BOX]], [0], 0.5, 0.5),
        ([[1, *BOX], [1, *ELSEWHERE]], [[1, 0.9, *BOX]], [0, 0], 6 / 11, 0.5),
        (
            [[1, *BOX], [1, *ELSEWHERE]],
            [[1, 0.9, *BOX], [1, 0.8, *ELSEWHERE]],
            [1, 0],
            1.0,
            1.0,
        ),  # difficult: no matter
        ([[1, *BOX]], [[1, 0.9, *BOX]], [1], np.nan, np.nan),
        ([], [[1, 0.9, *BOX]], [], np.nan, np.nan),
        ([[2, *BOX]], [[1, 0.9, *BOX]], [0], np.nan, np.nan),  # class 1 has no object
    ],
)
def test_voc_by_hand(truth: list, found: list, difficult: list, eleven: float, area: float) -> None:
    arguments = [truth, []], [found, []], 2
    for method, wanted in (("11point", eleven), ("area", area)):
        got = voc_average_precision(*arguments, difficult=[difficult, []], method=method).per_class[0]
        assert got == pytest.approx(wanted, nan_ok=True)


def test_a_recall_of_three_in_ten_misses_the_fourth_point() -> None:
    """0.1 * 3 is a little above 0.3 in floating point; every published figure of VOC 2007 has it so."""
    truth = [[1, 20 * i, 0, 20 * i + 10, 10] for i in range(10)]
    found = [[1, 0.9 - i / 10, *row[1:]] for i, row in enumerate(truth[:3])]
    assert voc_average_precision([truth], [found], 1).mean == pytest.approx(3 / 11)


def of_coco(case: dict) -> tuple[list, list, int, list, list]:
    """Arguments of ours from a COCO data set and its results."""

    def corners(box: list) -> list:
        x, y, w, h = box
        return [x, y, x + w, y + h]

    def of(image: dict, rows: list) -> list:
        return [row for row in rows if row["image_id"] == image["id"]]

    images, objects = case["gt"]["images"], case["gt"]["annotations"]
    return (
        [[[o["category_id"], *corners(o["bbox"])] for o in of(image, objects)] for image in images],
        [[[d["category_id"], d["score"], *corners(d["bbox"])] for d in of(image, case["dets"])] for image in images],
        max(c["id"] for c in case["gt"]["categories"]),
        [[o["iscrowd"] for o in of(image, objects)] for image in images],
        [[o["area"] for o in of(image, objects)] for image in images],
    )


@pytest.mark.parametrize("name", COCO_CASES)
def test_coco_is_that_of_pycocotools(name: str) -> None:
    truth, found, n_classes, crowd, areas = of_coco(COCO_CASES[name])
    score = coco_average_precision(truth, found, n_classes, crowd=crowd, areas=areas)
    np.testing.assert_allclose(score.stats, COCO_CASES[name]["stats"], rtol=0, atol=1e-9)
    for c, wanted in COCO_CASES[name]["per_class"].items():
        got = {key: np.nan_to_num(getattr(score.per_class, key)[int(c) - 1], nan=-1.0) for key in wanted}
        assert got == pytest.approx(wanted, abs=1e-9)


def drawn(seed: int) -> dict:
    """A data set of whole and half pixels, so that both count with the same numbers: crowds, ties, many detections."""
    rng = np.random.default_rng(1000 + seed)
    classes, images = int(rng.integers(1, 5)), int(rng.integers(1, 9))
    objects, found = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 9)):
            x, y, w, h = rng.integers([0, 0, 2, 2], [300, 300, 160, 160]).tolist()
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": image,
                    "category_id": int(rng.integers(1, classes + 1)),
                    "bbox": [x, y, w, h],
                    "area": w * h * (0.5 if seed % 3 == 0 else 1.0),
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
        mine = [o for o in objects if o["image_id"] == image]
        for _ in range(rng.choice([0, 3, 20, 160])):
            box = rng.integers([0, 0, 2, 2], [300, 300, 160, 160])
            label = int(rng.integers(1, classes + 1))
            if mine and rng.random() < 0.7:
                near = mine[rng.integers(len(mine))]
                box = np.maximum(np.array(near["bbox"]) + rng.integers(-20, 21, 4) / 2, 1.0)
                label = near["category_id"]
            score = float(rng.integers(1, 11) / 10 if seed % 2 else rng.random())
            found.append({"image_id": image, "category_id": label, "score": score, "bbox": box.tolist()})
    return {
        "gt": {
            "images": [{"id": i} for i in range(1, images + 1)],
            "annotations": objects,
            "categories": [{"id": c} for c in range(1, classes + 1)],
        },
        "dets": found,
    }


@pytest.mark.parametrize("seed", range(40))
def test_coco_equals_pycocotools_on_drawn_data(seed: int) -> None:
    case = drawn(seed)
    truth, found, n_classes, crowd, areas = of_coco(case)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = case["gt"]
        reference.createIndex()
        evaluation = COCOeval(reference, reference.loadRes(case["dets"]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    score = coco_average_precision(truth, found, n_classes, crowd=crowd, areas=areas)
    np.testing.assert_allclose(score.stats, evaluation.stats, rtol=0, atol=1e-9)
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    np.testing.assert_allclose(np.nan_to_num(score.per_class.AP, nan=-1.0), precision.mean(axis=(0, 1)), atol=1e-9)


def test_coco_by_hand() -> None:
    """One of two objects found exactly: recall 1/2, so 51 of the 101 recalls are reached, all at precision 1."""
    score = coco_average_precision([[[1, *BOX], [1, *ELSEWHERE]]], [[[1, 0.9, *BOX]]], 2)
    assert score.AP == score.AP50 == pytest.approx(51 / 101)
    assert score.AR1 == score.AR100 == 0.5
    assert np.isnan(score.per_class.AP[1])
    assert score.AP_large != score.AP_large  # nan: there is no large object
    assert score.stats[5] == -1


def test_a_crowd_may_be_found_any_number_of_times() -> None:
    crowd, inside = [1, 0, 0, 100, 100], [[1, 0.9, 0, 0, 20, 20], [1, 0.8, 40, 40, 60, 60]]
    truth = [[crowd, [1, 200, 200, 240, 240]]]
    found = [[*inside, [1, 0.7, 200, 200, 240, 240]]]
    as_crowd = coco_average_precision(truth, found, 1, crowd=[[1, 0]])
    np.testing.assert_allclose(as_crowd.AP, 1.0)
    assert coco_average_precision(truth, found, 1).AP < 0.5


@pytest.mark.parametrize("score_of", [voc_average_precision, coco_average_precision])
def test_nothing_at_all(score_of) -> None:
    score = score_of([], [], 3)
    assert np.isnan(score[0] if isinstance(score, tuple) else score.AP)
    score = score_of([np.zeros((0, 5))], [np.zeros((0, 6))], 3)
    assert np.isnan(score[0] if isinstance(score, tuple) else score.AP)


@pytest.mark.parametrize("score_of", [voc_average_precision, coco_average_precision])
def test_wrong_calls_are_refused(score_of) -> None:
    truth, found = [[[1, *BOX]]], [[[1, 0.9, *BOX]]]
    for wrong, message in [
        ((truth, [], 1), "images"),
        ((truth, truth, 1), "shape"),
        ((found, found, 1), "shape"),
        (([[[0, *BOX]]], found, 1), "classes"),
        ((truth, [[[2, 0.9, *BOX]]], 1), "classes"),
        ((truth, [[[1.5, 0.9, *BOX]]], 2), "classes"),
    ]:
        with pytest.raises(ValueError, match=message):
            score_of(*wrong)


def test_flags_must_fit() -> None:
    truth, found = [[[1, *BOX]]], [[[1, 0.9, *BOX]]]
    with pytest.raises(ValueError, match="difficult"):
        voc_average_precision(truth, found, 1, difficult=[[0, 1]])
    with pytest.raises(ValueError, match="crowd"):
        coco_average_precision(truth, found, 1, crowd=[[]])
    with pytest.raises(ValueError, match="method"):
        voc_average_precision(truth, found, 1, method="2007")
