"""Draw the pictures of docs/how-ssd-works.md with the detector's own mathematics: `python tests/make_ssd_pictures.py`.

Anchors, matching, mining and suppression are those of `ssd`; only what the network says is invented, as a half-trained
one might say it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ssd.anchors import anchor_boxes
from ssd.decoder import decode_boxes, detect
from ssd.encoder import encode_targets
from ssd.geometry import convert_coordinates, iou
from ssd.loss import multibox_loss
from ssd.presets import preset

FOLDER = Path(__file__).parents[1] / "docs" / "images"
CONFIG = preset("mobilenet_v2_ssd_224")
SIDES = (28, 14, 7, 4, 2, 1)
ANCHORS = anchor_boxes(CONFIG.image_size, [(n, n) for n in SIDES], CONFIG.scales, CONFIG.aspect_ratios)
CORNERS = convert_coordinates(ANCHORS, 0, "centroids2corners")
OBJECTS = np.array([[0.12, 0.30, 0.44, 0.86], [0.50, 0.38, 0.92, 0.66], [0.70, 0.76, 0.80, 0.88]])
CLASSES = np.array([1, 2, 1])
INK, GREEN, GREY, BLUE, RED = "#24292f", "#1a7f37", "#afb8c1", "#0969da", "#cf222e"


def figure(columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    drawn = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(drawn)
    return drawn, list(drawn.subplots(1, columns, squeeze=False)[0])


def scene(axes: Axes, title: str) -> None:
    """The picture that everything is drawn on: three objects of two classes, sides in shares."""
    axes.set(xlim=(-0.15, 1.15), ylim=(1.15, -0.15), aspect="equal", xticks=[], yticks=[])
    axes.set_title(title, fontsize=9)
    axes.spines[:].set_visible(False)
    axes.add_patch(Rectangle((0, 0), 1, 1, facecolor="#f6f8fa", edgecolor=GREY))
    for (x0, y0, x1, y1), c in zip(OBJECTS, CLASSES, strict=True):
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, facecolor="#ffd8b5" if c == 1 else "#d8ccff"))


def boxes(axes: Axes, corners: np.ndarray, colour: str, width: float = 1.2, alpha: float = 1.0) -> None:
    for x0, y0, x1, y1 in corners:
        axes.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=width, alpha=alpha)
        )


def anchors_picture() -> Figure:
    """The six boxes of one cell on three of the maps."""
    drawn, axes = figure(3, 9, 3.3)
    for panel, (k, cell) in zip(axes, ((1, (8, 4)), (2, (3, 1)), (3, (1, 2))), strict=True):
        n = SIDES[k]
        scene(panel, f"{n} x {n} cells")
        for line in range(1, n):
            panel.plot([0, 1], [line / n] * 2, color=GREY, linewidth=0.4)
            panel.plot([line / n] * 2, [0, 1], color=GREY, linewidth=0.4)
        start = 6 * (sum(side * side for side in SIDES[:k]) + cell[0] * n + cell[1])
        own = CORNERS[start : start + 6]
        boxes(panel, own[[0, 2, 3, 4, 5]], BLUE)
        boxes(panel, own[[1]], RED)
        panel.plot(*ANCHORS[start, :2], "o", color=INK, markersize=3)
    return drawn


def matching_picture() -> Figure:
    """Each object's own best anchor, the others from IoU 0.5 on, and those between 0.3 and 0.5."""
    overlap = iou(OBJECTS, CORNERS, coords="corners")
    targets = encode_targets(OBJECTS, CLASSES, ANCHORS).class_index.numpy()
    drawn, axes = figure(3, 9, 3.3)
    best = overlap.argmax(axis=1)
    others = np.setdiff1d(np.flatnonzero(targets > 0), best)
    for panel, chosen, colour, title in (
        (axes[0], best, GREEN, "the best anchor of each object"),
        (axes[1], others, BLUE, f"{len(others)} more with IoU 0.5 or higher"),
        (axes[2], np.flatnonzero(targets < 0), GREY, f"{(targets < 0).sum()} neutral: 0.3 to 0.5"),
    ):
        scene(panel, title)
        boxes(panel, CORNERS[chosen], colour, 1.6 if panel is axes[0] else 0.7)
    return drawn


