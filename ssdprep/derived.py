"""A new data set made from an old one: what goes into it, which part each photo is in, a folder that appears whole."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ssdprep import boxes
from ssdprep.disk import free_name, in_plain_words
from ssdprep.lock import is_mine
from ssdprep.record import Box, Dataset, Finding, Record, SsdprepError, Track, untracked

HELD_OUT = ("val", "test")
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Source:
    """The photos of a data set that a new one can be made from: labelled, upright, every box on its photo."""

    root: Path
    records: tuple[Record, ...]
    splits: dict[str, tuple[Record, ...]]  # as ImageSets/Main has them, these records only
    unlabelled: int  # photos left out because they have no annotation
    unusable: int  # photos left out because they are damaged, or their labels broken or in doubt
    boxes_left_out: int  # boxes left out because they are not on their photo
    findings: tuple[Finding, ...]

    def parts(self) -> dict[str, tuple[Record, ...]]:
        """What is for train, val and test; empty parts are left out. Without splits everything is for training.

        Where no ``train`` is listed, ``trainval`` stands in, or every photo. No photo is in two parts: one that is
        listed for the test is neither val nor train, one for val is not train, whatever the lists say.
        """
        listed = {name: self.splits.get(name, ()) for name in HELD_OUT}
        listed["train"] = self.splits.get("train") or self.splits.get("trainval", self.records)
        parts, taken = {}, set[Record]()
        for name in ("test", "val", "train"):
            parts[name] = tuple(record for record in listed[name] if record not in taken)
            taken.update(parts[name])
        return {name: parts[name] for name in ("train", *HELD_OUT) if parts[name]}

    @property
    def places(self) -> dict[str, str]:
        """Where each class first occurs: FILE:LINE."""
        places: dict[str, str] = {}
        for record in self.records:
            for thing in record.objects:
                places.setdefault(thing.name, f"{record.annotation or record.path}:{thing.line}")
        return places

    def name_of(self, record: Record) -> str:
        """The photo's path below the folder, with slashes on every system."""
        return record.path.relative_to(self.root).as_posix()


def read_source(data: Path, *, track: Track = untracked) -> Source:
    """Scan a folder for what a new data set can be made from. `SsdprepError` where nothing is left."""
    from ssdprep.orient import to_upright
    from ssdprep.scan import scan_folder

    scanned = scan_folder(data, track=track)
    upright = to_upright(scanned)
    found = {record.path: record for record in upright.records if _complete(record)}
    if not found:
        raise SsdprepError(f"no photo of {data} has labels that can be used", f"ssdprep audit {shlex.quote(str(data))}")
    placed = {path: on_photo(record) for path, record in found.items()}
    photos = sum(record.image is not None for record in scanned.records) + len(scanned.left_out)
    unlabelled = sum(record.annotation is None for record in scanned.records)
    return Source(
        root=upright.root,
        records=tuple(placed.values()),
        splits=_splits(upright, placed),
        unlabelled=unlabelled,
        unusable=photos - unlabelled - len(placed),
        boxes_left_out=sum(len(found[path].objects) - len(placed[path].objects) for path in found),
        findings=upright.findings,
    )


def on_photo(record: Record) -> Record:
    """The record with its boxes clipped to the photo; boxes of which no pixel is left are left out."""
    assert record.size is not None
    clipped = boxes.clip([thing.box for thing in record.objects], record.size)
    pairs = zip(
        record.objects, clipped.tolist(), (clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=1.0), strict=True
    )
    return replace(record, objects=tuple(replace(thing, box=Box(*box)) for thing, box, side in pairs if side > 0))


def folder_beside(data: Path, suffix: str) -> Path:
    """DATA-suffix, beside DATA."""
    whole = data.resolve()
    return (
        whole.with_name(f"{whole.name}-{suffix}")
        if str(data) in (".", "..")
        else data.with_name(f"{data.name}-{suffix}")
    )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder that appears whole or not at all: what is written into the yielded one becomes ``out`` at the end.

    `SsdprepError` if ``out`` has something in it, or is being written by another process. After a kill the hidden
    folder ``.NAME.partial`` is left beside it, and the next run that writes ``out`` removes that.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if out.is_dir():
            message, remedy, other = f"{out} exists and is not empty", "delete it, or name another", free_name(out)
        else:
            message, remedy, other = f"{out} is a file, no folder", "name a new", free_name(out.with_suffix(""))
        raise SsdprepError(message, f"{remedy} folder: --out {shlex.quote(str(other))}")
    whole = Path(os.path.realpath(out))  # a link is followed: what it names is what appears
    partial = whole.with_name(f".{whole.name}.partial")
    with in_plain_words(out, "written", "--out"):
        partial.mkdir(parents=True, exist_ok=True)
        lock = os.open(partial / _LOCK, os.O_RDWR | os.O_CREAT)
    if not is_mine(lock):
        os.close(lock)
        raise SsdprepError(f"another ssdprep is writing {out}", "wait until it is done")
    try:
        _empty(partial)
        yield partial
    except BaseException:
        _empty(partial)
        _release(lock, partial)
        partial.rmdir()
        raise
    _release(lock, partial)
    if whole.exists():
        whole.rmdir()
    partial.rename(whole)


def unique(names: Iterable[str], taken: set[str]) -> list[str]:
    """The names, the later of two equal ones with -2, -3 ... behind it, also where only case tells them apart.

    ``taken`` holds names in `str.casefold`; the new ones are added to it.
    """
    chosen = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate.casefold())
        chosen.append(candidate)
    return chosen


def printable(name: str) -> str:
    """A file name that XML, a list with one name a line, and every system can hold."""
    return "".join(letter if letter.isprintable() else "_" for letter in name)


def _complete(record: Record) -> bool:
    return record.image is not None and record.annotation is not None and record.size is not None


def _splits(dataset: Dataset, placed: dict[Path, Record]) -> dict[str, tuple[Record, ...]]:
    return {
        name: tuple(placed[record.path] for record in records if record.path in placed)
        for name, records in dataset.splits.items()
    }


def _empty(folder: Path) -> None:
    """Remove everything in a folder but its lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()


def _release(lock: int, folder: Path) -> None:
    os.close(lock)
    (folder / _LOCK).unlink()
