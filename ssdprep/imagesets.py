"""VOC's lists of photos, ImageSets/Main/*.txt: which photo is in train, val and test."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from posixpath import basename, dirname, splitext
from typing import NamedTuple

from ssdprep.record import Finding, Severity
from ssdprep.walk import folded

NO_PHOTO, STRADDLES, NO_LIST, AMBIGUOUS = "SPL011", "SPL012", "SPL013", "SPL014"

_FLAG = re.compile(r"\s+(?:-1|0|1)$")  # VOC's class files mark each photo: -1 absent, 0 difficult, 1 present
_CLASS_FILE = re.compile(r".+_(train|val|trainval|test)$")
_PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Lists:
    """Names of photos by split, relative to the data folder, and what is wrong with the lists."""

    splits: dict[str, list[str]]
    findings: list[Finding]


def read_lists(root: Path, lists: Iterable[str], photos: Iterable[str], usable: Collection[str]) -> Lists:
    """Read split lists, names relative to the data folder as in `walk.Names`.

    A line is a stem, or a path relative to the folder that holds ImageSets, with or without extension. Photos that
    are not ``usable`` may be listed; they are left out, for reasons that were said elsewhere. VOC's lists of one class
    (apple_train.txt) are passed over.
    """
    splits: dict[str, list[str]] = defaultdict(list)
    findings: list[Finding] = []
    unmatched: list[_Unmatched] = []
    lists = list(lists)
    index = _Index(photos if lists else ())
    for name in lists:
        lines = _lines(root / name, findings)
        split = splitext(basename(name))[0]
        if _CLASS_FILE.match(split) and lines and all(_FLAG.search(line) for line in lines.values()):
            continue
        base = dirname(dirname(dirname(name)))
        for number, line in lines.items():
            found = index.find(line, base)
            if len(found) == 1:
                splits[split] += [photo for photo in found if photo in usable]
            else:
                unmatched.append(_Unmatched(name, number, line, found))
    unique = {split: list(dict.fromkeys(names)) for split, names in splits.items()}
    return Lists(unique, [*findings, *_said_where_it_matters(root, unmatched), *_straddling(root, unique)])


class _Unmatched(NamedTuple):
    """A line that names no photo, or several."""

    name: str  # of the list, relative to the data folder
    number: int
    line: str
    found: list[str]

    @property
    def what(self) -> tuple[str, str]:
        """The same for the same line of other lists beside it."""
        return dirname(self.name), folded(_FLAG.sub("", self.line))

    @property
    def rank(self) -> int:
        """0 for train, val and test; other lists only repeat them: 1 for trainval, 2 for folds and the like."""
        split = splitext(basename(self.name))[0]
        return 0 if split in _PARTS else 1 if split == "trainval" else 2


def _said_where_it_matters(root: Path, unmatched: Iterable[_Unmatched]) -> Iterator[Finding]:
    """A finding for each line of train, val and test, and one for a line that only other lists have."""
    said = set()
    for each in sorted(unmatched, key=lambda each: each.rank):
        if not each.rank or each.what not in said:
            said.add(each.what)
            yield _unmatched(root / each.name, each.number, each.line, each.found)


class _Index:
    """Photos by what a list may call them."""

    def __init__(self, photos: Iterable[str]) -> None:
        self.by_path: dict[str, list[str]] = defaultdict(list)
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        for photo in photos:
            bare = folded(splitext(photo)[0])
            self.by_path[folded(photo)].append(photo)
            self.by_path[bare].append(photo)
            self.by_stem[basename(bare)].append(photo)

    def find(self, line: str, base: str) -> list[str]:
        """The photos that a line may mean: more than one is ambiguous."""
        for text in dict.fromkeys((line, _FLAG.sub("", line))):
            wanted = folded(text.replace("\\", "/").removeprefix("./"))
            places = (f"{base}/{wanted}", f"{base}/JPEGImages/{wanted}")
            for place in places:
                if exact := self.by_path.get(folded(place).lstrip("/")):
                    return exact
            stems = self.by_stem.get(wanted) or self.by_stem.get(splitext(wanted)[0], [])
            if near := [photo for photo in stems if not base or folded(photo).startswith(folded(base) + "/")]:
                return near
            if stems:
                return stems
        return []


def _lines(path: Path, findings: list[Finding]) -> dict[int, str]:
    """Line number -> text, empty lines left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        remedy = "save it as UTF-8 text, or write it anew with `ssdprep split`"
        findings.append(Finding(NO_LIST, Severity.ERROR, path, 0, f"the list cannot be read: {reason}", remedy))
        return {}
    return {number: line.strip() for number, line in enumerate(text.splitlines(), 1) if line.strip()}


def _unmatched(path: Path, number: int, line: str, found: list[str]) -> Finding:
    if found:
        message = f"{line!r} may be {found[0]}, {found[1]}" + (" or others" if len(found) > 2 else "")
        return Finding(AMBIGUOUS, Severity.ERROR, path, number, message, "write the path, not only the name")
    message = f"{line!r} is no photo of this folder"
    return Finding(NO_PHOTO, Severity.ERROR, path, number, message, "bring the photo back, or delete the line")


def _straddling(root: Path, splits: Mapping[str, list[str]]) -> Iterable[Finding]:
    """A photo that is trained on and tested on."""
    for one, other in combinations(_PARTS, 2):
        for photo in sorted(set(splits.get(one, ())) & set(splits.get(other, ()))):
            message = f"this photo is in {one} and in {other}: the test is no test"
            yield Finding(STRADDLES, Severity.ERROR, root / photo, 0, message, "ssdprep split DATA --force")
