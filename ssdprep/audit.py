"""The verb audit: what is in a data set, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ssdprep.likeness import verified_fingerprints
from ssdprep.look import boxes_to_see, look_findings
from ssdprep.orient import to_upright
from ssdprep.record import Dataset, Finding, Report, Severity, Size, Track, merged, untracked
from ssdprep.scan import scan_folder
from ssdprep.set_checks import FEW, IMBALANCE, NO_BOXES, TAGGED, TINY, UNTESTED, UNTRAINED, check_set
from ssdprep.statistics import Count, Looks, Quantiles, Statistics, class_counts, looks, statistics

__all__ = ["FEW", "IMBALANCE", "NO_BOXES", "TAGGED", "TINY", "UNTESTED", "UNTRAINED"]
__all__ += ["Audit", "ClassStats", "audit", "audit_folder"]

FailOn = Literal["error", "warning", "never"]
INPUT = Size(300, 300)  # the input of SSD300


@dataclass(frozen=True, slots=True)
class ClassStats:
    """One class. Medians are in pixels of the upright photo; None where the frame of none of its boxes is known.

    Boxes without width or height count in all but ``median_aspect``, which is None where no other is left.
    """

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
    statistics: Statistics = field(default_factory=lambda: Statistics(INPUT))
    looks: Looks | None = None  # of the photos; None where no pixel was read
    findings: tuple[Finding, ...] = ()
    page: Path | None = None  # the HTML page that was written
    fail_on: FailOn = "error"

    @property
    def exit_code(self) -> int:
        """1 where a finding is as grave as ``fail_on`` says."""
        grave = {"error": {Severity.ERROR}, "warning": {Severity.ERROR, Severity.WARNING}, "never": set[Severity]()}
        return int(any(finding.severity in grave[self.fail_on] for finding in self.findings))

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
            "statistics": self.statistics.to_dict(),
            "looks": asdict(self.looks) if self.looks else None,
            "page": str(self.page) if self.page else None,
        }


def audit_folder(
    data: Path | str,
    *,
    network_input: Size = INPUT,
    html: Path | None = None,
    fail_on: FailOn = "error",
    pixels: bool = True,
    jobs: int = 1,
    track: Track = untracked,
) -> Audit:
    """Count images, boxes and classes below a folder, and gather every finding. Changes nothing there.

    network_input: to which photos will be resized; says how large boxes will be. html: where to write it all as one
    page with charts and pictures. fail_on: what makes `Audit.exit_code` 1. pixels: whether to look at the photos for
    copies, for dark and blurred ones, for classes of many looks; jobs: worker processes for that, 0: one for each core.

    `SsdprepError` where the folder cannot be read, or holds neither photos nor XML, or ``html`` is no place for a page.
    """
    from ssdprep.page import GENERATOR, check_place, write_page

    if html is not None:
        check_place(Path(html), GENERATOR)
    dataset = scan_folder(Path(data), track=track)
    found = audit(dataset, network_input=network_input, pixels=pixels, jobs=jobs, track=track)
    report = replace(found, fail_on=fail_on, page=html)
    if html is not None:
        write_page(report, dataset, Path(html), track=track)
    return report


def audit(
    dataset: Dataset,
    *,
    network_input: Size = INPUT,
    pixels: bool = True,
    jobs: int = 1,
    track: Track = untracked,
) -> Audit:
    """`audit_folder` for a data set as `scan.scan_folder` returns it."""
    upright = to_upright(dataset)
    seen, damaged = verified_fingerprints(boxes_to_see(upright) if pixels else {}, jobs=jobs, track=track)
    photos = [record for record in dataset.records if record.image is not None]
    numbers = statistics(dataset.records, upright.records, dataset.splits, network_input)
    classes = _class_stats(class_counts(dataset.records), numbers.measures)
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
        statistics=numbers,
        looks=looks(list(seen.values())) if seen else None,
        findings=(
            *merged(upright.findings, damaged),
            *check_set(dataset, upright, numbers),
            *look_findings(upright, seen, track=track),
        ),
    )


def _class_stats(counts: Mapping[str, Count], measures: Mapping[str, Mapping[str, Quantiles]]) -> dict[str, ClassStats]:
    """Counts over all records; medians over those whose boxes are known to be upright."""
    total = sum(count.boxes for count in counts.values())

    def median(name: str, what: str, digits: int) -> float | None:
        found = measures.get(name, {}).get(what)
        return round(found["median"], digits) if found else None

    return {
        name: ClassStats(
            *count,
            round(count.boxes / total, 4),
            median(name, "width", 1),
            median(name, "height", 1),
            median(name, "aspect", 3),
        )
        for name, count in counts.items()
    }
