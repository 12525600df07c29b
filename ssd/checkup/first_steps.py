"""What the first steps of training will see: pictures as they are drawn, anchors that answer for objects, the loss.

The loss is measured on the very batches that training begins with, and beside it stands what a detector would lose
that says nothing, whose logits and offsets are 0: P positives and 3 P mined negatives cost ln(classes + 1) each, and
the sum is divided by P, which gives a class part of 4 ln(classes + 1); its box part is the smooth L1 of the targets.
Random heads lose more, since their logits are not 0, and mining picks the worst; ten times as much is a fault.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ssd.augmentation import Augmentation, augment_boxes
from ssd.examples import Example
from ssd.loss import multibox_loss
from ssd.pipeline import batch_examples, faults_named, training_batches
from ssd.run import Run
from ssdprep.record import Finding, Severity, Track, untracked
from ssdprep.wording import counted, quoted

LOSS_AT_START, NEVER_DRAWN, FEW_POSITIVES = "DOC009", "DOC010", "DOC011"

STEPS, BATCH = 8, 16
TOO_HIGH = 10.0  # times what a detector loses that says nothing
FEWEST = 1.5  # positives an object, below which it is learnt from little more than its own best anchor


class Drawn(NamedTuple):
    """One training picture: uint8 (h, w, 3), its objects (N, 4) in shares and ids (N,), its targets by anchor."""

    image: np.ndarray
    boxes: np.ndarray
    ids: np.ndarray
    class_index: np.ndarray
    source: str


@dataclass(frozen=True)
class FirstSteps:
    """Counts over the first pictures that training would draw, and the loss on them."""

    pictures: int
    without_objects: int
    objects: dict[str, int]  # by class, after augmentation
    positives: dict[str, int]  # anchors, by class
    fewest_positives: int  # of a picture with objects
    class_loss: float
    box_loss: float
    silent_class_loss: float  # of a detector whose outputs are 0
    silent_box_loss: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; a loss that is no number is null."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def first_steps(
    run: Run, training: Sequence[Example], how: Augmentation, *, seed: int, track: Track = untracked
) -> tuple[FirstSteps, list[Drawn]]:
    """What training would see first, and the pictures of its first step."""
    batches = training_batches(training, run.config, run.anchors, batch=BATCH, seed=seed, how=how)
    steps = max(2, min(STEPS, math.ceil(len(training) / BATCH)))
    losses, first = [], []
    objects: Counter[int] = Counter()
    positives: Counter[int] = Counter()
    counts = []
    with faults_named():
        for step, (images, (class_index, offsets)) in enumerate(track(batches.take(steps), "Drawing", steps)):
            drawn = list(_drawn(run, training, how, seed, step, images.numpy(), class_index.numpy()))
            first = first or drawn
            for picture in drawn:
                objects.update(picture.ids.tolist())
                held = picture.class_index[picture.class_index > 0]
                positives.update(held.tolist())
                counts.append((len(picture.ids), len(held)))
            losses.append(_losses(run, images, class_index, offsets))
    mean = np.mean(losses, axis=0).tolist()
    names = run.labels.names
    return FirstSteps(
        len(counts),
        sum(not n for n, _ in counts),
        {name: objects[i] for i, name in enumerate(names, start=1)},
        {name: positives[i] for i, name in enumerate(names, start=1)},
        min((held for n, held in counts if n), default=0),
        *mean,
    ), first


def first_findings(found: FirstSteps, labelled: dict[str, int], data: Path, weights: str) -> Iterator[Finding]:
    """What is said of the first steps. labelled: boxes of each class in train."""
    for name, boxes in labelled.items():
        drawn, held = found.objects[name], found.positives[name]
        if boxes and not drawn:
            message = f"class {name!r} is in none of the first {counted(found.pictures, 'picture')} that training draws"
            yield Finding(
                NEVER_DRAWN, Severity.WARNING, data, 0, message, "label more of it, or train with --balance 1"
            )
        elif drawn and held < FEWEST * drawn:
            message = f"an object of class {name!r} has {held / drawn:.1f} anchors that answer for it: too few to learn"
            remedy = f"python -m ssd.fit_anchors {quoted(data)}, or a preset with a larger input"
            yield Finding(FEW_POSITIVES, Severity.WARNING, data, 0, message, remedy)
    parts = {
        "class": (found.class_loss, found.silent_class_loss),
        "box": (found.box_loss, found.silent_box_loss),
    }
    for part, (loss, silent) in parts.items():
        if not math.isfinite(loss) or loss > TOO_HIGH * silent + 1:
            message = f"the {part} loss at the start is {loss:.3g}; a detector that says nothing has {silent:.3g}"
            remedy = (
                f"other weights than {weights}: these give features that explode; "
                "ssdprep audit finds boxes that no network can learn"
            )
            yield Finding(LOSS_AT_START, Severity.ERROR, data, 0, message, remedy)


def _drawn(
    run: Run,
    training: Sequence[Example],
    how: Augmentation,
    seed: int,
    step: int,
    images: np.ndarray,
    class_index: np.ndarray,
) -> Iterator[Drawn]:
    """The pictures of a step with the objects on them, which the batch itself no longer knows."""
    photos = batch_examples(training, step, batch=BATCH, seed=seed)
    for place, (example, image, indices) in enumerate(zip(photos, images, class_index, strict=True)):
        key = tf.constant([seed, step * BATCH + place], tf.int64)
        boxes, ids = augment_boxes(example.boxes, example.ids, key, run.config.image_size, how)
        pixels = np.clip(np.round(image), 0, 255).astype(np.uint8)
        yield Drawn(pixels, boxes.numpy(), ids.numpy(), indices, example.source)


def _losses(run: Run, images: tf.Tensor, class_index: tf.Tensor, offsets: tf.Tensor) -> tuple[float, ...]:
    """Class and box loss of the detector, and of one whose outputs are 0."""
    outputs = run.model(images, training=False)
    pairs = [(outputs["logits"], outputs["offsets"])]
    pairs.append(tuple(tf.zeros_like(each) for each in pairs[0]))
    return tuple(float(part) for pair in pairs for part in multibox_loss(*pair, class_index, offsets))
