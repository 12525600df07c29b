"""From which score on a box counts: one for all classes, another for some."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssd.evaluation.thresholds import SCORE
from ssdprep.labels import LabelMap
from ssdprep.record import SsdprepError


@dataclass(frozen=True)
class Limits:
    """The score from which on boxes count, and those of classes that have one of their own."""

    overall: float = SCORE
    by_class: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, words: Sequence[str], labels: LabelMap) -> Limits:
        """From words as a command line has them; later ones win.

        ``0.4``: for all classes; ``milk=0.3``: for one; ``FILE.json``: what ``ssd.evaluate --json`` found for each.
        `SsdprepError` for what is no score from 0 to 1, for a class that the detector does not know, and for a file
        that is no evaluation.
        """
        overall, by_class = SCORE, {}
        for word in words:
            name, equals, number = word.rpartition("=")
            if word.endswith(".json"):
                by_class |= _of_evaluation(Path(word), labels)
            elif equals:
                if name not in labels.names:
                    raise SsdprepError(
                        f"--threshold {word}: class {name!r} is not one of this detector's{labels.hint(name)}",
                        "write CLASS=SCORE with the name as the detector has it",
                    )
                by_class[name] = _score(word, number)
            else:
                overall = _score(word, number)
        return cls(overall, by_class)

    def of(self, name: str) -> float:
        """The score from which on boxes of a class count."""
        return self.by_class.get(name, self.overall)

    def of_all(self, labels: LabelMap) -> np.ndarray:
        """The same of every class, float64 (n_classes,)."""
        return np.array([self.of(name) for name in labels.names])

    def __str__(self) -> str:
        return ", ".join([f"{self.overall:g}", *(f"{name} {score:g}" for name, score in self.by_class.items())])


def _of_evaluation(path: Path, labels: LabelMap) -> dict[str, float]:
    """From which score on an evaluation shows each class that the detector knows."""
    try:
        per_class = json.loads(path.read_text(encoding="utf-8"))["per_class"]
        found = {name: float(per_class[name]["shown_from"]) for name in labels.names if name in per_class}
        if not found:
            raise ValueError("it knows none of this detector's classes")
        return found
    except FileNotFoundError:
        fault = "does not exist"
    except (OSError, ValueError, KeyError, TypeError):
        fault = "is no evaluation of this detector's classes"
    free = "best.json" if path.exists() else path  # never lead a shell's > over a file that is there
    raise SsdprepError(
        f"--threshold {path} {fault}", f"write one: python -m ssd.evaluate RUN DATA --split val --json > {free}"
    )


def _score(word: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise SsdprepError(f"--threshold {word}: {number!r} is no score from 0 to 1", "0.5, or for one class milk=0.3")
    return value
