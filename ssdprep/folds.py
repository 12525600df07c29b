"""K-fold cross-validation: each photo validates once, and what must stay together does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from ssdprep.record import SsdprepError
from ssdprep.stratify import stratify

_LIST = re.compile(r"fold\d+_(train|val)\.txt")


def deal_folds(labels: Sequence[Iterable[str]], count: int, groups: Iterable[Sequence[int]]) -> list[int]:
    """The fold, 1..count, in which each item validates; 0 for items of rare classes, which every fold trains on.

    labels, groups: as in `stratify`. `SsdprepError` where some fold would have nothing to validate on.
    """
    names = [str(fold) for fold in range(1, count + 1)]
    shares = {"train": Fraction(0), **dict.fromkeys(names, Fraction(1, count))}
    dealt = stratify(labels, shares, groups)
    if missing := set(names) - set(dealt):
        message = f"{len(labels)} photos outside of test do not fill {count} folds: {len(missing)} would be empty"
        raise SsdprepError(message, f"fewer folds: --kfold {max(count - len(missing), 2)}; or label more photos")
    return [0 if name == "train" else int(name) for name in dealt]


def fold_lists(folder: Path, fold_of: dict[Path, int], count: int) -> dict[Path, frozenset[Path]]:
    """What fold1_val.txt, fold1_train.txt and so on hold: photos, by the path of the list."""
    lists = {}
    for fold in range(1, count + 1):
        held = frozenset(path for path, mine in fold_of.items() if mine == fold)
        lists[folder / f"fold{fold}_val.txt"] = held
        lists[folder / f"fold{fold}_train.txt"] = frozenset(fold_of) - held
    return lists


def lists_in(folder: Path) -> list[Path]:
    """The lists of folds that are in a folder, sorted."""
    return sorted(path for path in folder.glob("fold*.txt") if _LIST.fullmatch(path.name))
