"""In which frame were these boxes drawn? And the same record, upright."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from numpy.typing import ArrayLike

from ssdprep.record import Dataset, Size

Frame = Literal["auto", "stored", "upright"]
Turn = Literal["cw", "ccw"]


class Verdict(StrEnum):
    """What is known about the frame of a file's boxes."""

    ALREADY_UPRIGHT = "already_upright"
    STORED_FRAME = "stored_frame"
    UPRIGHT_FRAME = "upright_frame"
    NO_BOXES = "no_boxes"
    UNRESOLVED = "unresolved"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and what it rests on."""

    verdict: Verdict
    evidence: str


def decide(
    orientation: int,
    stored: Size,
    labelled: Size | None,
    boxes: ArrayLike,
    *,
    turned: Turn | None = None,
    frame: Frame = "auto",
) -> Decision:
    """In which frame boxes of shape (N, 4) are. The table of docs/exif.md as one pure function."""
    raise NotImplementedError


def to_upright(dataset: Dataset, *, frame: Frame = "auto") -> Dataset:
    """The same records with their boxes in the upright frame.

    Records whose frame cannot be decided are left out, each with a finding (ORI001, ORI002) that names the next command.
    """
    return dataset
