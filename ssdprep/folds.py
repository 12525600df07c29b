"""K-fold cross-validation: each photo validates once, and what must stay together does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from ssdprep.record import SsdprepError
from ssdprep.stratify import stratify
from ssdprep.wording import counted

_LIST = re.compile(r"fold\d+_(train|val)\.txt")


def deal_folds(labels: Sequence[Iterable[str]], count: int, groups: Iterable[Sequence[int]]) -> list[int]:
    """The fold, 1..count, in which each item validates; 0 for items of rare classes, which every fold trains on.

    labels, groups: as in `stratify`. `SsdprepError` where some fold would have nothing to validate on.
    """
    groups = list(groups)
    dealt = _dealt(labels, count, groups)
    filled = len(set(dealt) - {0})
    if filled < count:
        message = f"{counted(len(labels), 'photo')} outside of test do not fill {count} folds"
        if groups:
            message += ", for copies and shots of one burst stay together"
        fewer = (few for few in range(filled, 1, -1) if len(set(_dealt(labels, few, groups)) - {0}) == few)
        cure = next((f"fewer folds: --kfold {few}; or " for few in fewer), "")
        raise SsdprepError(message, f"{cure}label more photos, of classes in one or two photos above all")
    return dealt


def _dealt(labels: Sequence[Iterable[str]], count: int, groups: Iterable[Sequence[int]]) -> list[int]:
    shares = {"train": Fraction(0), **{str(fold): Fraction(1, count) for fold in range(1, count + 1)}}
    return [0 if name == "train" else int(name) for name in stratify(labels, shares, groups)]


def fold_lists(fold_of: dict[Path, int], count: int) -> dict[str, frozenset[Path]]:
    """What the lists fold1_val, fold1_train and so on hold: photos, by the name of the list."""
    lists = {}
    for fold in range(1, count + 1):
        held = frozenset(path for path, mine in fold_of.items() if mine == fold)
        lists[f"fold{fold}_val"] = held
        lists[f"fold{fold}_train"] = frozenset(fold_of) - held
    return lists


def lists_in(folder: Path) -> list[Path]:
    """The lists of folds that are in a folder, sorted."""
    return sorted(path for path in folder.glob("fold*.txt") if _LIST.fullmatch(path.name))
