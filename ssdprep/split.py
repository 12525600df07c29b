"""The verb split: every labelled photo in one of train, val and test, each class in its proportion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

from ssdprep import files
from ssdprep.alike import grouped
from ssdprep.folds import deal_folds, fold_lists, lists_in
from ssdprep.likeness import fingerprints
from ssdprep.orient import to_upright
from ssdprep.provenance import read_provenance
from ssdprep.record import Dataset, Finding, Record, Report, Severity, SsdprepError, Track, untracked
from ssdprep.scan import scan_folder
from ssdprep.stratify import FEW, stratify
from ssdprep.walk import folded
from ssdprep.wording import counted, quoted

RARE, UNLABELLED, OFF_SHARE, MISSING, UNLISTABLE = "SPL001", "SPL002", "SPL003", "SPL004", "SPL005"
HELD_OUT = "SPL006"

PARTS = ("train", "val", "test")
# In the order of writing: should a kill leave only some of them, what the first holds out is never trained on.
LISTS = {"test": ("test",), "val": ("val",), "train": ("train",), "trainval": ("train", "val")}
_REPLACED = {"SPL011", "SPL012", "SPL013"}  # what imagesets says of lists that are there


@dataclass(frozen=True, slots=True)
class ClassCount:
    """One class in one part."""

    images: int = 0
    boxes: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What is in train, val or test."""

    images: int
    negatives: int  # photos that were labelled and show nothing
    boxes: int
    classes: dict[str, ClassCount]  # every class of the data set, by name


@dataclass(frozen=True, slots=True)
class SplitReport(Report):
    """What was written, and where."""

    root: Path
    out: Path
    seed: int
    splits: dict[str, Part] = field(default_factory=dict)  # train, val, test
    unlabelled: int = 0  # photos left out because they have no annotation
    unusable: int = 0  # photos left out because they are damaged, or the frame of their boxes is unknown
    groups: tuple[tuple[Path, ...], ...] | None = None  # photos kept together: copies, bursts; None: nobody looked
    kfold: int = 0  # folds that lists were written for
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "out": str(self.out),
            "seed": self.seed,
            "splits": {name: asdict(part) for name, part in self.splits.items()},
            "unlabelled": self.unlabelled,
            "unusable": self.unusable,
            "groups": None if self.groups is None else [[str(path) for path in group] for group in self.groups],
            "kfold": self.kfold,
        }


def split_folder(
    data: Path | str,
    *,
    val: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    out: Path | str | None = None,
    force: bool = False,
    group: bool = True,
    kfold: int = 0,
    jobs: int = 1,
    track: Track = untracked,
) -> SplitReport:
    """Share labelled photos out and write ``train.txt``, ``val.txt``, ``test.txt`` and ``trainval.txt``, as VOC does.

    A line is a photo's stem, or its path below DATA where stems repeat. ``out`` defaults to DATA/ImageSets/Main, where
    every other verb looks. Photos without annotation are left out: nobody said that they show nothing. Where DATA holds
    no photos at all, annotations are shared out. Pictures that `augment` drew go into train with their photo; those of
    photos in val and test go nowhere. The same photos, labels and seed give the same lists on every system.

    val, test: shares of the photos, 0..1; the rest is train. group: copies of a photo, and shots of a burst, stay in
    one part (`alike.grouped`); every photo is decoded for that, by ``jobs`` worker processes (0: all cores).
    kfold: further lists, ``fold1_train.txt``, ``fold1_val.txt`` and so on, which share out trainval so often; 0: none.
    ValueError for other numbers. `SsdprepError` where the shares leave nothing to train on, where ``out`` holds a
    split and ``force`` is not set, where no photo can be used, and where there are fewer photos than folds.
    """
    if not (0 <= val <= 1 and 0 <= test <= 1):
        raise ValueError(f"val and test must be shares of 0 to 1, not {val} and {test}")
    if kfold < 0 or kfold == 1:
        raise ValueError(f"kfold must be 0 or at least 2, not {kfold}")
    shares = _shares(val, test)
    root = Path(data)
    target = root / "ImageSets" / "Main" if out is None else Path(out)
    _refuse_to_replace(root, target, out is not None, force)
    dataset = scan_folder(root, track=track)
    upright = to_upright(dataset)
    names = _list_names(dataset)
    labelled = list(_labelled(dataset))
    sound = {record.path for record in upright.records} - dataset.damaged  # and in a known frame
    usable = [record for record in labelled if record.path in names and record.path in sound]
    if not usable:
        raise SsdprepError(f"no photo of {root} has labels that can be used", f"ssdprep audit {quoted(root)}")
    drawn = read_provenance(root)
    photos = [record for record in usable if not drawn.is_drawn(record)]
    groups = _groups(photos, jobs, track) if group else None
    shuffled = _shuffled(root, photos, seed)
    places = _places(shuffled, groups or ())
    parts = stratify(_labels(shuffled), shares, places)
    part_of = {record.path: part for record, part in zip(shuffled, parts, strict=True)}
    folds = _folds(target, shuffled, part_of, kfold, groups or ())
    for path, members in folds.items():
        if path.stem.endswith("_train"):
            folds[path] = members.union(drawn.for_training(usable, dict.fromkeys(members, "train")))
    shown = {name: _part(photos, part_of, name) for name in PARTS}
    part_of |= dict.fromkeys(drawn.for_training(usable, part_of), "train")
    listed = [record for record in usable if record.path in part_of]
    lists = _lists(target, listed, names, part_of) | {
        path: _list(names[record.path] for record in usable if record.path in members)
        for path, members in folds.items()
    }
    files.write_together(lists, set(lists_in(target)) - set(lists))
    splits = {name: _part(listed, part_of, name) for name in PARTS}
    unlabelled = sum(record.annotation is None for record in dataset.records)
    unusable = sum(record.path not in sound for record in labelled)
    said = [finding for finding in upright.findings if out is not None or finding.code not in _REPLACED]
    remarks = (*_remarks(labelled, root, names, shown, shares, unlabelled), *_held_out(root, len(usable) - len(listed)))
    return SplitReport(root, target, seed, splits, unlabelled, unusable, groups, kfold, (*said, *remarks))


