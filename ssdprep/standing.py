"""The split that stands in ImageSets/Main: the part of each photo, the shares, the lists with more lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

from ssdprep.imagesets import AMBIGUOUS, NO_LIST
from ssdprep.record import Dataset, SsdprepError
from ssdprep.split_plan import LISTS
from ssdprep.wording import quoted

USUAL = {"val": Fraction(1, 10), "test": Fraction(1, 5)}  # the shares of a split where none are asked for
_STEP = Fraction(1, 20)  # other shares are meant as multiples of it


def standing_parts(dataset: Dataset) -> dict[Path, str]:
    """The part of every photo that a list names, as `derived.Source.parts` has it: test before val before train.

    `SsdprepError` where there is no split, and where a list does not say which photo is meant: it may not be dealt out
    a second time.
    """
    root = quoted(dataset.root)
    for finding in dataset.findings:
        if finding.code in (NO_LIST, AMBIGUOUS):
            raise SsdprepError(
                f"{finding.place}: {finding.message}: which photos are in a part is not known", finding.remedy
            )
    if not dataset.splits.keys() & LISTS.keys():
        raise SsdprepError(f"{dataset.root} has no split to add to", f"make one: ssdprep split {root}")
    parts: dict[Path, str] = {}
    for name, part in (("test", "test"), ("val", "val"), ("train", "train"), ("trainval", "train")):
        for record in dataset.splits.get(name, ()):
            parts.setdefault(record.path, part)
    return parts


def standing_shares(parts: Iterable[str]) -> dict[str, Fraction]:
    """The shares of val and test among photos of these parts.

    `USUAL`, or round numbers, where that is what they have but for one photo: who adds photos one by one means a tenth
    all along.
    """
    counts = Counter(parts)
    total = counts.total()
    if all(_is_near(share, counts[name], total) for name, share in USUAL.items()):
        return dict(USUAL)
    rounded = {name: _round(counts[name], total) for name in USUAL}
    if sum(rounded.values()) < 1:
        return rounded
    return {name: Fraction(counts[name], total) for name in USUAL}


def _is_near(share: Fraction, count: int, total: int) -> bool:
    return count > 0 and abs(share * total - count) < 1


def _round(count: int, total: int) -> Fraction:
    if not count:
        return Fraction(0)
    nearest = round(count / (total * _STEP)) * _STEP
    return nearest if _is_near(nearest, count, total) and nearest < 1 else Fraction(count, total)


def fresh_lines(dataset: Dataset, lists: Mapping[str, Iterable[Path]]) -> dict[str, list[Path]]:
    """What each of `LISTS` does not name yet, of the photos that it is to hold."""
    fresh = {}
    for name in LISTS:
        listed = {record.path for record in dataset.splits.get(name, ())}
        fresh[name] = [path for path in lists[name] if path not in listed]
    return fresh


def grown(path: Path, lines: Iterable[str]) -> bytes:
    """A list with more lines at its end; every byte that is there stays."""
    old = path.read_bytes() if path.exists() else b""
    end = b"\r\n" if b"\r\n" in old else b"\n"
    gap = end if old and not old.endswith((b"\n", b"\r")) else b""
    return old + gap + b"".join(line.encode() + end for line in lines)
