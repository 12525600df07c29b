"""What the command `doctor` does: everything that the network will really see, looked at before it is trained.

Each check is a room of its own beside this one, and `ssd.coverage`. Here they are called in turn, and their findings
gathered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ssd.augmentation import Augmentation
from ssd.checkup.batch_sheet import write_batch_sheet
from ssd.checkup.box_evidence import BoxEvidence, box_evidence, evidence_findings
from ssd.checkup.census import Part, census, census_findings, parts_of
from ssd.checkup.colour_order import ColourOrder, colour_findings, colour_orders
from ssd.checkup.first_steps import FirstSteps, first_findings, first_steps
from ssd.checkup.label_doubts import LabelLooks, label_findings, label_looks
from ssd.checkup.memorising import Memorised, memorise, memory_findings
from ssd.coverage import REACHED, Coverage, best_ious
from ssd.data import open_source, readable
from ssd.examples import Example
from ssd.presets import preset
from ssd.run import Run
from ssd.trainer import start_from
from ssdprep.record import Finding, Report, Severity, SsdprepError, Track, merged, untracked
from ssdprep.sheet_files import check_place
from ssdprep.wording import counted, quoted

FEW_REACHED = "DOC013"
RECALL = 0.9  # of a class's boxes that some anchor should overlap by 0.5 or more


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


@dataclass(frozen=True)
class Checkup(Report):
    """What a detector would see of a data set. None stands where a check was left out or could not be made."""

    data: Path
    preset_name: str
    image_size: tuple[int, int]
    weights: str
    pretrained: int  # layers that came with weights
    classes: tuple[str, ...]
    parts: tuple[Part, ...]
    reach: tuple[ClassReach, ...]
    unreached: tuple[Unreached, ...]  # worst first
    evidence: BoxEvidence | None
    colours: tuple[ColourOrder, ...]
    looks: LabelLooks | None
    steps: FirstSteps
    sheet: Path
    memorised: Memorised | None
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "data": str(self.data),
            "preset": self.preset_name,
            "input": list(self.image_size),
            "weights": self.weights,
            "pretrained_layers": self.pretrained,
            "label_map": {name: i for i, name in enumerate(self.classes, start=1)},
            "parts": {part.name: part.to_dict() for part in self.parts},
            "reach": [each.to_dict() for each in self.reach],
            "unreached": [vars(each) for each in self.unreached],
            "boxes_on_objects": self.evidence.to_dict() if self.evidence else None,
            "colours": {order.part: order.to_dict() for order in self.colours},
            "labels": self.looks.to_dict() if self.looks else None,
            "first_steps": self.steps.to_dict(),
            "sheet": str(self.sheet),
            "memorised": self.memorised.to_dict() if self.memorised else None,
        }


def check_folder(
    data: Path,
    out: Path | None = None,
    *,
    preset_name: str = "mobilenet_v2_ssd_224",
    weights: str = "imagenet",
    seed: int = 0,
    quick: bool = False,
    track: Track = untracked,
) -> Checkup:
    """Look at a data set as a detector would be trained on it; leave ``batch.png`` in ``out``.

    weights: as `ssd.trainer.train_folder` takes them. quick: leave the test on eight photos out. out: by default
    ``runs/doctor-NAME``. Nothing that is trained is kept; test photos are counted and looked at, but judge no detector.
    `SsdprepError` where nothing can be looked at.
    """
    sheet = (out or Path("runs") / f"doctor-{data.resolve().name}") / "batch.png"
    check_place(sheet, [data])
    keras.utils.set_random_seed(seed)
    source = open_source(data, track=track)
    read = {name: readable(examples, track=track) for name, examples in parts_of(source, seed).items()}
    parts = {name: examples for name, (examples, _) in read.items()}
    training, classes = parts["train"], source.labels.names
    if not any(len(example.ids) for example in training):
        raise SsdprepError(f"no photo of the train part of {data} has a box", source.shared_out_anew)
    run = Run.new(preset(preset_name), source.labels)
    pretrained = start_from(run, weights)
    counts = census(parts, classes)
    reach, unreached = _reach(run, training)
    evidence = box_evidence([e for examples in parts.values() for e in examples], track=track)
    colours = colour_orders(run.model, pretrained, parts)
    looks = label_looks(run.model, run.config, pretrained, parts, classes, track=track)
    steps, drawn = first_steps(run, training, Augmentation(), seed=seed, track=track)
    sheet.parent.mkdir(parents=True, exist_ok=True)
    write_batch_sheet(sheet, run, drawn, [data])
    memorised = None if quick else memorise(run, training, pretrained, seed=seed, track=track)
    odd = {order.part for order in colours if order.is_exchanged}
    miscoloured = {example.source for part in odd for example in parts[part]}  # their labels look wrong, and are not
    found = (
        *census_findings(counts, data, source.shared_out_anew),
        *evidence_findings(evidence, data),
        *colour_findings(colours, data),
        *(each for each in label_findings(looks, data) if str(each.path) not in miscoloured),
        *_reach_findings(reach, unreached, data, preset_name),
        *first_findings(steps, counts[0].boxes, data, weights),
        *memory_findings(memorised, data),
    )
    return Checkup(
        data, preset_name, run.config.image_size, weights, len(pretrained), classes, counts, reach, unreached, evidence,
        colours, looks, steps, sheet, memorised,
        (*merged(source.findings, *(bad for _, bad in read.values())), *found),
    )  # fmt: skip


def _reach(run: Run, training: Sequence[Example]) -> tuple[tuple[ClassReach, ...], tuple[Unreached, ...]]:
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


def _reach_findings(
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
