"""What a training run was like, epoch by epoch: the lines of history.csv."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ssdprep.files import write_new

HISTORY = "history.csv"
_LITTLE = 0.05  # AP50 below which a detector has learnt next to nothing, and no single error is worth a look
_MORE = 0.005  # AP that is worth more epochs


@dataclass(frozen=True)
class Epoch:
    """One line of history.csv. Losses are means over the epoch, AP50 and AP are those of the averaged weights.

    They are nan where no photo was kept for validation.
    images_per_second: while it trained, the first step left aside; seconds: since the beginning of the run.
    """

    epoch: int
    stage: str
    loss: float
    class_loss: float
    box_loss: float
    val_AP50: float
    val_AP: float
    images_per_second: float
    seconds: float

    @property
    def rank(self) -> tuple[float, float]:
        """The higher, the better it detects: AP, then AP50; undefined is worse than 0.

        AP first: on a few dozen photos AP50 is at its best by chance, early, while boxes still come to lie better.
        """
        return tuple(-1.0 if math.isnan(value) else value for value in (self.val_AP, self.val_AP50))

    def to_dict(self) -> dict[str, Any]:
        """JSON types; a figure that is not defined is null."""
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self).items()
        }


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The epoch that detects best, the first of equals; where none was measured the last."""
    return max(history, key=lambda line: line.rank) if is_measured(history) else history[-1]


def is_measured(history: Sequence[Epoch]) -> bool:
    """Were there photos for validation?"""
    return any(not math.isnan(line.val_AP) for line in history)


class Course(NamedTuple):
    """How AP went on the validation photos, as a history.csv tells it."""

    still_rises: bool  # at its best in the last tenth of the epochs, and clearly better than before
    is_little: bool  # next to nothing was found in any epoch

    @classmethod
    def of(cls, path: Path) -> Course:
        """Neither is so where the file tells nothing: no epoch was measured, or it is not as it was written."""
        try:
            with path.open(encoding="utf-8", newline="") as file:
                told = [(float(line["val_AP"]), float(line["val_AP50"])) for line in csv.DictReader(file)]
        except (OSError, ValueError, KeyError, TypeError):
            told = []
        known = [pair for pair in told if not any(map(math.isnan, pair))]
        values = [ap for ap, _ in known]
        first = values[: -max(1, len(values) // 10)]
        rises = bool(first) and max(values) >= max(first) + _MORE
        return cls(rises, bool(known) and max(ap50 for _, ap50 in known) < _LITTLE)


NO_COURSE = Course(still_rises=False, is_little=False)


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """The epochs as CSV, one line each."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(Epoch.__dataclass_fields__))
    writer.writeheader()
    writer.writerows(
        {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(line).items()}
        for line in history
    )
    write_new(path, text.getvalue().encode())
