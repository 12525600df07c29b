"""What flows through ssdprep: boxes, objects, records, findings, data sets. Frozen values, no pixels."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Severity(StrEnum):
    """How much a finding matters: an error needs the user, a warning deserves a look, an info is only said."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(NamedTuple):
    """A fault in the user's data: a value with a place and a cure, never an exception.

    ``line`` is 1-based; 0 means that the whole file is meant. ``remedy`` may say DATA for the folder that is looked at.
    """

    code: str
    severity: Severity
    path: Path
    line: int
    message: str
    remedy: str

    @property
    def place(self) -> str:
        """File and line, as editors read them."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)

    def about(self, data: Path) -> Finding:
        """The finding with the folder's name in the commands of its remedy, so that they can be typed as they stand."""
        if "DATA" not in self.remedy:
            return self
        return self._replace(remedy=self.remedy.replace("DATA", shlex.quote(str(data))))

    def __str__(self) -> str:
        return f"{self.place}: {self.severity} {self.code} {self.message} - {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON types."""
        return {**self._asdict(), "severity": self.severity.value, "path": str(self.path)}


TOLERANCE = 2  # pixels on either side: how other tools round


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def swapped(self) -> Size:
        """The size after a quarter turn."""
        return Size(self.height, self.width)

    def is_near(self, other: Size) -> bool:
        """Whether two sizes are the same but for how other tools round."""
        return abs(self.width - other.width) <= TOLERANCE and abs(self.height - other.height) <= TOLERANCE

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Box(NamedTuple):
    """Pixel edges, 0-based: ``0 <= xmin < xmax <= width``; a box covers ``[xmin, xmax) x [ymin, ymax)``."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


@dataclass(frozen=True, slots=True)
class Object:
    """One labelled thing: its class name, its box, and what LabelImg keeps beside them."""

    name: str
    box: Box
    pose: str = "Unspecified"
    truncated: bool = False
    difficult: bool = False
    line: int = 0  # of the <object> element in its annotation, 1-based; 0: not read from a file


@dataclass(frozen=True, slots=True)
class Record:
    """One photo and its labels. Holds no pixels.

    As `scan.scan_folder` reads it, boxes are in whatever frame the labelling tool drew them in; `orient.to_upright`
    decides which, and moves them to the upright frame, the only one that other modules work in.
    """

    image: Path | None  # None: an annotation without a photo
    annotation: Path | None  # None: a photo without an annotation
    objects: tuple[Object, ...] = ()
    stored_size: Size | None = None  # of the pixel array in the file; None: no readable photo
    orientation: int = 1  # EXIF Orientation as written in the file, 1 where absent; may be invalid (0, 65537)
    labelled_size: Size | None = None  # <size> of the annotation; None where missing or 0x0
    filename: str = ""  # <filename> of the annotation as written

    @property
    def size(self) -> Size | None:
        """Size of the photo as it is meant to be seen: the stored size, sides swapped for orientation 5..8."""
        if self.stored_size is not None and 5 <= self.orientation <= 8:
            return self.stored_size.swapped
        return self.stored_size

    @property
    def path(self) -> Path:
        """The photo, or the annotation where there is no photo: what a message about this record names."""
        path = self.image or self.annotation
        assert path is not None
        return path


@dataclass(frozen=True, slots=True)
class Dataset:
    """All records below a folder, in a fixed order, and everything found on the way."""

    root: Path
    records: tuple[Record, ...]
    findings: tuple[Finding, ...] = ()
    splits: dict[str, tuple[Record, ...]] = field(default_factory=dict)  # name -> records, from ImageSets/Main
    left_out: tuple[Path, ...] = ()  # photos in no record: their labels are broken or in doubt, a finding says why

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class name in use, sorted."""
        return tuple(sorted({thing.name for record in self.records for thing in record.objects}))

    @property
    def damaged(self) -> frozenset[Path]:
        """Photos that cannot be used for what is wrong with the file itself."""
        errors = (finding for finding in self.findings if finding.severity is Severity.ERROR)
        return frozenset(finding.path for finding in errors if finding.code.startswith("IMG"))


class Report(ABC):
    """What a verb's library function answers: base of the frozen values that hold a verb's counts and its findings."""

    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 when a finding is an error: something needs the user. Warnings are 0."""
        return int(any(finding.severity is Severity.ERROR for finding in self.findings))

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {**self.facts(), "findings": [finding.to_dict() for finding in self.findings]}


class SsdprepError(Exception):
    """The whole command cannot run: says what is wrong and how to cure it. Caught once, in the command line."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} - {remedy}")
        self.message = message
        self.remedy = remedy


class Track(Protocol):
    """Shows progress: passes the items through while it counts them. ``console.track`` draws a bar."""

    def __call__(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]: ...


def untracked(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """The silent `Track`: the default of every library function."""
    return iter(items)


Say = Callable[[str], None]  # takes one line meant for the user


def merged(*found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of several steps; what an earlier one found in a line under the same code is not said again."""
    said: set[tuple[str, Path, int]] = set()
    kept: list[Finding] = []
    for step in found:
        kept += (fresh := [each for each in step if (each.code, each.path, each.line) not in said])
        said.update((each.code, each.path, each.line) for each in fresh)
    return tuple(kept)
