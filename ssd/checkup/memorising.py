"""Can the detector learn eight photos by heart? Fixed, without augmentation: what fails here fails everywhere.

Data, labels, anchors, loss, optimizer, decoding and evaluation all take part. A detector that cannot find again what it
has seen dozens of times is broken somewhere, and no longer training will mend it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ssd.augmentation import Augmentation
from ssd.coverage import best_ious
from ssd.detector import backbone_layers
from ssd.evaluation.measuring import evaluate
from ssd.examples import Example
from ssd.pipeline import faults_named, training_batches
from ssd.run import Run
from ssd.training.learner import Learner
from ssd.training.stages import ALL, Recipe, freeze
from ssdprep.record import Finding, Severity, Track, untracked

NOT_LEARNT = "DOC012"

PHOTOS = 8
TARGET = 0.95  # AP50
STEPS, AT_ONCE = 400, 40  # at most; between two evaluations
RATE = 5e-4
UNCHANGED = Augmentation(zoom_out=0.0, crop=0.0, flip_h=0.0, photometric=0.0)
CONTRADICTORY = 0.9  # IoU of two boxes of different classes
REACHED = 0.3  # IoU with the best anchor, below which a box is hardly learnt


@dataclass(frozen=True)
class Memorised:
    """How far it came, after how many steps; ``cause``: of failure, "" where it did not fail."""

    photos: int
    boxes: int
    steps: int
    AP50: float
    loss: float
    per_class: dict[str, float]  # AP50, of the classes on these photos
    cause: str = ""

    @property
    def passed(self) -> bool:
        """Whether the photos were learnt."""
        return self.AP50 >= TARGET

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; a loss that is no number is null."""
        return {**asdict(self), "loss": self.loss if math.isfinite(self.loss) else None, "passed": self.passed}


def memorise(
    run: Run,
    training: Sequence[Example],
    pretrained: Sequence[str],
    *,
    seed: int,
    steps: int = STEPS,
    track: Track = untracked,
) -> Memorised:
    """Train a run, in place, on eight photos until it finds all that is on them, or for so many steps."""
    few = chosen(training)
    known = sorted(backbone_layers(run.model) & set(pretrained))
    freeze(run.model, ALL, known, Recipe())
    learner = Learner(run.model)
    learner.compile(optimizer=keras.optimizers.Adam(RATE, global_clipnorm=10.0), jit_compile=False)
    batches = iter(training_batches(few, run.config, run.anchors, batch=PHOTOS, seed=seed, how=UNCHANGED))
    taken, scores, loss = 0, None, float("nan")
    for taken in track(range(1, steps + 1), "Learning 8 photos", steps):
        with faults_named():
            loss = float(learner.train_on_batch(*next(batches), return_dict=True)["loss"])
        if not math.isfinite(loss):
            break
        if taken % AT_ONCE == 0 or taken == steps:
            scores, _ = evaluate(run, few)
            if scores.AP50 >= TARGET:
                break
    per_class = {c.name: c.AP50 for c in scores.per_class if c.boxes} if scores else {}
    reached = scores.AP50 if scores else 0.0
    boxes = sum(len(example.ids) for example in few)
    result = Memorised(len(few), boxes, taken, reached, loss, per_class)
    return result if result.passed else Memorised(**{**vars(result), "cause": likely_cause(run, few, result, known)})


def chosen(training: Sequence[Example]) -> list[Example]:
    """Eight photos with boxes, on which every class is that they have room for; those with few boxes first."""
    ranked = sorted((e for e in training if len(e.ids)), key=lambda e: (len(e.ids), e.source))
    missing = {i for e in ranked for i in e.ids.tolist()}
    few: list[Example] = []
    for example in ranked:
        if missing & set(example.ids.tolist()) and len(few) < PHOTOS:
            few.append(example)
            missing -= set(example.ids.tolist())
    names = {example.source for example in few}
    return few + [e for e in ranked if e.source not in names][: PHOTOS - len(few)]


def memory_findings(found: Memorised | None, data: Path) -> Iterator[Finding]:
    """What is said where the photos were not learnt."""
    if found is None or found.passed:
        return
    message = (
        f"after {found.steps} steps on {found.photos} photos, their boxes are found with AP50 {found.AP50:.2f}, "
        f"not {TARGET}"
    )
    yield Finding(NOT_LEARNT, Severity.ERROR, data, 0, message, found.cause)


def likely_cause(run: Run, few: Sequence[Example], found: Memorised, pretrained: Sequence[str]) -> str:
    """What most likely keeps it from learning, and the cure."""
    boxes = np.concatenate([example.boxes for example in few])
    reach = best_ious(boxes, run.anchors)
    if not math.isfinite(found.loss):
        return "the loss is no number: ssdprep audit finds boxes without area; else try other --weights"
    if twice := _contradictions(few):
        return f"the same thing has two labels on {', '.join(twice)}: keep the right one"
    if (reach < REACHED).mean() > 1 - TARGET:
        return "no anchor is near these boxes: python -m ssd.fit_anchors, or a preset with a larger input"
    worst = min(found.per_class, key=lambda name: found.per_class[name], default="")
    if found.per_class and found.per_class[worst] < 0.5 < max(found.per_class.values()):
        return f"class {worst!r} is what is not found: look at its boxes with ssdprep preview"
    if not pretrained:
        return "random weights learn slowly: give --weights; if it fails with those too, look at the boxes"
    return "boxes that are not on their objects look like this: ssdprep preview shows them"


def _contradictions(few: Sequence[Example]) -> list[str]:
    """Photos on which two boxes of different classes are the same."""
    from ssdprep.boxes import iou

    return [
        Path(example.source).name
        for example in few
        if ((iou(example.boxes, example.boxes) >= CONTRADICTORY) & (example.ids[:, None] != example.ids)).any()
    ]
