"""What the command `doctor` does: everything that the network will really see, looked at before it is trained.

Each check is a room of its own beside this one. Here they are called in turn, and their findings gathered.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from ssd.augmentation import Augmentation
from ssd.checkup.batch_sheet import write_batch_sheet
from ssd.checkup.box_evidence import BoxEvidence, box_evidence, evidence_findings
from ssd.checkup.census import Part, census, census_findings, parts_of
from ssd.checkup.colour_order import ColourOrder, colour_findings, colour_orders
from ssd.checkup.first_steps import FirstSteps, first_findings, first_steps
from ssd.checkup.label_doubts import LabelLooks, label_findings, label_looks
from ssd.checkup.memorising import Memorised, memorise, memory_findings
from ssd.checkup.reach import ClassReach, Unreached, extra_maps_findings, reach_findings, reach_of
from ssd.data import open_source, readable
from ssd.presets import preset
from ssd.run import Run
from ssd.trainer import start_from
from ssdprep.record import Finding, Report, SsdprepError, Track, merged, untracked
from ssdprep.sheet_files import check_place


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
    folder = out or Path("runs") / f"doctor-{data.resolve().name}"
    sheet = folder / "batch.png"
    check_place(sheet, [data], named=folder)
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
    reach, unreached = reach_of(run, training)
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
        *reach_findings(reach, unreached, data, preset_name),
        *extra_maps_findings(run, pretrained, training, unreached, data),
        *first_findings(steps, counts[0].boxes, data, weights),
        *memory_findings(memorised, data),
    )
    return Checkup(
        data, preset_name, run.config.image_size, weights, len(pretrained), classes, counts, reach, unreached, evidence,
        colours, looks, steps, sheet, memorised,
        (*merged(source.findings, *(bad for _, bad in read.values())), *found),
    )  # fmt: skip