def _shares(val: float, test: float) -> dict[str, Fraction]:
    """The shares as they were typed: 0.1 is a tenth."""
    held = {name: Fraction(repr(float(share))) for name, share in (("val", val), ("test", test))}
    asked = sum(held.values(), Fraction())
    if asked >= 1:
        message = f"val {val:g} and test {test:g} leave nothing to train on"
        raise SsdprepError(message, "choose shares that add up to less than 1: --val 0.1 --test 0.2")
    return {"train": 1 - asked, **held}


def _refuse_to_replace(root: Path, target: Path, chosen: bool, force: bool) -> None:
    there = [f"{name}.txt" for name in LISTS if (target / f"{name}.txt").exists()]
    there += [path.name for path in lists_in(target)]
    if there and not force:
        where = f" --out {quoted(target)}" if chosen else ""
        message = f"{target} holds a split already: {', '.join(there)}"
        raise SsdprepError(message, f"keep it; or replace it: ssdprep split {quoted(root)}{where} --force")


def _labelled(dataset: Dataset) -> Iterator[Record]:
    """Labelled photos; annotations where there are no photos at all."""
    photos = bool(dataset.left_out) or any(record.image is not None for record in dataset.records)
    for record in dataset.records:
        if record.annotation is not None and (record.image is not None or not photos):
            yield record


def _list_names(dataset: Dataset) -> dict[Path, str]:
    """What a list calls each photo: its stem, or as much of its path as tells it from all others."""
    photos = [*(record.path for record in dataset.records), *dataset.left_out]
    forms = {path: _forms(path.relative_to(dataset.root)) for path in photos}
    owners = Counter(key for each in forms.values() for key in {folded(form) for form in each})
    chosen = {}
    for path, each in forms.items():
        fitting = [form for form in each if owners[folded(form)] == 1 and _fits_a_line(form)]
        if fitting:
            chosen[path] = fitting[0]
    return chosen


def _forms(relative: Path) -> tuple[str, str, str]:
    """Stem, path without extension, path."""
    return relative.stem, relative.with_suffix("").as_posix(), relative.as_posix()


def _fits_a_line(text: str) -> bool:
    return text == text.strip() and len(text.splitlines()) == 1 and "\\" not in text


def _groups(records: Sequence[Record], jobs: int, track: Track) -> tuple[tuple[Path, ...], ...]:
    photos = [record.image for record in records if record.image is not None]
    return tuple(grouped(fingerprints(photos, jobs=jobs, track=track), track=track))


def _shuffled(root: Path, records: Sequence[Record], seed: int) -> list[Record]:
    """Shuffled by a hash of names, which no version of any library can change."""

    def order(record: Record) -> tuple[bytes, str]:
        name = normalize("NFC", PurePosixPath(record.path.relative_to(root).as_posix()).with_suffix("").as_posix())
        return sha256(f"{seed}/{name}".encode()).digest(), record.path.name

    return sorted(records, key=order)


