"""What fix-exif found out and the files no longer show, noted in ``DATA/.ssdprep/settled.json``.

Where only boxes were moved, a photo with orientation 2, 3 or 4 looks the same before and after: without a note the next
run would move them again. And what the files of a set showed about its frame is gone once they are upright.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from ssdprep.record import Dataset, Record, Size

Drawn = Literal["stored", "upright"]


class Note(TypedDict):
    """One annotation whose boxes were upright when this was written, and what makes the note stale."""

    annotation: str  # SHA-256 of its bytes
    orientation: int  # of the photo
    stored: list[int]  # size of the photo's pixel array
    drawn: Drawn | None  # the frame that the file itself showed, before


Notes = dict[Path, Note]  # by the annotation's absolute path


def place(root: Path) -> Path:
    """Where the notes about a data folder are."""
    return root / ".ssdprep" / "settled.json"


def notes_about(dataset: Dataset) -> Notes:
    """The notes that concern a data set, by absolute path: its own, and those of folders above and below it."""
    parents = {os.path.dirname(record.annotation) for record in dataset.records if record.annotation}  # noqa: PTH120
    wholes = [Path(parent).absolute() for parent in parents]
    folders = {folder for whole in wholes for folder in (whole, *whole.parents)}
    return {folder / name: note for folder in folders for name, note in read(folder).items()}


def note_about(record: Record, notes: Notes) -> Note | None:
    """The note about a record, be it stale or not."""
    return notes.get(record.annotation.absolute()) if notes and record.annotation else None


def holds(note: Note, record: Record) -> bool:
    """Whether a note is still true: annotation, orientation and size are what they were."""
    assert record.annotation is not None
    assert record.stored_size is not None
    return note == written(record.annotation.read_bytes(), record.orientation, record.stored_size, note.get("drawn"))


def written(annotation: bytes, orientation: int, stored: Size, drawn: Drawn | None) -> Note:
    """A note about an annotation with these bytes, beside a photo like this."""
    digest = hashlib.sha256(annotation).hexdigest()
    return {"annotation": digest, "orientation": orientation, "stored": list(stored), "drawn": drawn}


def read(root: Path) -> dict[str, Note]:
    """The notes of one folder, by path relative to it; none where they are missing or not readable as such."""
    try:
        notes: Any = json.loads(place(root).read_bytes())
    except (OSError, ValueError):
        return {}
    known = isinstance(notes, dict) and all(isinstance(note, dict) for note in notes.values())
    return notes if known else {}


def are_new(root: Path, notes: Mapping[Path, Note]) -> bool:
    """Whether a folder's notes lack any of these, by path below it."""
    known = read(root)
    return any(known.get(path.relative_to(root).as_posix()) != note for path, note in notes.items())


def merged(root: Path, new: Mapping[Path, Note]) -> bytes:
    """The bytes of a folder's notes with newer ones, by path below it."""
    notes = read(root) | {path.relative_to(root).as_posix(): note for path, note in new.items()}
    return json.dumps(dict(sorted(notes.items())), indent=1, ensure_ascii=False).encode() + b"\n"
