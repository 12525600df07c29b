"""augmentation.csv: which pictures of a folder were drawn from which photo. `augmented` writes it, `split` reads it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ssdprep.record import Record, SsdprepError
from ssdprep.walk import folded

TABLE = "augmentation.csv"
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
    path = root / TABLE
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row.get(PICTURE), row.get(ORIGINAL)) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return Provenance({})
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SsdprepError(f"{path} cannot be read: {error}", "draw the pictures again: ssdprep augment") from error
    return Provenance({folded(Path(one).stem): folded(Path(other).stem) for one, other in rows if one and other})