def said() -> tuple[np.ndarray, np.ndarray]:
    """Logits and offsets as a half-trained network might give them: near the truth, but not sure of it."""
    rng = np.random.default_rng(4)
    overlap = iou(OBJECTS, CORNERS, coords="corners")
    logits = rng.normal(size=(len(ANCHORS), 3)) + np.array([6, 0, 0])
    offsets = np.zeros((len(ANCHORS), 4))
    for row in range(len(OBJECTS)):
        near = np.flatnonzero(overlap[row] > 0.35)
        logits[near, CLASSES[row]] += 9 * overlap[row, near] + 1.5
        centroid = convert_coordinates(OBJECTS[row], 0, "corners2centroids")
        shift = (centroid[:2] - ANCHORS[near, :2]) / ANCHORS[near, 2:]
        true = np.concatenate([shift, np.log(centroid[2:] / ANCHORS[near, 2:])], axis=1) / CONFIG.variances
        offsets[near] = 0.8 * true + rng.normal(size=true.shape) * 0.3
    return logits, offsets


def mining_picture() -> Figure:
    """What each background anchor costs, dearest first, and which of them count."""
    logits, offsets = said()
    targets = encode_targets(OBJECTS, CLASSES, ANCHORS)
    index = targets.class_index.numpy()
    cost = tf.nn.sparse_softmax_cross_entropy_with_logits(np.maximum(index, 0), logits).numpy()
    negative = np.sort(cost[index == 0])[::-1]
    kept = 3 * int((index > 0).sum())
    loss = multibox_loss(logits[None], offsets[None], index[None], targets.offsets[None].numpy()).classes
    by_hand = (cost[index > 0].sum() + negative[:kept].sum()) / (index > 0).sum()
    np.testing.assert_allclose(loss, by_hand, rtol=1e-6)
    drawn, (axes,) = figure(1, 9, 2.8)
    axes.plot(np.arange(1, len(negative) + 1), negative, color=GREY)
    axes.fill_between(np.arange(1, kept + 1), negative[:kept], color=RED, alpha=0.35, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel=f"{len(negative):,} background anchors, dearest first", ylabel="loss")
    axes.set_title(
        f"{(index > 0).sum()} positives: the {kept} dearest background anchors count, the rest do not", fontsize=9
    )
    axes.spines[["top", "right"]].set_visible(False)
    return drawn


def decoding_picture() -> Figure:
    """Boxes above a score of 0.5 before and after suppression."""
    logits, offsets = said()
    scores = tf.nn.softmax(logits).numpy()
    found = detect(scores, offsets, ANCHORS, variances=CONFIG.variances, score=0.5, nms_iou=0.45)
    sure = scores[:, 1:].max(axis=1) > 0.5
    drawn, axes = figure(3, 9, 3.3)
    scene(axes[0], f"{sure.sum()} anchors with a score above 0.5")
    boxes(axes[0], CORNERS[sure], GREY, 0.8)
    scene(axes[1], "moved and resized by their offsets")
    boxes(axes[1], decode_boxes(offsets[sure], ANCHORS[sure], CONFIG.variances), BLUE, 0.8)
    scene(axes[2], f"{len(found)} left after suppression")
    boxes(axes[2], found[:, 2:], GREEN, 1.8)
    return drawn


PICTURES = {
    "ssd-anchors.png": anchors_picture,
    "ssd-matching.png": matching_picture,
    "ssd-mining.png": mining_picture,
    "ssd-decoding.png": decoding_picture,
}


def main(folder: Path) -> None:
    for name, draw in PICTURES.items():
        draw().savefig(folder / name, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
