"""Do the boxes lie on something? What is in a box differs from what is around it, if it lies where its object is.

For each box the contrast between its inside and a ring around it is measured, in colours and in edges: where the label
has it, moved by up to 0.4 of its sides or by as much in all photos alike, and mirrored or turned with the photo. Where
one and the same change raises the contrast over the whole data set, the boxes were drawn in another frame. No network
takes part: one trained on shifted boxes would find them right. docs/doctor.md has the rates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd.examples import Example, evenly
from ssd.pipeline import read, to_input
from ssdprep.record import Finding, Severity, Track, untracked
from ssdprep.wording import quoted

SHIFTED, TURNED = "DOC004", "DOC005"

Floats = NDArray[np.float64]

PHOTOS, BOXES = 200, 4  # looked at: photos, and boxes of each
FEWEST = 12  # photos with boxes
SIDE = 160  # pixels; photos are stretched to a square of it
RING = 1.5  # sides of a box with its ring over those of the box
STEPS = np.arange(-4, 5) * 0.1
VISIBLE = 0.5  # share of a moved box that must lie on the photo
GAIN = 0.3  # standard deviations of a box's own contrasts
CERTAIN = 2.5  # standard errors over the photos

# How the eight orientations of a photo move its points, as (x from, y from): 0 x, 1 y, 2 1 - x, 3 1 - y.
_FRAMES = {
    "mirrored left to right": (2, 1),
    "mirrored top to bottom": (0, 3),
    "turned by 180 degrees": (2, 3),
    "mirrored with x and y exchanged": (1, 0),
    "turned by 90 degrees": (3, 0),
    "turned by 270 degrees": (1, 2),
    "mirrored and turned, with x and y exchanged": (3, 2),
}


@dataclass(frozen=True)
class BoxEvidence:
    """The change of all boxes that would raise their contrast most, and by how much.

    gain: in standard deviations of a box's contrasts; certainty: in standard errors over the photos.
    """

    photos: int
    boxes: int
    change: str  # "moved", "moved by pixels", or a name of a frame; "": none is better than where they are
    dx: float = 0.0  # to the right, in box widths; or as a share of the photo's width
    dy: float = 0.0
    gain: float = 0.0
    certainty: float = 0.0

    @property
    def is_off(self) -> bool:
        """Whether the boxes lie elsewhere than their objects."""
        return bool(self.change) and self.gain >= GAIN and self.certainty >= CERTAIN

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {name: getattr(self, name) for name in (*self.__dataclass_fields__, "is_off")}


def box_evidence(examples: Sequence[Example], *, track: Track = untracked) -> BoxEvidence | None:
    """What the photos say about the boxes on them; None where there are fewer than 12 photos with boxes."""
    labelled = [example for example in examples if len(example.ids)]
    chosen = evenly(labelled, PHOTOS)
    if len(chosen) < FEWEST:
        return None
    boxes = [evenly(example.boxes, BOXES).astype(np.float64) for example in chosen]
    unit = float(np.median(np.concatenate(boxes)[:, 2:] - np.concatenate(boxes)[:, :2]))
    seen = track(zip(chosen, boxes, strict=True), "Looking at boxes", len(chosen))
    scores = np.array([_scores(example, few, unit) for example, few in seen])
    return _judged(scores, sum(map(len, boxes)), unit)


def evidence_findings(evidence: BoxEvidence | None, data: Path) -> Iterator[Finding]:
    """What is said where boxes lie elsewhere."""
    if evidence is None or not evidence.is_off:
        return
    if evidence.change in _FRAMES:
        message = (
            f"the boxes fit the photos better {evidence.change}: they were drawn in another frame, or photos were "
            "turned or mirrored without them"
        )
        remedy = (
            f"ssdprep fix-exif {quoted(data)}, then ssdprep preview {quoted(data)}; or turn photos and boxes together"
        )
        yield Finding(TURNED, Severity.ERROR, data, 0, message, remedy)
        return
    across = f"{abs(evidence.dx):.0%} too far {'left' if evidence.dx > 0 else 'right'}"
    along = f"{abs(evidence.dy):.0%} too far {'up' if evidence.dy > 0 else 'down'}"
    where = " and ".join(text for text, by in ((across, evidence.dx), (along, evidence.dy)) if abs(by) > 1e-6)
    of = "the photo's sides, in all photos alike" if evidence.change == "moved by pixels" else "their own sides"
    message = f"the boxes look shifted: about {where}, as a share of {of}"
    remedy = f"look: ssdprep preview {quoted(data)}; then move them back where they were made: export, crop, or resize"
    yield Finding(SHIFTED, Severity.ERROR, data, 0, message, remedy)


def _scores(example: Example, boxes: Floats, unit: float) -> Floats:
    """Mean standardised contrast of a photo's boxes at each candidate: (candidates,), the labels' own place first."""
    pixels = np.clip(to_input(read(example), (SIDE, SIDE)).numpy(), 0, 255)
    candidates = _candidates(boxes, unit)
    total = np.zeros(candidates.shape[:2])
    for contrast in (_colour_contrast(pixels, candidates), _edge_contrast(pixels, candidates)):
        spread = contrast.std(axis=1, keepdims=True) + 1e-9
        total += (contrast - contrast.mean(axis=1, keepdims=True)) / spread
    total[_visible(candidates) < VISIBLE] = 0.0  # nothing can be said
    scores: Floats = total.mean(axis=0)
    return scores


def _candidates(boxes: Floats, unit: float) -> Floats:
    """Where each box might be: (N, candidates, 4): as it is, moved by its sides, moved by ``unit``, in other frames."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moves = np.tile(_moves(), 2)
    points = np.stack([boxes[:, [0, 2]], boxes[:, [1, 3]], 1 - boxes[:, [2, 0]], 1 - boxes[:, [3, 1]]], axis=1)
    framed = [np.stack([points[:, x], points[:, y]], axis=2).reshape(-1, 4) for x, y in _FRAMES.values()]
    return np.concatenate(
        [
            boxes[:, None],
            boxes[:, None] + moves * sides[:, None],
            boxes[:, None] + moves * unit,
            np.stack(framed, axis=1),
        ],
        axis=1,
    )


