"""What is wrong with a data set as a whole: its balance, its lists, boxes that the network will hardly see."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ssdprep.labels import is_reserved, slips
from ssdprep.provenance import provenance_and_faults
from ssdprep.record import Dataset, Finding, Record, Severity
from ssdprep.statistics import Count, Statistics, class_counts
from ssdprep.wording import counted, quoted

IMBALANCE, FEW, UNTRAINED, NO_BOXES = "AUD001", "AUD002", "AUD003", "AUD004"
TINY, UNTESTED, BACKGROUND, UNLISTED, SLIP, TAGGED = "AUD005", "AUD006", "AUD007", "AUD008", "AUD009", "ORI010"

_UNEVEN = 3.0  # boxes of the most frequent class for one of the rarest
_FEW = 10  # boxes; a class with fewer is memorised, not learnt
_TINY = 8  # pixels at the network's input: a cell of the finest map of features that SSD looks at
_MANY = 0.1  # of the boxes of a class
_NAMED = 5  # photos in one message


def check_set(dataset: Dataset, upright: Dataset, statistics: Statistics) -> Iterator[Finding]:
    """The findings of the whole set, as it was scanned; their path is its folder, of a slip the first place.

    upright: as `orient.to_upright` makes it, without records whose frame is unknown.
    """
    root = dataset.root
    classes = class_counts(dataset.records)
    yield from _tagged(dataset)
    labelled = sum(record.annotation is not None for record in dataset.records)
    if labelled and not classes:
        message = f"{counted(labelled, 'annotation')} and not one box: there is nothing to learn"
        yield Finding(NO_BOXES, Severity.ERROR, root, 0, message, "draw boxes in LabelImg, and save")
    meant = slips({name: count.boxes for name, count in classes.items()})
    yield from _slips(dataset, classes, meant)
    named = [name for name in classes if name not in meant]
    if len(named) > 1:
        often, rare = named[0], named[-1]
        ratio = classes[often].boxes / classes[rare].boxes
        if ratio > _UNEVEN:
            message = f"{ratio:.1f} boxes of {often!r} for one of {rare!r}: the detector will see {often!r} everywhere"
            remedy = f"label more of {rare!r}, or augment the photos that hold it"
            yield Finding(IMBALANCE, Severity.WARNING, root, 0, message, remedy)
    for name, count in classes.items():
        if is_reserved(name):
            message = f"a class is called {name!r}: that stands for none in label maps, and tfrecord refuses it"
            rename = f"ssdprep repair {quoted(root)} --rename {shlex.quote(f'{name}=NAME')}"
            yield Finding(BACKGROUND, Severity.ERROR, root, 0, message, f"{rename}, or delete its boxes")
        if count.boxes < _FEW and name not in meant:
            message = f"class {name!r} has {counted(count.boxes, 'box')}: too few to be learnt"
            yield Finding(FEW, Severity.WARNING, root, 0, message, "label more of it, or leave the class out")
    yield from _tiny(dataset, statistics)
    usable = [record for record in upright.records if record.path not in upright.damaged]
    yield from unlisted(root, usable, upright.splits)
    yield from _untrained(dataset, statistics.parts, meant)


def _tagged(dataset: Dataset) -> Iterator[Finding]:
    count = sum(2 <= record.orientation <= 8 for record in dataset.records)
    if count:
        message = (
            f"{count} {'photo is' if count == 1 else 'photos are'} turned by an EXIF tag only: many readers ignore it"
        )
        remedy = f"ssdprep fix-exif {quoted(dataset.root)}"
        yield Finding(TAGGED, Severity.WARNING, dataset.root, 0, message, remedy)


def _tiny(dataset: Dataset, statistics: Statistics) -> Iterator[Finding]:
    """Classes of which many boxes are too small for the network."""
    for name, found in statistics.at_input.items():
        share = found.below[_TINY]
        if share >= _MANY:
            message = (
                f"{share:.0%} of the boxes of {name!r} are less than {_TINY} pixels wide or high"
                f" once photos are resized to {statistics.input}: too small to be learnt"
            )
            remedy = (
                f"train on crops or at a larger input: `ssdprep audit {quoted(dataset.root)} --input 512x512` tells"
            )
            yield Finding(TINY, Severity.WARNING, dataset.root, 0, message, remedy)


def unlisted(root: Path, records: Iterable[Record], splits: Mapping[str, Sequence[Record]]) -> Iterator[Finding]:
    """Photos that were labelled after the set was split: ``records`` that can be used, and are in none of its parts."""
    training = splits.get("train") or splits.get("trainval")
    if not training:
        return  # whatever is not held out is trained on
    listed = {record.path for records in (training, *map(splits.get, ("val", "test"))) for record in records or ()}
    drawn, _ = provenance_and_faults(root)
    missing = [
        record.path.relative_to(root).as_posix()
        for record in records
        if record.annotation is not None and (record.image is None) == (training[0].image is None)
        if record.path not in listed and not drawn.is_drawn(record)
    ]
    if missing:
        which = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED:,} more" if missing[_NAMED:] else "")
        are = "is in no split: it is" if len(missing) == 1 else "are in no split: they are"
        message = f"{counted(len(missing), 'labelled photo')} {are} neither trained on nor measured: {which}"
        yield Finding(UNLISTED, Severity.WARNING, root, 0, message, f"ssdprep split {quoted(root)} --add")


def _slips(dataset: Dataset, classes: Mapping[str, Count], meant: Mapping[str, str]) -> Iterator[Finding]:
    """Class names that may be another's with a wrong letter: more of it is the last thing to label."""
    first: dict[str, tuple[Path, int]] = {}
    for record in dataset.records if meant else ():
        for thing in record.objects:
            first.setdefault(thing.name, (record.annotation or record.path, thing.line))
    for name, other in meant.items():
        boxes, others = (counted(classes[each].boxes, "box") for each in (name, other))
        message = f"class {name!r} ({boxes}) is nearly {other!r} ({others}): a slip of the fingers?"
        rename = f"ssdprep repair {quoted(dataset.root)} --rename {shlex.quote(f'{name}={other}')}"
        yield Finding(SLIP, Severity.WARNING, *first[name], message, f"{rename}, if that is meant")


def _untrained(dataset: Dataset, parts: dict[str, dict[str, Count]], slipped: Container[str]) -> Iterator[Finding]:
    """Classes that are tested but not trained, and the other way round; not names that are a slip."""
    train = parts.get("train")
    if train is None:
        return
    remedy = f"ssdprep split {quoted(dataset.root)} --force"
    for part in ("val", "test"):
        for name in sorted(parts.get(part, {}).keys() - train.keys()):
            if name not in slipped:
                message = f"class {name!r} is in {part}, but not in train"
                yield Finding(UNTRAINED, Severity.WARNING, dataset.root, 0, message, remedy)
    if parts.get("test"):
        for name in sorted(train.keys() - parts["test"].keys()):
            if name not in slipped:
                message = f"class {name!r} is in train, but not in test: how well it is found will not be known"
                yield Finding(UNTESTED, Severity.WARNING, dataset.root, 0, message, f"label more of it, then {remedy}")
