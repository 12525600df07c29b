"""How well a detector finds what is there: its detections on a set of examples, scored as COCO and VOC do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd.data import open_source, readable
from ssd.metrics import coco_average_precision, voc_average_precision
from ssd.pipeline import Example
from ssd.run import Run
from ssdprep.derived import merged
from ssdprep.record import Finding, Report, SsdprepError, Track, untracked


@dataclass(frozen=True)
class ClassScore:
    """One class: its boxes in the set, and how well they are found; nan where it has none."""

    name: str
    boxes: int
    AP50: float
    AP: float
    voc07: float


@dataclass(frozen=True)
class Evaluation(Report):
    """The figures of one evaluation: COCO's AP50 and AP, VOC 2007's 11-point mean at IoU 0.5."""

    source: str
    images: int
    AP50: float
    AP: float
    voc07: float
    per_class: tuple[ClassScore, ...]
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types; a figure that is not defined is null."""
        return {
            "data": self.source,
            "images": self.images,
            **_figures(self),
            "per_class": {c.name: {"boxes": c.boxes, **_figures(c)} for c in self.per_class},
        }


def evaluate_folder(run: Path, data: Path, split: str | None = None, *, track: Track = untracked) -> Evaluation:
    """Score the detector in a run folder on a data set; ``split`` None: test where there is one, else all of it.

    Raises `SsdprepError` where there is no run, no data, no such split, no box in
    it, or a class that the detector does not know.
    """
    detector = Run.load(run)
    source = open_source(data, detector.labels, track=track)
    name = split or ("test" if "test" in source.splits else "all")
    examples, bad = readable(source.split(name), track=track)
    described = f"{data}, {'all photos' if name == 'all' else f'split {name}'}"
    if not any(len(example.ids) for example in examples):
        raise SsdprepError(
            f"{described}: no photo has a box, so nothing can be measured",
            "photos with labelled objects, or another --split; ssd.predict shows what is found on any photo",
        )
    evaluation, _ = evaluate(detector, examples, track=track)
    return Evaluation(**{**vars(evaluation), "source": described, "findings": merged(source.findings, bad)})


def evaluate(run: Run, examples: Sequence[Example], *, track: Track = untracked) -> tuple[Evaluation, list[np.ndarray]]:
    """Score a run on labelled photos; what it found, (M, 6) for each photo as `Run.detect` yields it, comes beside."""
    found = list(run.detect(examples, track=track))
    return score(examples, found, run.labels.names), found


def score(examples: Sequence[Example], found: Sequence[np.ndarray], names: Sequence[str]) -> Evaluation:
    """The figures of detections, in pixels of the upright photos.

    VOC leaves objects marked difficult out of the count; COCO knows no such mark and counts them.
    """
    truth = [np.concatenate([e.ids[:, None], _pixels(e)], axis=1) for e in examples]
    coco = coco_average_precision(truth, found, len(names))
    voc = voc_average_precision(truth, found, len(names), difficult=[e.difficult for e in examples])
    boxes = np.bincount(np.concatenate([e.ids for e in examples]), minlength=len(names) + 1)
    per_class = tuple(
        ClassScore(name, int(boxes[i]), float(coco.per_class.AP50[i - 1]), float(coco.per_class.AP[i - 1]), float(v))
        for i, (name, v) in enumerate(zip(names, voc.per_class, strict=True), start=1)
    )
    return Evaluation("", len(examples), float(coco.AP50), float(coco.AP), float(voc.mean), per_class)


def _pixels(example: Example) -> np.ndarray:
    height, width = example.size
    return example.boxes.astype(np.float64) * [width, height, width, height]


def _figures(scores: Evaluation | ClassScore) -> dict[str, float | None]:
    values = {key: getattr(scores, key) for key in ("AP50", "AP", "voc07")}
    return {key: None if math.isnan(value) else value for key, value in values.items()}
