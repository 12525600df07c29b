"""One photo and the pictures drawn from it, as files of the new set; the table that says what was drawn."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ssdprep import images, provenance
from ssdprep.augment import Augmented, Drawn, Recipe, augment_image, rng_for
from ssdprep.faults import ImageFault, damage, doubt
from ssdprep.formats import voc
from ssdprep.record import Finding, Object, Record, Size

COLUMNS = (provenance.PICTURE, provenance.ORIGINAL, "source", "copy", "boxes", "kept", "dropped", *Drawn.__slots__)
IMAGES, ANNOTATIONS = "images", "annotations"


class Task(NamedTuple):
    """One photo and the names of the pictures to draw from it."""

    record: Record
    source: str  # path below the old folder: what its randomness is keyed by
    stem: str
    copies: tuple[str, ...]
    training: bool  # whether it is for training
    original: str = ""  # file name of the photo that an earlier augment drew it from; empty: it is a photo itself


class Done(NamedTuple):
    """What became of a `Task`: rows of augmentation.csv, the class of each box; a fault where the photo is damaged."""

    how: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    boxes: tuple[str, ...] = ()  # on the photo
    drawn: tuple[str, ...] = ()  # on the pictures drawn from it
    fault: Finding | None = None
    remark: Finding | None = None  # on a photo that was used all the same
    inherited: tuple[dict[str, Any], ...] = ()  # its own row, where it is a drawn picture itself


def make_folders(folder: Path) -> None:
    """The empty set."""
    (folder / IMAGES).mkdir()
    (folder / ANNOTATIONS).mkdir()


def make(task: Task, *, folder: Path, recipe: Recipe, seed: int) -> Done:
    """Write one photo and its pictures. The only function that runs in a worker."""
    path, objects = task.record.path, task.record.objects
    try:
        encoded = images.upright_bytes(path)
        pixels = images.read_upright(path) if task.copies else None
    except (ImageFault, OSError) as error:
        return Done(fault=damage(path, error))
    extension = ".jpg" if encoded.format == "JPEG" else ".png"
    _write(folder, task.stem, extension, encoded.data, objects, encoded.size)
    names: list[str] = []
    rows = []
    for copy, name in enumerate(task.copies, 1):
        assert pixels is not None
        picture = augment_image(pixels, objects, recipe, rng_for(seed, task.source, copy))
        _write(folder, name, ".jpg", images.encode_jpeg(picture.image), picture.objects, encoded.size)
        names.extend(thing.name for thing in picture.objects)
        rows.append(_row(f"{name}.jpg", task, extension, copy, picture))
    start = (task.stem + extension, task.original, task.source)
    inherited = (dict(zip(COLUMNS, start, strict=False)),) if task.original else ()
    return Done(
        encoded.how,
        tuple(rows),
        tuple(thing.name for thing in objects),
        tuple(names),
        remark=doubt(path, encoded.left_over),
        inherited=inherited,
    )


def write_table(folder: Path, rows: Iterable[dict[str, Any]]) -> None:
    """augmentation.csv."""
    with (folder / provenance.TABLE).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _row(picture: str, task: Task, extension: str, copy: int, drawn: Augmented) -> dict[str, Any]:
    """A line of augmentation.csv."""
    boxes, kept = len(task.record.objects), len(drawn.objects)
    start = (picture, task.original or task.stem + extension, task.source, copy, boxes, kept, boxes - kept)
    applied = {key: int(value) if isinstance(value, bool) else value for key, value in drawn.applied.items()}
    return dict(zip(COLUMNS, start, strict=False)) | applied


def _write(folder: Path, stem: str, extension: str, data: bytes, objects: Sequence[Object], size: Size) -> None:
    filename = stem + extension
    record = Record(Path(filename), None, tuple(objects), size)
    (folder / IMAGES / filename).write_bytes(data)
    xml = voc.dumps(record, folder=IMAGES, filename=filename, size=size)
    (folder / ANNOTATIONS / f"{stem}.xml").write_bytes(xml)
