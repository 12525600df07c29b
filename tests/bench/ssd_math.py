"""What the detector's mathematics costs beside plain NumPy as the ports write it, and beside pycocotools.

    python tests/bench/ssd_math.py              everything, about three minutes
    python tests/bench/ssd_math.py --rounds 3   a look

All contenders of a line run in turn, round after round, in one process on one core; a ratio is the median of the
rounds' ratios. The plain forms below are written for this comparison.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import tensorflow as tf

from ssd.anchors import anchor_boxes
from ssd.decoder import decode_detections
from ssd.encoder import encode_targets
from ssd.geometry import convert_coordinates
from ssd.metrics import coco_average_precision
from ssd.presets import VGG16_SSD300

C = VGG16_SSD300
ANCHORS = anchor_boxes(
    C.image_size, [(n, n) for n in (38, 19, 10, 5, 3, 1)], C.scales, C.aspect_ratios, steps=C.steps
)  # fmt: skip
CORNERS = convert_coordinates(ANCHORS, 0, "centroids2corners")
VARIANCES = np.array(C.variances)


def plain_iou(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Every pair at once, each coordinate tiled to (m, n), as the Keras port does it."""
    m, n = len(one), len(two)
    low = np.maximum(np.tile(one[:, None, :2], (1, n, 1)), np.tile(two[None, :, :2], (m, 1, 1)))
    high = np.minimum(np.tile(one[:, None, 2:], (1, n, 1)), np.tile(two[None, :, 2:], (m, 1, 1)))
    sides = np.maximum(high - low, 0)
    shared = sides[..., 0] * sides[..., 1]
    areas = [(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (one, two)]
    return shared / (np.tile(areas[0][:, None], (1, n)) + np.tile(areas[1][None], (m, 1)) - shared)


def plain_encode(boxes: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The dense targets of a batch, image by image."""
    batch, n, classes = len(boxes), len(ANCHORS), 21
    out = np.zeros((batch, n, classes + 12))
    out[..., -12:-8] = out[..., -8:-4] = ANCHORS
    out[..., -4:] = VARIANCES
    out[..., 0] = 1
    one_hot = np.eye(classes)
    for i in range(batch):
        weights = plain_iou(boxes[i], CORNERS)
        centroids = convert_coordinates(boxes[i], 0, "corners2centroids")
        left = weights.copy()
        for _ in range(len(left)):
            row, column = np.unravel_index(np.argmax(left), left.shape)
            out[i, column, :classes], out[i, column, -12:-8] = one_hot[ids[i, row]], centroids[row]
            left[row], left[:, column] = 0, 0
            weights[:, column] = 0
        best, most = weights.argmax(axis=0), weights.max(axis=0)
        columns = np.flatnonzero(most >= 0.5)
        out[i, columns, :classes], out[i, columns, -12:-8] = one_hot[ids[i, best[columns]]], centroids[best[columns]]
        most[columns] = 0
        out[i, most >= 0.3, 0] = 0
    out[..., -12:-10] = (out[..., -12:-10] - out[..., -8:-6]) / out[..., -6:-4] / out[..., -4:-2]
    out[..., -10:-8] = np.log(out[..., -10:-8] / out[..., -6:-4]) / out[..., -2:]
    return out


def plain_decode(predicted: np.ndarray, threshold: float = 0.01) -> list[np.ndarray]:
    """Class by class, box by box."""
    found = []
    scaled = predicted[..., -12:-8] * predicted[..., -4:]
    centres = scaled[..., :2] * predicted[..., -6:-4] + predicted[..., -8:-6]
    sides = np.exp(scaled[..., 2:]) * predicted[..., -6:-4]
    corners = np.concatenate([centres - sides / 2, centres + sides / 2], axis=-1) * 300
    for scores, boxes in zip(predicted[..., :-12], corners, strict=True):
        kept = []
        for c in range(1, scores.shape[1]):
            over = scores[:, c] > threshold
            left = np.concatenate([scores[over, c, None], boxes[over]], axis=1)
            while len(left):
                best = left[left[:, 0].argmax()].copy()
                kept.append([c, *best])
                left = np.delete(left, left[:, 0].argmax(), axis=0)
                if len(left):
                    left = left[plain_iou(left[:, 1:], best[None, 1:])[:, 0] <= 0.45]
        table = np.array(kept).reshape(-1, 6)
        found.append(table[np.argsort(-table[:, 1], kind="stable")[:200]])
    return found


def objects(rng: np.random.Generator, batch: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    centres, sides = rng.uniform(0.1, 0.9, (batch, each, 2)), rng.uniform(0.05, 0.5, (batch, each, 2))
    boxes = np.clip(np.concatenate([centres - sides / 2, centres + sides / 2], axis=-1), 0, 1)
    return boxes, rng.integers(1, 21, (batch, each))


def predictions(rng: np.random.Generator, batch: int, *, trained: bool) -> np.ndarray:
    """A trained detector's: sure of background, but around its objects; an untrained one's: sure of nothing."""
    logits = rng.normal(size=(batch, len(ANCHORS), 21)) * (0.8 if trained else 0.05)
    offsets = rng.normal(size=(batch, len(ANCHORS), 4)) * 0.5
    if trained:
        logits[..., 0] += 8
        boxes, ids = objects(rng, batch, 8)
        for i in range(batch):
            near = plain_iou(boxes[i], CORNERS)
            for row in range(8):
                logits[i, near[row] > 0.4, ids[i, row]] += 8
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    rest = np.concatenate([ANCHORS, np.tile(VARIANCES, (len(ANCHORS), 1))], axis=1)
    rest = np.broadcast_to(rest, (*offsets.shape[:2], 8))
    return np.concatenate([probabilities, offsets, rest], axis=-1)


def race(title: str, limit: float, rounds: int, plain: Callable[[], object], ours: Callable[[], object]) -> None:
    """One line of the table: medians, and the ratio."""
    plain(), ours()
    pairs = []
    for _ in range(rounds):
        times = []
        for work in (plain, ours):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        pairs.append(times)
    slow, fast = (median(column) for column in zip(*pairs, strict=True))
    share = median(b / a for a, b in pairs)
    print(f"| {title} | {1000 * slow:,.1f} | {1000 * fast:,.1f} | {share:.3f} | {limit} |", flush=True)


def bench_encoder(rng: np.random.Generator, rounds: int) -> None:
    boxes, ids = objects(rng, 32, 8)
    encode = tf.function(lambda b, i: encode_targets(b, i, ANCHORS, variances=C.variances))
    given = tf.constant(boxes, tf.float32), tf.constant(ids, tf.int32)
    dense, targets = plain_encode(boxes, ids), encode(*given)
    same = np.where(dense[..., :21].any(-1), dense[..., :21].argmax(-1), -1) == targets.class_index.numpy()
    assert same.mean() > 0.9999, same.mean()
    title = "targets of 32 images x 8 objects, in the graph"
    race(title, 0.2, rounds, lambda: plain_encode(boxes, ids), lambda: encode(*given))


def bench_decoder(rng: np.random.Generator, rounds: int) -> None:
    trained, young = predictions(rng, 8, trained=True), predictions(rng, 1, trained=False)
    for one, two in zip(plain_decode(trained), decode_detections(trained, img_height=300, img_width=300), strict=True):
        np.testing.assert_allclose(one[:, 1], two[:, 1], rtol=1e-9)

    def ours(predicted: np.ndarray, limit: int | None) -> object:
        return decode_detections(predicted, img_height=300, img_width=300, candidates_per_class=limit)

    over = int((trained[..., 1:21] > 0.01).sum())
    title = f"8 images decoded, {over:,} candidates"
    race(title, 0.1, rounds, lambda: plain_decode(trained), lambda: ours(trained, None))
    over = int((young[..., 1:21] > 0.01).sum())
    title = f"an untrained model's {over:,} candidates"
    race(title, 0.01, min(rounds, 3), lambda: plain_decode(young), lambda: ours(young, 400))


def bench_coco(rng: np.random.Generator, rounds: int, images: int) -> None:
    """80 classes, 7 objects and 100 detections an image; pycocotools' reading of both is not counted."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = [], []
    for _ in range(images):
        (boxes,), (ids,) = objects(rng, 1, 7)
        boxes, ids = np.round(boxes * 640), ids + 20 * rng.integers(0, 4, 7)
        near = rng.integers(0, 7, 100)
        moved = boxes[near] + np.round(rng.normal(size=(100, 4)) * 12)
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 4)
        classes = np.where(rng.random(100) < 0.7, ids[near], rng.integers(1, 81, 100))
        truth.append(np.concatenate([ids[:, None], boxes], axis=1))
        found.append(np.concatenate([classes[:, None], rng.random((100, 1)), moved], axis=1))
    data = COCO()
    data.dataset = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": c} for c in range(1, 81)],
        "annotations": [
            {"id": 1 + 7 * i + k, "image_id": i, "category_id": int(row[0]), "bbox": _xywh(row[1:]), "iscrowd": 0,
             "area": float(np.prod(row[3:] - row[1:3]))}
            for i, rows in enumerate(truth) for k, row in enumerate(rows)
        ],
    }  # fmt: skip
    rows = [[i, *_xywh(row[2:]), row[1], row[0]] for i, table in enumerate(found) for row in table]
    with contextlib.redirect_stdout(io.StringIO()):
        data.createIndex()
        results = data.loadRes(np.array(rows))

    def theirs() -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()):
            judge = COCOeval(data, results, "bbox")
            judge.evaluate()
            judge.accumulate()
            judge.summarize()
        return judge.stats

    def ours() -> tuple[float, ...]:
        return coco_average_precision(truth, found, 80).stats

    np.testing.assert_allclose(ours(), theirs(), atol=1e-9)
    race(f"COCO AP of {images:,} images x 100 detections", 0.25, rounds, theirs, ours)


def _xywh(corners: np.ndarray) -> list[float]:
    x0, y0, x1, y1 = map(float, corners)
    return [x0, y0, x1 - x0, y1 - y0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=5000, help="for COCO AP")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    rng = np.random.default_rng(0)
    print("| | plain ms | ours ms | ratio | target |\n|---|---|---|---|---|")
    bench_encoder(rng, options.rounds)
    bench_decoder(rng, options.rounds)
    bench_coco(rng, min(options.rounds, 3), options.images)


if __name__ == "__main__":
    main()
