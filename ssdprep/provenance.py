"""augmentation.csv: which pictures of a folder were drawn from which photo. `augmented` writes it, `split` reads it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ssdprep.record import Finding, Record, Severity, SsdprepError
from ssdprep.walk import folded
from ssdprep.wording import quoted

TABLE = "augmentation.csv"
UNREADABLE = "AUG005"
PICTURE, ORIGINAL = "picture", "original"  # its columns with the two file names


class Provenance:
    """The originals of drawn pictures. All names by their stems, wherever the files lie."""

    def __init__(self, original_of: dict[str, str]) -> None:
        self._original_of = original_of

    def is_drawn(self, record: Record) -> bool:
        """Whether this picture was drawn from a photo."""
        return folded(record.path.stem) in self._original_of

    def original_of(self, record: Record) -> str:
        """The stem of the photo that a picture was drawn from; of a photo, its own."""
        stem = folded(record.path.stem)
        return self._original_of.get(stem, stem)

    def for_training(self, records: Iterable[Record], part_of: Mapping[Path, str]) -> Iterator[Path]:
        """The drawn pictures among the records whose photo is in train; ``part_of`` gives the part of each photo."""
        trained = {folded(path.stem) for path, part in part_of.items() if part == "train"}
        for record in records:
            if self._original_of.get(folded(record.path.stem)) in trained:
                yield record.path


def read_provenance(root: Path) -> Provenance:
    """What ROOT/augmentation.csv says; nothing is drawn where there is no such table, or one of another make.

    `SsdprepError` where it is there and cannot be read: what was drawn from a photo must not be tested against it.
    """
    found, faults = provenance_and_faults(root)
    for fault in faults:
        raise SsdprepError(f"{fault.path} {fault.message}", fault.remedy)
    return found


def provenance_and_faults(root: Path) -> tuple[Provenance, tuple[Finding, ...]]:
    """As `read_provenance`; a table that cannot be read is a finding, and every picture then counts as a photo."""
    path = root / TABLE
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a byte order mark in front
            between = max(",;\t", key=file.readline().count)  # spreadsheets of many countries write semicolons
            file.seek(0)
            rows = _rows(csv.DictReader(file, delimiter=between))
    except FileNotFoundError:
        return Provenance({}), ()
    except (OSError, ValueError, csv.Error) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", error)
        message = f"cannot be read: {why}; which pictures were drawn from which photo is unknown"
        other = quoted(path.with_name(f"other-{TABLE}"))
        remedy = (
            "bring back the one that came with the drawn pictures; "
            f"if it is a table of your own, give it another name: mv {quoted(path)} {other}"
        )
        return Provenance({}), (Finding(UNREADABLE, Severity.ERROR, path, 0, message, remedy),)
    return Provenance({folded(Path(one).stem): folded(Path(other).stem) for one, other in rows}), ()


def _rows(table: csv.DictReader[str]) -> list[tuple[str, str]]:
    """Picture and original of each row; none of a table of another make. ``ValueError`` for one that was cut."""
    if not table.fieldnames:
        raise ValueError("it is empty")
    if not {PICTURE, ORIGINAL} <= set(table.fieldnames):
        return []
    rows = list(table)
    if rows and None in rows[-1].values():
        raise ValueError(f"it ends in the middle of line {table.line_num}")
    return [(row[PICTURE], row[ORIGINAL]) for row in rows if row[PICTURE] and row[ORIGINAL]]
