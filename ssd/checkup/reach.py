"""Do anchors reach the boxes: of each class, and on maps whose features a pretrained backbone knows?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd.coverage import REACHED, Coverage, best_ious
from ssd.detector import map_sizes
from ssd.examples import Example
from ssd.presets import MOBILENET_V2_SSD_300_FINE as WITHOUT_EXTRAS
from ssd.run import Run
from ssdprep.record import Finding, Severity
from ssdprep.wording import counted, quoted

FEW_REACHED, EXTRA_MAPS = "DOC013", "DOC014"
RECALL = 0.9  # of a class's boxes that some anchor should overlap by 0.5 or more
MOSTLY = 0.5  # of all boxes; where the extra maps alone reach more of them, that is told


@dataclass(frozen=True)
class ClassReach:
    """The boxes of one class in train, as the network sees them: their sizes in its pixels, what anchors reach them."""

    name: str
    width: float  # median
    height: float
    smallest: float  # a twentieth has a smaller side than this
    coverage: Coverage

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        sizes = {"median_width": self.width, "median_height": self.height, "smallest_side": self.smallest}
        return {"name": self.name, **sizes, **self.coverage.to_dict()}


@dataclass(frozen=True)
class Unreached:
    """A box that no anchor overlaps by 0.5: where it is, how large at the network's input, its best IoU."""

    photo: str
    label: str
    width: float
    height: float
    best_iou: float


def reach_of(run: Run, training: Sequence[Example]) -> tuple[tuple[ClassReach, ...], tuple[Unreached, ...]]:
    """How each class of train stands to the anchors, and the boxes that none reaches, worst first."""
    boxes = np.concatenate([example.boxes for example in training]).astype(np.float64)
    ids = np.concatenate([example.ids for example in training])
    photos = [example.source for example in training for _ in example.ids]
    best = best_ious(boxes, run.anchors)
    sides = (boxes[:, 2:] - boxes[:, :2]) * run.config.image_size[::-1]
    reach = tuple(
        ClassReach(name, *np.median(sides[mine], axis=0).tolist(), float(np.quantile(sides[mine].min(axis=1), 0.05)),
                   Coverage.of(best[mine]))
        for i, name in enumerate(run.labels.names, start=1)
        for mine in [ids == i]
        if mine.any()
    )  # fmt: skip
    rows = [int(row) for row in np.argsort(best, kind="stable") if best[row] < REACHED]
    return reach, tuple(
        Unreached(photos[row], run.labels.name_of(int(ids[row])), *sides[row].tolist(), float(best[row]))
        for row in rows
    )


def reach_findings(
    reach: Sequence[ClassReach], unreached: Sequence[Unreached], data: Path, preset_name: str
) -> Iterator[Finding]:
    """Classes of which many boxes have no anchor near them."""
    for each in reach:
        if each.coverage.recall >= RECALL:
            continue
        far = [box for box in unreached if box.label == each.name]
        sizes = ", ".join(dict.fromkeys(f"{box.width:.0f}x{box.height:.0f}" for box in far[:3]))
        message = (
            f"anchors reach {each.coverage.recall:.0%} of {counted(each.coverage.boxes, 'box')} of {each.name!r}, "
            f"least those of {sizes} pixels at the input"
        )
        fitting = f"python -m ssd.fit_anchors {quoted(data)} --preset {quoted(Path(preset_name))}"
        remedy = f"{fitting}; where they are too small, a preset of larger input"
        yield Finding(FEW_REACHED, Severity.WARNING, data, 0, message, remedy)


def extra_maps_findings(
    run: Run, pretrained: Sequence[str], training: Sequence[Example], unreached: Sequence[Unreached], data: Path
) -> Iterator[Finding]:
    """Boxes so large that only the extra maps have anchors for them, and these come without weights.

    pretrained: layers that came with weights. Nothing is said where the preset that would help cannot take them, or
    the extra maps have some.
    """
    takes_them = (run.config.backbone, run.config.alpha) == (WITHOUT_EXTRAS.backbone, WITHOUT_EXTRAS.alpha)
    if not pretrained or not takes_them or any(name.startswith("extra_") for name in pretrained):
        return
    sizes = list(zip(map_sizes(run.model, run.config), run.config.boxes_per_cell, strict=True))
    own = sum(rows * columns * boxes for (rows, columns), boxes in sizes[: len(run.config.sources)])
    boxes = np.concatenate([example.boxes for example in training])
    by_backbone = int((best_ious(boxes, run.anchors[:own]) >= REACHED).sum())
    by_extras = len(boxes) - len(unreached) - by_backbone
    if by_extras > MOSTLY * len(boxes):
        message = (
            f"{by_extras / len(boxes):.0%} of {counted(len(boxes), 'box')} are so large that only the extra maps reach "
            "them, which come without weights"
        )
        remedy = f"with a few hundred photos or fewer: --preset {WITHOUT_EXTRAS.name}, which has no extra maps"
        yield Finding(EXTRA_MAPS, Severity.INFO, data, 0, message, remedy)
