"""The verb audit: what is in a data set, and everything that is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssdprep.orient import to_upright
from ssdprep.record import Dataset, Finding, Record, Report, Severity, Track, untracked
from ssdprep.scan import scan_folder
from ssdprep.wording import counted, quoted

IMBALANCE, FEW, UNTRAINED, NO_BOXES, TAGGED = "AUD001", "AUD002", "AUD003", "AUD004", "ORI010"

_UNEVEN = 3.0  # boxes of the most frequent class for one of the rarest
_FEW = 10  # boxes; a class with fewer is memorised, not learnt


@dataclass(frozen=True, slots=True)
class ClassStats:
    """One class. Medians are in pixels of the upright photo; None where the frame of none of its boxes is known."""

    boxes: int
    images: int
    share: float  # of all boxes
    median_width: float | None
    median_height: float | None
    median_aspect: float | None  # width / height


@dataclass(frozen=True)
class Audit(Report):
    """What is in a data set."""

    root: Path
    images: int  # photos, labelled or not, those left out too
    negatives: int  # photos that were labelled and show nothing
    unlabelled: int  # photos without annotation
    left_out: int  # photos whose labels cannot be trusted; a finding says why
    without_photo: int  # annotations of which there is no photo; their boxes count
    boxes: int
    imbalance: float | None  # boxes of the most frequent class / boxes of the rarest; None without boxes
    classes: dict[str, ClassStats] = field(default_factory=dict)  # the most frequent first
    splits: dict[str, int] = field(default_factory=dict)  # photos in each list of ImageSets/Main
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "images": self.images,
            "negatives": self.negatives,
            "unlabelled": self.unlabelled,
            "left_out": self.left_out,
            "without_photo": self.without_photo,
            "boxes": self.boxes,
            "imbalance": self.imbalance,
            "classes": {name: asdict(stats) for name, stats in self.classes.items()},
            "splits": self.splits,
        }


def audit_folder(data: Path | str, *, track: Track = untracked) -> Audit:
    """Count images, boxes and classes below a folder, and gather every finding. Changes nothing, decodes no pixels.

    `SsdprepError` where the folder cannot be read, or holds neither photos nor XML.
    """
    return audit(scan_folder(Path(data), track=track))


def audit(dataset: Dataset) -> Audit:
    """`audit_folder` for a data set as `scan.scan_folder` returns it."""
    upright = to_upright(dataset)
    photos = [record for record in dataset.records if record.image is not None]
    classes = _class_stats(dataset.records, upright.records)
    counts = [stats.boxes for stats in classes.values()]
    return Audit(
        root=dataset.root,
        images=len(photos) + len(dataset.left_out),
        negatives=sum(record.annotation is not None and not record.objects for record in photos),
        unlabelled=sum(record.annotation is None for record in photos),
        left_out=len(dataset.left_out),
        without_photo=len(dataset.records) - len(photos),
        boxes=sum(counts),
        imbalance=round(max(counts) / min(counts), 3) if counts else None,
        classes=classes,
        splits={name: len(records) for name, records in dataset.splits.items()},
        findings=(*upright.findings, *_set_findings(dataset, classes)),
    )


def _class_stats(records: Iterable[Record], upright: Iterable[Record]) -> dict[str, ClassStats]:
    """Counts over all records; medians over those whose boxes are known to be upright."""
    boxes: Counter[str] = Counter()
    images: Counter[str] = Counter()
    for record in records:
        names = [thing.name for thing in record.objects]
        boxes.update(names)
        images.update(set(names))
    sides: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for record in upright:
        for thing in record.objects:
            sides[thing.name].append((thing.box.xmax - thing.box.xmin, thing.box.ymax - thing.box.ymin))
    total = boxes.total()
    order = sorted(boxes, key=lambda name: (-boxes[name], name))
    return {
        name: ClassStats(boxes[name], images[name], round(boxes[name] / total, 4), *_medians(sides[name]))
        for name in order
    }


def _medians(sides: list[tuple[float, float]]) -> tuple[float | None, float | None, float | None]:
    """Median width, height and aspect."""
    if not sides:
        return None, None, None
    array = np.array(sides)
    width, height = np.median(array, axis=0)
    return round(float(width), 1), round(float(height), 1), round(float(np.median(array[:, 0] / array[:, 1])), 3)


def _set_findings(dataset: Dataset, classes: Mapping[str, ClassStats]) -> Iterator[Finding]:
    """What is wrong with the set as a whole."""
    root = dataset.root
    yield from _tagged(dataset)
    labelled = sum(record.annotation is not None for record in dataset.records)
    if labelled and not classes:
        message = f"{counted(labelled, 'annotation')} and not one box: there is nothing to learn"
        yield Finding(NO_BOXES, Severity.ERROR, root, 0, message, "draw boxes in LabelImg, and save")
    if len(classes) > 1:
        often, rare = next(iter(classes)), list(classes)[-1]
        ratio = classes[often].boxes / classes[rare].boxes
        if ratio > _UNEVEN:
            message = f"{ratio:.1f} boxes of {often!r} for one of {rare!r}: the detector will see {often!r} everywhere"
            remedy = f"label more of {rare!r}, or augment the photos that hold it"
            yield Finding(IMBALANCE, Severity.WARNING, root, 0, message, remedy)
    for name, stats in classes.items():
        if stats.boxes < _FEW:
            message = f"class {name!r} has {counted(stats.boxes, 'box')}: too few to be learnt"
            yield Finding(FEW, Severity.WARNING, root, 0, message, "label more of it, or leave the class out")
    yield from _untrained(dataset)


def _tagged(dataset: Dataset) -> Iterator[Finding]:
    count = sum(2 <= record.orientation <= 8 for record in dataset.records)
    if count:
        message = (
            f"{count} {'photo is' if count == 1 else 'photos are'} turned by an EXIF tag only: many readers ignore it"
        )
        remedy = f"ssdprep fix-exif {quoted(dataset.root)}"
        yield Finding(TAGGED, Severity.WARNING, dataset.root, 0, message, remedy)


def _untrained(dataset: Dataset) -> Iterator[Finding]:
    """Classes that are tested but not trained."""
    parts = {
        name: {thing.name for record in records for thing in record.objects} for name, records in dataset.splits.items()
    }
    if "train" not in parts:
        return
    for part in ("val", "test"):
        for name in sorted(parts.get(part, set()) - parts["train"]):
            message = f"class {name!r} is in {part}, but not in train"
            remedy = f"ssdprep split {quoted(dataset.root)} --force"
            yield Finding(UNTRAINED, Severity.WARNING, dataset.root, 0, message, remedy)
