"""The offline set: every photo upright, and pictures drawn from those that are for training."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from ssdprep import derived, images, provenance
from ssdprep.augment import Augmented, Drawn, Recipe, augment_image, rng_for
from ssdprep.faults import ImageFault
from ssdprep.formats import voc
from ssdprep.parallel import cores, in_order
from ssdprep.record import Finding, Object, Record, Report, Severity, Size, SsdprepError, Track, untracked

UNLISTED, NO_SPLIT = "AUG001", "AUG002"
COLUMNS = (provenance.PICTURE, provenance.ORIGINAL, "source", "copy", "boxes", "kept", "dropped", *Drawn.__slots__)
IMAGES, ANNOTATIONS, SPLITS = "images", "annotations", "ImageSets/Main"
_WORTH_A_WORKER = 64  # pictures: below, a worker takes longer to start than to draw


@dataclass(frozen=True, slots=True)
class AugmentReport(Report):
    """What was written, and where."""

    out: Path
    recipe: Recipe
    seed: int
    photos: int  # upright originals in the new set
    drawn_from: int  # of them: those for training
    pictures: int  # drawn
    boxes: dict[str, int]  # in the new set, by class, originals and drawn pictures together
    dropped: int  # boxes that left a drawn picture, by Recipe.min_visibility
    emptied: int  # drawn pictures that lost their last box
    how: dict[str, int]  # photos by what was done to their bytes: passed through, turned without loss, transcoded
    splits: dict[str, int]  # photos and pictures in each list of ImageSets/Main
    unlabelled: int  # photos left out, because they have no annotation
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "out": str(self.out),
            "photos": self.photos,
            "drawn_from": self.drawn_from,
            "pictures": self.pictures,
            "boxes": self.boxes,
            "dropped": self.dropped,
            "emptied": self.emptied,
            "how": self.how,
            "splits": self.splits,
            "unlabelled": self.unlabelled,
            "recipe": {**self.recipe.operations, "min_visibility": self.recipe.min_visibility, "fit": self.recipe.fit},
            "seed": self.seed,
        }


class Task(NamedTuple):
    """One photo and the names of the pictures to draw from it."""

    record: Record
    source: str  # path below the old folder: what its randomness is keyed by
    stem: str
    copies: tuple[str, ...]


class Done(NamedTuple):
    """What became of a `Task`: rows of augmentation.csv, the class of each box; a fault where the photo is damaged."""

    how: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    boxes: tuple[str, ...] = ()
    fault: Finding | None = None


def augment_folder(
    data: Path | str,
    out: Path | str | None = None,
    recipe: Recipe | None = None,
    *,
    copies: int = 1,
    seed: int = 0,
    jobs: int = 0,
    track: Track = untracked,
) -> AugmentReport:
    """Write a new, complete data set: ``images/``, ``annotations/``, ``augmentation.csv``, the splits of the old one.

    It holds every labelled photo, upright, and ``copies`` pictures drawn from each one that is for training: all of
    them, or where DATA has splits those in ``train``, so that val and test stay what they are. A drawn picture is
    listed wherever its photo is. The same seed gives the same bytes with any number of ``jobs`` (0: all cores; more
    than one starts processes, so a script needs ``if __name__ == "__main__":``).

    ``out`` (default: DATA-augmented, beside DATA) appears whole or not at all. A damaged photo becomes a finding.
    Raises `SsdprepError` where ``out`` is not empty, the recipe does nothing, or no photo is usable.
    """
    data = Path(data)
    out = derived.folder_beside(data, "augmented") if out is None else Path(out)
    recipe = recipe or Recipe()
    if copies < 1:
        raise ValueError(f"copies must be at least 1, not {copies}")
    if not recipe.operations:
        raise SsdprepError(
            "nothing to draw: no operation is chosen",
            "--rotate 15 --flip-h --contrast 0.2 (all: ssdprep augment --help)",
        )
    if out.resolve().is_relative_to(data.resolve()):
        raise SsdprepError(f"{out} lies inside {data}: it would become part of it", "--out with a folder outside")
    source = derived.read_source(data, track=track)
    tasks, unlisted = _tasks(source, copies)
    with derived.new_folder(out) as folder:
        _make_folders(folder)
        work = partial(_make, folder=folder, recipe=recipe, seed=seed)
        workers = jobs or min(cores(), 1 + len(tasks) * copies // _WORTH_A_WORKER)
        done = list(track(in_order(work, tasks, jobs=workers, at_once=4), "Drawing pictures", len(tasks)))
        _write_table(folder / provenance.TABLE, chain.from_iterable(each.rows for each in done))
        written = [task for task, each in zip(tasks, done, strict=True) if each.fault is None]
        splits = _write_splits(folder / SPLITS, source, written)
    return _report(out, recipe, seed, source, done, splits, unlisted)


def _tasks(source: derived.Source, copies: int) -> tuple[list[Task], list[Finding]]:
    """What to do with each photo, and those that no split lists. Names are settled here, before any work."""
    drawn = set(source.parts().get("train", ()))
    taken: set[str] = set()
    stems = derived.unique((derived.printable(record.path.stem) for record in source.records), taken)
    tasks = []
    for record, stem in zip(source.records, stems, strict=True):
        names = [f"{stem}_aug{copy}" for copy in range(1, copies + 1)] if record in drawn else []
        tasks.append(Task(record, source.name_of(record), stem, tuple(derived.unique(names, taken))))
    listed = set(chain.from_iterable(source.splits.values()))
    unlisted = [record for record in source.records if source.splits and record not in listed and record not in drawn]
    return tasks, [_unlisted(record) for record in unlisted] or _unsplit(source)


def _unlisted(record: Record) -> Finding:
    message = "is in no split: kept, and nothing drawn from it"
    return Finding(UNLISTED, Severity.WARNING, record.path, 0, message, "run ssdprep split again with --force")


def _unsplit(source: derived.Source) -> list[Finding]:
    if source.splits:
        return []
    message = "has no split: a split made later cannot use what was drawn from the photos it holds out"
    return [Finding(NO_SPLIT, Severity.WARNING, source.root, 0, message, "split first: ssdprep split, then augment")]


def _make(task: Task, *, folder: Path, recipe: Recipe, seed: int) -> Done:
    """Write one photo and its pictures. The only function that runs in a worker."""
    path, objects = task.record.path, task.record.objects
    try:
        encoded = images.upright_bytes(path)
        pixels = images.read_upright(path)
    except (ImageFault, OSError) as error:
        return Done(fault=derived.damage(path, error))
    extension = ".jpg" if encoded.format == "JPEG" else ".png"
    _write(folder, task.stem, extension, encoded.data, objects, encoded.size)
    names, rows = [thing.name for thing in objects], []
    for copy, name in enumerate(task.copies, 1):
        picture = augment_image(pixels, objects, recipe, rng_for(seed, task.source, copy))
        _write(folder, name, ".jpg", images.encode_jpeg(picture.image), picture.objects, encoded.size)
        names.extend(thing.name for thing in picture.objects)
        rows.append(_row(f"{name}.jpg", task, extension, copy, picture))
    return Done(encoded.how, tuple(rows), tuple(names))


def _row(picture: str, task: Task, extension: str, copy: int, drawn: Augmented) -> dict[str, Any]:
    """A line of augmentation.csv."""
    boxes, kept = len(task.record.objects), len(drawn.objects)
    start = (picture, task.stem + extension, task.source, copy, boxes, kept, boxes - kept)
    applied = {key: int(value) if isinstance(value, bool) else value for key, value in drawn.applied.items()}
    return dict(zip(COLUMNS, start, strict=False)) | applied


def _write(folder: Path, stem: str, extension: str, data: bytes, objects: Sequence[Object], size: Size) -> None:
    filename = stem + extension
    record = Record(Path(filename), None, tuple(objects), size)
    (folder / IMAGES / filename).write_bytes(data)
    xml = voc.dumps(record, folder=IMAGES, filename=filename, size=size)
    (folder / ANNOTATIONS / f"{stem}.xml").write_bytes(xml)


def _make_folders(folder: Path) -> None:
    (folder / IMAGES).mkdir()
    (folder / ANNOTATIONS).mkdir()


def _write_table(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _write_splits(folder: Path, source: derived.Source, written: Sequence[Task]) -> dict[str, int]:
    """The old lists with the new names: a drawn picture stands behind its photo."""
    names = {task.record: (task.stem, *task.copies) for task in written}
    lists = {
        split: [name for record in records for name in names.get(record, ())]
        for split, records in source.splits.items()
    }
    if lists:
        folder.mkdir(parents=True)
    for split, listed in lists.items():
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in listed), encoding="utf-8", newline="\n")
    return {split: len(listed) for split, listed in lists.items()}


def _report(
    out: Path,
    recipe: Recipe,
    seed: int,
    source: derived.Source,
    done: Sequence[Done],
    splits: dict[str, int],
    unlisted: Sequence[Finding],
) -> AugmentReport:
    rows = [row for each in done for row in each.rows]
    faults = [each.fault for each in done if each.fault is not None]
    return AugmentReport(
        out=out,
        recipe=recipe,
        seed=seed,
        photos=len(done) - len(faults),
        drawn_from=sum(bool(each.rows) for each in done),
        pictures=len(rows),
        boxes=dict(sorted(Counter(chain.from_iterable(each.boxes for each in done)).items())),
        dropped=sum(row["dropped"] for row in rows),
        emptied=sum(row["boxes"] > 0 == row["kept"] for row in rows),
        how=dict(Counter(each.how for each in done if each.fault is None)),
        splits=splits,
        unlabelled=source.unlabelled,
        findings=derived.merged(source.findings, unlisted, faults),
    )
