"""What is wrong with how photos look: copies, copies on both sides of a split, dark and blurred ones, motley classes.

For `audit`::

    upright = to_upright(scan_folder(data))
    photos = fingerprints(boxes_to_see(upright), jobs=0, track=track)
    findings = look_findings(upright, photos, track=track)

docs/likeness.md says what each threshold rests on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import exp, log
from pathlib import Path
from statistics import median

import numpy as np

from ssdprep.alike import REACH, all_compared, bursts, exact_duplicates, in_place, near_duplicates
from ssdprep.boxes import iou
from ssdprep.crops import KINDS, Crop, kind_of
from ssdprep.likeness import Fingerprint
from ssdprep.provenance import provenance_and_faults
from ssdprep.record import Box, Dataset, Finding, Record, Severity, Track, untracked
from ssdprep.wording import counted, quoted

SAME_FILE, COPY, COPY_STRADDLES, LABELS_DIFFER, BURST_STRADDLES = "DUP001", "DUP002", "DUP003", "DUP004", "DUP005"
NOT_ALL_COMPARED = "DUP006"
DARK_OR_BRIGHT, BLURRED, FLAT, MOTLEY = "LOOK001", "LOOK002", "LOOK003", "LOOK004"

_PARTS = ("train", "val", "test")
_ENOUGH = 20  # photos; of fewer nobody can say what is usual
_OUTLIER = 4.5  # robust standard deviations
_BLACK, _WHITE = 12, 243  # mean grey levels that are wrong in any set
_PLACED = 0.97  # correlation of copies that lie so exactly that boxes of one must fit the other
_SAME_BOX = 0.5  # IoU
_MOTLEY = 3.0  # kinds of colour that the boxes of a class are spread over, as many as if evenly
_MAIN = 0.5  # share of its boxes; a kind that holds it is the main look of a class
_FEW = 100  # photos for each kind


def boxes_to_see(dataset: Dataset) -> dict[Path, tuple[Box, ...]]:
    """The photos of a data set that `orient.to_upright` gave, and the boxes on each: what `fingerprints` takes."""
    return {
        record.image: tuple(thing.box for thing in record.objects)
        for record in dataset.records
        if record.image is not None and record.size is not None
    }


def look_findings(
    dataset: Dataset, photos: Mapping[Path, Fingerprint], *, track: Track = untracked
) -> tuple[Finding, ...]:
    """Every finding of DUP and LOOK, in the order of codes and photos.

    dataset: as `orient.to_upright` gives it. photos: fingerprints with the crops of `boxes_to_see`; photos without one
    are passed over, and so are pictures that `augment` drew; an augmentation.csv that cannot be read is a finding too.
    """
    drawn, faults = provenance_and_faults(dataset.root)
    records = {
        record.path: record for record in dataset.records if record.path in photos and not drawn.is_drawn(record)
    }
    seen = {path: photos[path] for path in records}
    copies = near_duplicates(seen, track=track)
    return (
        *faults,
        *_same_files(exact_duplicates(seen)),
        *_copies(copies, seen),
        *_straddling(dataset, copies, COPY_STRADDLES, Severity.ERROR, "a copy of it"),
        *_differing(copies, seen, records),
        *_straddling(dataset, bursts(seen), BURST_STRADDLES, Severity.WARNING, "a shot of the same moment", copies),
        *_not_all_compared(dataset.root, seen),
        *_outliers(seen),
        *_motley(dataset.root, records, seen),
    )


def _not_all_compared(root: Path, photos: Mapping[Path, Fingerprint], reach: int = REACH) -> Iterator[Finding]:
    """A word where there are too many photos to lay each over every other."""
    if not all_compared(photos, reach):
        message = f"each of {len(photos):,} photos was compared with the {reach:,} that follow it by name, not with all"
        remedy = "nothing to do where copies have names alike; the same bytes are found wherever they are"
        yield Finding(NOT_ALL_COMPARED, Severity.INFO, root, 0, message, remedy)


def _same_files(groups: Iterable[Sequence[Path]]) -> Iterator[Finding]:
    for first, *others in groups:
        message = f"the same file is there {len(others) + 1} times, also as {_named(others)}"
        yield Finding(SAME_FILE, Severity.WARNING, first, 0, message, "keep one of them, and its annotation")


def _copies(groups: Iterable[Sequence[Path]], photos: Mapping[Path, Fingerprint]) -> Iterator[Finding]:
    for group in groups:
        first, *others = {photos[path].digest: path for path in reversed(group)}.values()
        if others:
            first, *others = sorted((first, *others), key=group.index)
            message = f"shows the same as {_named(others)}"
            remedy = "keep the better one; or keep all: ssdprep split leaves them in one part"
            yield Finding(COPY, Severity.INFO, first, 0, message, remedy)


def _straddling(
    dataset: Dataset,
    groups: Iterable[Sequence[Path]],
    code: str,
    severity: Severity,
    what: str,
    said: Iterable[Sequence[Path]] = (),
) -> Iterator[Finding]:
    """Groups with members in several parts; ``said``: groups whose members were named already."""
    part_of = {record.path: name for name in _PARTS for record in dataset.splits.get(name, ())}
    group_of = {path: number for number, group in enumerate(said) for path in group}
    for group in groups:
        for one, other in combinations(_PARTS, 2):
            mine, yours = ([path for path in group if part_of.get(path) == part] for part in (one, other))
            fresh = [path for path in yours if not any(group_of.get(path, -1) == group_of.get(first) for first in mine)]
            if mine and fresh:
                message = f"in {other}, and {what} in {one}: {_named(mine)}"
                remedy = f"ssdprep split {quoted(dataset.root)} --force"
                yield from (Finding(code, severity, path, 0, message, remedy) for path in fresh)


def _differing(
    groups: Iterable[Sequence[Path]], photos: Mapping[Path, Fingerprint], records: Mapping[Path, Record]
) -> Iterator[Finding]:
    """Copies that lie alike, and are labelled otherwise than the first of their group that lies so."""
    for group in groups:
        labelled = [records[path] for path in group if records[path].annotation is not None]
        for place, record in enumerate(labelled):
            for first in labelled[:place]:
                if in_place(photos[first.path], photos[record.path]) < _PLACED:
                    continue
                if reason := _difference(first, record):
                    path = record.annotation or record.path
                    message = f"{reason} {first.path.name}, which shows the same"
                    yield Finding(LABELS_DIFFER, Severity.WARNING, path, 0, message, "compare both, and correct one")
                break


def _difference(first: Record, record: Record) -> str:
    """How the labels of the one differ from those of the other; empty where they do not."""
    names = [Counter(thing.name for thing in each.objects) for each in (first, record)]
    if names[0] != names[1]:
        return "other classes or numbers of boxes than on"
    for name in names[0]:
        placed = [
            np.array([thing.box for thing in each.objects if thing.name == name])
            / ((*each.size, *each.size) if each.size else 1)
            for each in (first, record)
        ]
        overlap = iou(*placed)
        if (overlap.max(axis=0) < _SAME_BOX).any() or (overlap.max(axis=1) < _SAME_BOX).any():
            return f"other boxes of {name!r} than on"
    return ""


def _outliers(photos: Mapping[Path, Fingerprint]) -> Iterator[Finding]:
    for path, photo in photos.items():
        if photo.is_flat:
            message = "there is nothing to see on it: one even grey from side to side"
            yield Finding(FLAT, Severity.WARNING, path, 0, message, "look at it; delete it if it is a slip")
    sound = {path: photo for path, photo in photos.items() if not photo.is_flat}
    light = _scores(sound, lambda photo: photo.brightness, least=8.0)
    for path, photo in sound.items():
        if said := _said_of_light(photo.brightness, light.get(path, 0.0)):
            message = f"{said}: {photo.brightness / 2.55:.0f}% of white on average"
            remedy = "nothing, if such photos will come later too; else leave it out"
            yield Finding(DARK_OR_BRIGHT, Severity.INFO, path, 0, message, remedy)
    for path, score in _scores(sound, lambda photo: log(max(photo.sharpness, 1.0)), least=0.1).items():
        if score < -_OUTLIER:
            message = "blurred, also at the size that a detector sees"
            remedy = "leave it out, if its objects cannot be told by eye"
            yield Finding(BLURRED, Severity.INFO, path, 0, message, remedy)


def _said_of_light(level: float, score: float) -> str:
    """What is odd about a mean grey level, by itself or among the others; empty where nothing is."""
    if not _BLACK <= level <= _WHITE:
        return "all but black" if level < _BLACK else "all but white"
    if abs(score) > _OUTLIER:
        return f"much {'darker' if score < 0 else 'brighter'} than the others"
    return ""


def _scores(
    photos: Mapping[Path, Fingerprint], measure: Callable[[Fingerprint], float], *, least: float
) -> dict[Path, float]:
    """Robust z-scores: distance from the median, in standard deviations told by the median deviation (Iglewicz 1993).

    least: of the median deviation, lest a set that is all alike is full of outliers. Empty for too few photos.
    """
    values = {path: measure(photo) for path, photo in photos.items()}
    if len(values) < _ENOUGH:
        return {}
    middle = median(values.values())
    spread = max(median(abs(value - middle) for value in values.values()), least)
    return {path: 0.6745 * (value - middle) / spread for path, value in values.items()}


def _motley(root: Path, records: Mapping[Path, Record], photos: Mapping[Path, Fingerprint]) -> Iterator[Finding]:
    """Classes of many looks and few photos beside one with a main look, which a detector then sees everywhere."""
    crops: dict[str, list[Crop]] = defaultdict(list)
    shown: dict[str, set[Path]] = defaultdict(set)
    for path, record in records.items():
        for thing, crop in zip(record.objects, photos[path].crops, strict=False):
            crops[thing.name].append(crop)
            shown[thing.name].add(path)
    looks = {name: Counter(map(kind_of, found)) for name, found in crops.items() if len(found) >= _ENOUGH}
    plain = [name for name, kinds in looks.items() if max(kinds.values()) >= _MAIN * kinds.total()]
    for name, kinds in sorted(looks.items()):
        spread = _evenness(kinds)
        if plain and name not in plain and spread >= _MOTLEY and len(shown[name]) < _FEW * spread:
            most = ", ".join(f"{KINDS[kind]} {count / kinds.total():.0%}" for kind, count in kinds.most_common(4))
            message = f"class {name!r} has many looks ({most}) on {counted(len(shown[name]), 'photo')}"
            remedy = "a class for each kind of thing, apple and banana for fruit; or many more photos"
            yield Finding(MOTLEY, Severity.WARNING, root, 0, message, remedy)


def _evenness(kinds: Counter[int]) -> float:
    """How many equally frequent kinds are as mixed: the exponential of the entropy (Hill 1973)."""
    total = kinds.total()
    return exp(-sum(count / total * log(count / total) for count in kinds.values() if count))


def _named(paths: Sequence[Path]) -> str:
    rest = len(paths) - 3
    return ", ".join(path.name for path in paths[:3]) + (f" and {rest} more" if rest > 0 else "")
