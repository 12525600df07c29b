"""The verb split: every labelled photo in one of train, val and test, each class in its proportion."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from hashlib import sha256
from math import lcm
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

from ssdprep import files
from ssdprep.record import Dataset, Finding, Record, Severity, SsdprepError, Track, untracked
from ssdprep.scan import scan_folder

RARE, UNLABELLED, OFF_SHARE, MISSING, UNLISTABLE = "SPL001", "SPL002", "SPL003", "SPL004", "SPL005"

PARTS = ("train", "val", "test")
LISTS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}
_FEW = 2  # photos; a class with no more cannot be in three parts, and is worth most where it is learnt
_NEGATIVE = ""  # the stratum of photos without objects; no class has this name
_DONORS = 64  # photos that are tried when a class is brought into a part that lacks it
_KINDS = 32  # sets of classes in a part that are tried when a class is evened out
_LOOSE = 50  # a class may be off its share by one photo, or by one of so many
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
class SplitReport:
    """What was written, and where."""

    root: Path
    out: Path
    seed: int
    splits: dict[str, Part] = field(default_factory=dict)  # train, val, test
    unlabelled: int = 0  # photos left out because they have no annotation
    findings: tuple[Finding, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 when a finding is an error."""
        return int(any(finding.severity is Severity.ERROR for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "out": str(self.out),
            "seed": self.seed,
            "splits": {name: asdict(part) for name, part in self.splits.items()},
            "unlabelled": self.unlabelled,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def split_folder(
    data: Path | str,
    *,
    val: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    out: Path | str | None = None,
    force: bool = False,
    track: Track = untracked,
) -> SplitReport:
    """Share labelled photos out and write ``train.txt``, ``val.txt``, ``test.txt`` and ``trainval.txt``, as VOC does.

    A line is a photo's stem, or its path below DATA where stems repeat. ``out`` defaults to DATA/ImageSets/Main, where
    every other verb looks. Photos without annotation are left out: nobody said that they show nothing. Where DATA holds
    no photos at all, annotations are shared out. The same names, labels and seed give the same lists on every system.

    val, test: shares of the photos, 0..1; the rest is train. ValueError for others. `SsdprepError` where they leave
    nothing to train on, where ``out`` holds a split and ``force`` is not set, and where no photo can be used.
    """
    if not (0 <= val <= 1 and 0 <= test <= 1):
        raise ValueError(f"val and test must be shares of 0 to 1, not {val} and {test}")
    shares = _shares(val, test)
    root = Path(data)
    target = root / "ImageSets" / "Main" if out is None else Path(out)
    _refuse_to_replace(root, target, out is not None, force)
    dataset = scan_folder(root, track=track)
    names = _list_names(dataset)
    usable = [record for record in _usable(dataset) if record.path in names]
    if not usable:
        raise SsdprepError(f"no photo of {root} has labels that can be used", f"ssdprep audit {_shown(root)}")
    part_of = _deal_out(root, usable, shares, seed)
    for name, parts in LISTS.items():
        lines = (names[record.path] for record in usable if part_of[record.path] in parts)
        files.write_new(target / f"{name}.txt", "".join(f"{line}\n" for line in lines).encode())
    splits = {name: _part(usable, part_of, name) for name in PARTS}
    unlabelled = sum(record.annotation is None for record in dataset.records)
    said = [finding for finding in dataset.findings if out is not None or finding.code not in _REPLACED]
    findings = (*said, *_remarks(dataset, names, splits, shares, unlabelled))
    return SplitReport(root, target, seed, splits, unlabelled, findings)


def stratify(labels: Sequence[Iterable[str]], shares: dict[str, Fraction]) -> list[str]:
    """A part for each item, by iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011) with fixed sizes.

    It deals out in one pass; swaps then mend what the pass could not: classes missing in a part, or off their share.

    labels: the classes of each item, none for a negative. Of items that are alike the earlier are dealt out first, so
    shuffle before. shares: of each part, ``train`` first, 1 together. Parts have the sizes of `apportion`. Items of a
    class with one or two go to train, beyond its size if need be; a class with more is brought into every part that
    can hold it, the more frequent class first.
    """
    deal = _Deal([frozenset(names) or frozenset({_NEGATIVE}) for names in labels], shares)
    deal.settle_rare()
    deal.settle_rest()
    deal.bring_in_missing()
    deal.even_out()
    return deal.part


def apportion(count: int, shares: dict[str, Fraction]) -> dict[str, int]:
    """Whole numbers that add up to ``count``, each within one of its share, by largest remainders.

    A part that would get nothing gets one where the giver stays within one of its own share; ``train`` always.
    """
    due = {name: share * count for name, share in shares.items()}
    sizes = {name: int(amount) for name, amount in due.items()}
    by_remainder = sorted(due, key=lambda name: (sizes[name] - due[name], sizes[name] > 0))
    for name in by_remainder[: count - sum(sizes.values())]:
        sizes[name] += 1
    for name in sorted(sizes, key=lambda name: (name != "train", -due[name])):
        giver = max(sizes, key=lambda other: sizes[other] - due[other])
        least = 1 if name == "train" else 2
        if due[name] and not sizes[name] and sizes[giver] >= due[giver] and sizes[giver] >= least:
            sizes[giver] -= 1
            sizes[name] += 1
    return sizes


class _Deal:
    """Items on their way into parts. Whole numbers throughout, so that every machine decides alike."""

    def __init__(self, labels: Sequence[frozenset[str]], shares: dict[str, Fraction]) -> None:
        self.labels = labels
        self.shares = shares
        self.part = [""] * len(labels)
        self.total = Counter(name for names in labels for name in names)
        self.left = self.total.copy()
        self.room = apportion(len(labels), shares)
        self.has: dict[str, Counter[str]] = {name: Counter() for name in shares}
        self.unit = lcm(*(share.denominator for share in shares.values()))
        self.weight = {name: int(share * self.unit) for name, share in shares.items()}
        self.fixed = {i for i, names in enumerate(labels) if any(self._is_rare(name) for name in names)}

    def settle_rare(self) -> None:
        """Items of rare classes to train; where they are too many for it, the other parts shrink in proportion."""
        if len(self.fixed) > self.room["train"]:
            held = {name: share for name, share in self.shares.items() if name != "train" and share}
            rest = len(self.labels) - len(self.fixed)
            shares = {name: share / sum(held.values()) for name, share in held.items()}
            self.room = {**dict.fromkeys(self.room, 0), **apportion(rest, shares), "train": len(self.fixed)}
        for item in sorted(self.fixed):
            self._put(item, "train")

    def settle_rest(self) -> None:
        """The class with the fewest items left is dealt out first: later it would find no room."""
        items: dict[str, list[int]] = {name: [] for name in self.total}
        for item, names in enumerate(self.labels):
            for name in names:
                items[name].append(item)
        while waiting := [name for name, count in self.left.items() if count]:
            label = min(waiting, key=lambda name: (self.left[name], name))
            for item in items[label]:
                if not self.part[item]:
                    self._put(item, self._best(label))

    def bring_in_missing(self) -> None:
        """Swap items so that every class with enough of them is in every part, the frequent classes first."""
        for label in sorted(self.total, key=lambda name: (-self.total[name], name)):
            for part in self.shares:
                if self.total[label] > _FEW and not self.has[part][label]:
                    self._bring_in(label, part)

    def even_out(self) -> None:
        """Swap items while that brings classes nearer to their shares: dealing out leaves the last no choice."""
        kinds: dict[str, dict[frozenset[str], list[int]]] = {part: {} for part in self.shares}
        for item, names in enumerate(self.labels):
            if item not in self.fixed:
                kinds[self.part[item]].setdefault(names, []).append(item)
        while swap := self._relief({part: [k for k in of if of[k]][:_KINDS] for part, of in kinds.items()}):
            one, mine, other, yours = swap
            first, second = kinds[one][mine].pop(), kinds[other][yours].pop()
            self._swap(first, second)
            kinds[one].setdefault(yours, []).append(second)
            kinds[other].setdefault(mine, []).append(first)

    def _relief(self, kinds: dict[str, list[frozenset[str]]]) -> tuple[str, frozenset[str], str, frozenset[str]] | None:
        """The swap that helps most, for the class and part that are furthest off; None where nothing helps."""
        off = [(abs(self._wanted(label, part)), label, part) for part in self.shares for label in self.total]
        for amount, label, one in sorted(off, reverse=True):
            if amount * _LOOSE <= self.unit * max(self.total[label], _LOOSE):
                continue
            swaps = [
                (self._gain(one, mine, other, yours), (one, mine, other, yours))
                for mine in kinds[one]
                for other in self.shares
                for yours in kinds[other]
                if other != one and (label in mine) != (label in yours)
            ]
            gain, swap = max(swaps, key=lambda each: each[0], default=(0, None))
            if gain > 0:
                return swap
        return None

    def _gain(self, one: str, mine: frozenset[str], other: str, yours: frozenset[str]) -> int:
        """By how much a swap lessens the sum of squares of what parts are off; 0 if it takes a part's last."""
        gain = 0
        for giver, taker, names in ((one, other, mine - yours), (other, one, yours - mine)):
            for name in names:
                if self.has[giver][name] == 1:
                    return 0
                gain += self._wanted(name, taker) - self._wanted(name, giver) - self.unit
        return gain

    def _is_rare(self, name: str) -> bool:
        return name != _NEGATIVE and self.total[name] <= _FEW

    def _best(self, label: str) -> str:
        """The part that is furthest from its share of a class; the last items go where the class is missing."""
        open_parts = [part for part, room in self.room.items() if room]
        lacking = [part for part in open_parts if not self.has[part][label]]
        if self.total[label] > _FEW and self.left[label] <= len(lacking):
            open_parts = lacking
        return max(open_parts, key=lambda part: (self._wanted(label, part), self.room[part]))

    def _wanted(self, label: str, part: str) -> int:
        return self.weight[part] * self.total[label] - self.unit * self.has[part][label]

    def _put(self, item: int, part: str) -> None:
        self.part[item] = part
        self.room[part] -= 1
        self.has[part].update(self.labels[item])
        self.left.subtract(self.labels[item])

    def _bring_in(self, label: str, part: str) -> None:
        """Swap an item of the class for one of the part: the pair most alike that robs no class as frequent."""
        movable = [item for item in range(len(self.labels)) if item not in self.fixed]
        givers = [i for i in movable if label in self.labels[i] and self.has[self.part[i]][label] > 1][:_DONORS]
        takers = [item for item in movable if self.part[item] == part]
        pairs = ((len(self.labels[i] ^ self.labels[j]), i, j) for i in givers for j in takers)
        best = min((pair for pair in pairs if self._may_swap(label, *pair[1:])), default=None)
        if best is not None:
            self._swap(*best[1:])

    def _may_swap(self, label: str, one: int, other: int) -> bool:
        mine, yours = self.labels[one], self.labels[other]
        lost = [(self.part[one], name) for name in mine - yours] + [(self.part[other], name) for name in yours - mine]
        return all(self.has[part][name] > 1 or self.total[name] < self.total[label] for part, name in lost)

    def _swap(self, one: int, other: int) -> None:
        for item, part in ((one, self.part[other]), (other, self.part[one])):
            self.has[self.part[item]].subtract(self.labels[item])
            self.has[part].update(self.labels[item])
            self.part[item] = part


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
    if there and not force:
        where = f" --out {_shown(target)}" if chosen else ""
        message = f"{target} holds a split already: {', '.join(there)}"
        raise SsdprepError(message, f"keep it; or replace it: ssdprep split {_shown(root)}{where} --force")


def _usable(dataset: Dataset) -> Iterator[Record]:
    """Labelled photos that can be opened; annotations where there are no photos at all."""
    photos = bool(dataset.left_out) or any(record.image is not None for record in dataset.records)
    for record in dataset.records:
        if record.annotation is not None and (record.stored_size is not None or not photos):
            yield record


def _list_names(dataset: Dataset) -> dict[Path, str]:
    """What a list calls each photo: its stem, or as much of its path as tells it from all others."""
    photos = [*(record.path for record in dataset.records), *dataset.left_out]
    forms = {path: _forms(path.relative_to(dataset.root)) for path in photos}
    owners = Counter(key for each in forms.values() for key in {_folded(form) for form in each})
    chosen = {}
    for path, each in forms.items():
        fitting = [form for form in each if owners[_folded(form)] == 1 and _fits_a_line(form)]
        if fitting:
            chosen[path] = fitting[0]
    return chosen


def _forms(relative: Path) -> tuple[str, str, str]:
    """Stem, path without extension, path."""
    return relative.stem, relative.with_suffix("").as_posix(), relative.as_posix()


def _folded(name: str) -> str:
    return normalize("NFC", name).casefold()


def _fits_a_line(text: str) -> bool:
    return text == text.strip() and len(text.splitlines()) == 1 and "\\" not in text


def _deal_out(root: Path, records: Sequence[Record], shares: dict[str, Fraction], seed: int) -> dict[Path, str]:
    """The part of each photo. Shuffled by a hash of names, which no version of any library can change."""

    def order(record: Record) -> tuple[bytes, str]:
        name = normalize("NFC", PurePosixPath(record.path.relative_to(root).as_posix()).with_suffix("").as_posix())
        return sha256(f"{seed}/{name}".encode()).digest(), record.path.name

    shuffled = sorted(records, key=order)
    parts = stratify([[thing.name for thing in record.objects] for record in shuffled], shares)
    return {record.path: part for record, part in zip(shuffled, parts, strict=True)}


def _part(records: Sequence[Record], part_of: dict[Path, str], name: str) -> Part:
    mine = [record for record in records if part_of[record.path] == name]
    boxes = Counter(thing.name for record in mine for thing in record.objects)
    images = Counter(label for record in mine for label in {thing.name for thing in record.objects})
    everywhere = sorted({thing.name for record in records for thing in record.objects})
    classes = {label: ClassCount(images[label], boxes[label]) for label in everywhere}
    return Part(len(mine), sum(not record.objects for record in mine), boxes.total(), classes)


def _remarks(
    dataset: Dataset, names: dict[Path, str], splits: dict[str, Part], shares: dict[str, Fraction], unlabelled: int
) -> Iterator[Finding]:
    """What the lists do not say."""
    root = dataset.root
    for record in _usable(dataset):
        if record.path not in names:
            message = "no list can hold its name, for a line break, backslash or blank in it: left out"
            yield Finding(UNLISTABLE, Severity.ERROR, record.path, 0, message, "rename it, and its annotation")
    if unlabelled:
        message = f"{unlabelled} photos without annotation are in no part"
        remedy = "label them; or save them without boxes in LabelImg if they show nothing"
        yield Finding(UNLABELLED, Severity.INFO, root, 0, message, remedy)
    yield from _uneven(root, splits, shares)
    yield from _missing(root, splits, shares)


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
        if held and images <= _FEW:
            message = f"class {label!r} is in {images} photo{'s' * (images > 1)} only: in train, and never measured"
            yield Finding(RARE, Severity.WARNING, root, 0, message, "label more of it, or leave the class out")
        elif lacking:
            message = f"class {label!r} with {images} photos is not in {' and '.join(lacking)}: no place was left"
            remedy = f"a larger share: --{held[-1]} {float(shares[held[-1]]) + 0.1:.2g}; or label more photos"
            yield Finding(MISSING, Severity.WARNING, root, 0, message, remedy)


def _shown(path: Path) -> str:
    return shlex.quote(str(path))