def _labels(records: Sequence[Record]) -> list[list[str]]:
    return [[thing.name for thing in record.objects] for record in records]


def _places(records: Sequence[Record], groups: Iterable[Sequence[Path]]) -> list[list[int]]:
    """Where the members of each group are among the records; groups of which no record is there are left out."""
    place = {record.path: number for number, record in enumerate(records)}
    found = ([place[path] for path in group if path in place] for group in groups)
    return [members for members in found if len(members) > 1]


def _folds(
    target: Path, shuffled: Sequence[Record], part_of: dict[Path, str], kfold: int, groups: Iterable[Sequence[Path]]
) -> dict[Path, frozenset[Path]]:
    """The photos of each list of folds."""
    if not kfold:
        return {}
    records = [record for record in shuffled if part_of[record.path] != "test"]
    dealt = deal_folds(_labels(records), kfold, _places(records, groups))
    return fold_lists(target, {record.path: fold for record, fold in zip(records, dealt, strict=True)}, kfold)


def _lists(
    target: Path, records: Sequence[Record], names: dict[Path, str], part_of: dict[Path, str]
) -> dict[Path, bytes]:
    """The bytes of each list."""
    lists = {}
    for name, parts in LISTS.items():
        lines = (names[record.path] for record in records if part_of[record.path] in parts)
        lists[target / f"{name}.txt"] = _list(lines)
    return lists


def _list(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _part(records: Sequence[Record], part_of: dict[Path, str], name: str) -> Part:
    mine = [record for record in records if part_of[record.path] == name]
    boxes = Counter(thing.name for record in mine for thing in record.objects)
    images = Counter(label for record in mine for label in {thing.name for thing in record.objects})
    everywhere = sorted({thing.name for record in records for thing in record.objects})
    classes = {label: ClassCount(images[label], boxes[label]) for label in everywhere}
    return Part(len(mine), sum(not record.objects for record in mine), boxes.total(), classes)


def _remarks(
    labelled: Sequence[Record],
    root: Path,
    names: dict[Path, str],
    splits: dict[str, Part],
    shares: dict[str, Fraction],
    unlabelled: int,
) -> Iterator[Finding]:
    """What the lists do not say."""
    for record in labelled:
        if record.path not in names:
            message = "no list can hold its name, for a line break, backslash or blank in it: left out"
            yield Finding(UNLISTABLE, Severity.ERROR, record.path, 0, message, "rename it, and its annotation")
    if unlabelled:
        message = f"{counted(unlabelled, 'photo')} without annotation in no part"
        remedy = "label them; or save them without boxes in LabelImg if they show nothing"
        yield Finding(UNLABELLED, Severity.INFO, root, 0, message, remedy)
    yield from _uneven(root, splits, shares)
    yield from _missing(root, splits, shares)


def _held_out(root: Path, count: int) -> Iterator[Finding]:
    """Drawn pictures that may not be used."""
    if count:
        message = f"{counted(count, 'drawn picture')} in no part: what they were drawn from is in val or test, or gone"
        yield Finding(HELD_OUT, Severity.INFO, root, 0, message, "nothing to do; split before you augment to draw none")


def _uneven(root: Path, splits: dict[str, Part], shares: dict[str, Fraction]) -> Iterator[Finding]:
    """Parts that did not get their share."""
    total = sum(part.images for part in splits.values())
    for name, part in splits.items():
        short = shares[name] * total - part.images
        if name != "train" and shares[name] and (short > 1 or not part.images):
            message = f"{name} has {part.images} of {total} photos, not the {float(shares[name]):.0%} that was asked"
            yield Finding(OFF_SHARE, Severity.WARNING, root, 0, message, "label more photos, or ask for a larger share")


def _missing(root: Path, splits: dict[str, Part], shares: dict[str, Fraction]) -> Iterator[Finding]:
    """Classes that are not in every part."""
    held = [name for name in splits if name != "train" and shares[name]]
    for label in splits["train"].classes:
        images = sum(part.classes[label].images for part in splits.values())
        lacking = [name for name in splits if shares[name] and not splits[name].classes[label].images]
        if held and images <= FEW:
            message = f"class {label!r} is in {counted(images, 'photo')} only: in train, and never measured"
            yield Finding(RARE, Severity.WARNING, root, 0, message, "label more of it, or leave the class out")
        elif lacking:
            message = f"class {label!r} with {images} photos is not in {' and '.join(lacking)}: no place was left"
            remedy = f"a larger share: --{held[-1]} {float(shares[held[-1]]) + 0.1:.2g}; or label more photos"
            yield Finding(MISSING, Severity.WARNING, root, 0, message, remedy)
