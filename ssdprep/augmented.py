"""The offline set: every photo upright, and pictures drawn from those that are for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from ssdprep import derived
from ssdprep.augment import Recipe
from ssdprep.augment_plan import AT_MOST, planned, require_outside
from ssdprep.augmented_files import Done, Task, make, make_folders, write_table
from ssdprep.balance import imbalance
from ssdprep.parallel import cores, in_order
from ssdprep.record import Finding, Report, Track, merged, untracked

SPLITS = "ImageSets/Main"
_WORTH_A_WORKER = 200  # pictures: below, a worker takes longer to start than to draw them


class Balance(NamedTuple):
    """Boxes of the most frequent class for one of the rarest, among what is for training."""

    asked: float
    before: float
    after: float


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
    for_training: dict[str, tuple[int, int]]  # of them, by class: on the photos for training; drawn pictures added
    balance: Balance | None  # None: not asked for
    dropped: int  # boxes that left a drawn picture, by Recipe.min_visibility
    emptied: int  # drawn pictures that lost their last box
    how: dict[str, int]  # photos by what was done to their bytes: passed through, turned without loss, transcoded
    splits: dict[str, int]  # photos and pictures in each list of ImageSets/Main
    unusable: int  # photos left out because they are damaged, or their labels broken or in doubt
    unlabelled: int  # photos left out because they have no annotation
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "out": str(self.out),
            "photos": self.photos,
            "drawn_from": self.drawn_from,
            "pictures": self.pictures,
            "boxes": self.boxes,
            "for_training": {name: {"before": old, "after": new} for name, (old, new) in self.for_training.items()},
            "balance": self.balance._asdict() if self.balance else None,
            "dropped": self.dropped,
            "emptied": self.emptied,
            "how": self.how,
            "splits": self.splits,
            "unusable": self.unusable,
            "unlabelled": self.unlabelled,
            "recipe": {**self.recipe.operations, "min_visibility": self.recipe.min_visibility, "fit": self.recipe.fit},
            "seed": self.seed,
        }


def augment_folder(
    data: Path | str,
    out: Path | str | None = None,
    recipe: Recipe | None = None,
    *,
    copies: int = 1,
    balance: float | None = None,
    at_most: int = AT_MOST,
    seed: int = 0,
    jobs: int = 0,
    track: Track = untracked,
) -> AugmentReport:
    """Write a new, complete data set: ``images/``, ``annotations/``, ``augmentation.csv``, the splits of the old one.

    It holds every labelled photo, upright, and ``copies`` pictures drawn from each one that is for training: all of
    them, or where DATA has splits those in ``train``, so that val and test stay what they are. A drawn picture is
    listed in those lists for training that hold its photo. The same seed gives the same bytes with any number of
    ``jobs`` (0: all cores; more than one starts processes, so a script needs ``if __name__ == "__main__":``).

    balance: draw more from photos of rare classes, ``at_most`` so many in all from one, until the most frequent class
    has at most so many boxes for one of the rarest; ``copies`` may then be 0, and no more than ``at_most``. Where the
    ratio cannot be reached, a finding says why.

    ``out`` (default: DATA-augmented, beside DATA) appears whole or not at all. A damaged photo becomes a finding.
    Raises `SsdprepError` where ``out`` is not empty, the recipe does nothing, or no photo is usable; ``ValueError`` for
    numbers out of range.
    """
    data, recipe = Path(data), recipe or Recipe()
    out = derived.folder_beside(data, "augmented") if out is None else Path(out)
    require_outside(out, data)
    source, tasks, found = planned(data, recipe, copies=copies, ratio=balance, at_most=at_most, seed=seed, track=track)
    with derived.new_folder(out) as folder:
        make_folders(folder)
        work = partial(make, folder=folder, recipe=recipe, seed=seed)
        workers = jobs or min(cores(), 1 + sum(len(task.copies) for task in tasks) // _WORTH_A_WORKER)
        done = list(track(in_order(work, tasks, jobs=workers), "Drawing pictures", len(tasks)))
        write_table(folder, chain.from_iterable((*each.inherited, *each.rows) for each in done))
        written = [task for task, each in zip(tasks, done, strict=True) if each.fault is None]
        splits = _write_splits(folder / SPLITS, source, written)
    return _report(out, recipe, seed, source, tasks, done, splits, balance, found)


def _write_splits(folder: Path, source: derived.Source, written: Sequence[Task]) -> dict[str, int]:
    """The old lists with the new names. In those for training, folds too, a drawn picture stands behind its photo."""
    photos = {task.record: (task.stem,) for task in written}
    both = {task.record: (task.stem, *task.copies) for task in written}
    lists = {
        split: [name for record in records for name in (both if _trains(split) else photos).get(record, ())]
        for split, records in source.splits.items()
    }
    if lists:
        folder.mkdir(parents=True)
    for split, listed in lists.items():
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in listed), encoding="utf-8", newline="\n")
    return {split: len(listed) for split, listed in lists.items()}


def _trains(split: str) -> bool:
    """Whether a list is for training, by its name: train, trainval, fold1_train. A photo in fold1_val may be in train
    too, and what was drawn from it is nothing to validate on."""
    return split.lower().endswith(("train", "trainval"))


def _report(
    out: Path,
    recipe: Recipe,
    seed: int,
    source: derived.Source,
    tasks: Sequence[Task],
    done: Sequence[Done],
    splits: dict[str, int],
    asked: float | None,
    found: Sequence[Finding],
) -> AugmentReport:
    rows = [row for each in done for row in each.rows]
    faults = [each.fault for each in done if each.fault is not None]
    drawn = Counter(chain.from_iterable(each.drawn for each in done))
    boxes = Counter(chain.from_iterable(each.boxes for each in done)) + drawn
    pairs = zip(tasks, done, strict=True)
    before = Counter(chain.from_iterable(each.boxes for task, each in pairs if task.training))
    after = before + drawn
    return AugmentReport(
        out=out,
        recipe=recipe,
        seed=seed,
        photos=len(done) - len(faults),
        drawn_from=sum(bool(each.rows) for each in done),
        pictures=len(rows),
        boxes=dict(sorted(boxes.items())),
        for_training={name: (before[name], after[name]) for name in sorted(boxes)},
        balance=Balance(asked, imbalance(before), imbalance(after)) if asked is not None else None,
        dropped=sum(row["dropped"] for row in rows),
        emptied=sum(row["boxes"] > 0 == row["kept"] for row in rows),
        how=dict(Counter(each.how for each in done if each.fault is None)),
        splits=splits,
        unusable=source.unusable + len(faults),
        unlabelled=source.unlabelled,
        findings=merged(source.findings, found, faults, (each.remark for each in done if each.remark)),
    )