def _moves() -> Floats:
    """All steps but none at all: (80, 2), x and y."""
    every = np.stack(np.meshgrid(STEPS, STEPS), axis=-1).reshape(-1, 2)
    return every[np.abs(every).max(axis=1) > 1e-6]


def _visible(boxes: Floats) -> Floats:
    """The share of each box that lies on the photo."""
    inside = np.clip(boxes, 0, 1)
    share: Floats = (inside[..., 2:] - inside[..., :2]).prod(-1) / (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    return share


def _colour_contrast(pixels: Floats, boxes: Floats) -> Floats:
    """The chi-square distance between the colours inside of each box and around it, in 64 bins."""
    level = (pixels // 64).astype(np.int64)
    bins = np.eye(64, dtype=np.float32)[level[..., 0] * 16 + level[..., 1] * 4 + level[..., 2]]
    inside, around = _inside_and_around(bins, boxes)
    distance: Floats = ((inside - around) ** 2 / (inside + around + 1e-6)).sum(-1)
    return distance


def _edge_contrast(pixels: Floats, boxes: Floats) -> Floats:
    """The logarithm of how much stronger gradients are inside of each box than around it."""
    down, across = np.gradient(pixels.mean(axis=2, dtype=np.float64))
    inside, around = _inside_and_around(np.hypot(across, down)[..., None], boxes)
    ratio: Floats = np.log((inside[..., 0] + 1) / (around[..., 0] + 1))
    return ratio


def _inside_and_around(values: NDArray[Any], boxes: Floats) -> tuple[Floats, Floats]:
    """Means of a picture's values (H, W, C) inside of boxes (..., 4) and in the rings around them: (..., C) each."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1, values.shape[2]), values.dtype)
    table[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    middle, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2 * RING
    inner, inner_area = _sums(table, boxes)
    outer, outer_area = _sums(table, np.concatenate([middle - half, middle + half], axis=-1))
    return inner / inner_area, (outer - inner) / np.maximum(outer_area - inner_area, 1.0)


def _sums(table: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """Sums over whole pixels and their number, from an integral image (Viola and Jones 2001)."""
    size = np.array([table.shape[1] - 1, table.shape[0] - 1] * 2)
    x0, y0, x1, y1 = np.moveaxis(np.clip(np.round(boxes * size), 0, size).astype(np.int64), -1, 0)
    sums = table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]
    return sums, np.maximum((x1 - x0) * (y1 - y0), 1)[..., None]


def _judged(scores: Floats, boxes: int, unit: float) -> BoxEvidence:
    """The best candidate over all photos: scores (photos, candidates)."""
    gains = scores - scores[:, :1]
    best = int(gains.mean(axis=0).argmax())
    mean, error = gains[:, best].mean(), gains[:, best].std(ddof=1) / np.sqrt(len(gains))
    moves = _moves()
    found = {"gain": float(mean), "certainty": float(mean / max(error, 1e-9))}
    if best == 0:
        return BoxEvidence(len(scores), boxes, "")
    if best <= 2 * len(moves):
        own = best <= len(moves)
        dx, dy = moves[(best - 1) % len(moves)] * (1.0 if own else unit)
        return BoxEvidence(len(scores), boxes, "moved" if own else "moved by pixels", float(dx), float(dy), **found)
    return BoxEvidence(len(scores), boxes, list(_FRAMES)[best - 1 - 2 * len(moves)], **found)
