"""What the boxes of a data set are like, in numbers: pure functions of its records, vectorised, no pixels read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssdprep.record import Record, Size

if TYPE_CHECKING:
    from ssdprep.likeness import Fingerprint

LIMITS = (8, 16, 32)  # pixels of the shorter side at the network's input
GRID = 12  # cells along each side of a heat map
_QUANTILES = {"min": 0.0, "p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "max": 1.0}

Floats = NDArray[np.float64]
Quantiles = dict[str, float]


class Count(NamedTuple):
    """How often a class occurs."""

    boxes: int
    images: int


@dataclass(frozen=True, slots=True)
class AtInput:
    """Boxes once their photos are resized to the network's input, sides not kept in proportion, as SSD resizes them."""

    boxes: int  # of which the size of the photo is known
    below: dict[int, float]  # pixels -> share of the boxes whose shorter side is less
    median: float  # pixels of the shorter side


@dataclass(frozen=True)
class Statistics:
    """Classes are those of boxes whose frame is known; a heat map has GRID rows from the top, of GRID cells."""

    input: Size
    parts: dict[str, dict[str, Count]] = field(default_factory=dict)  # list of ImageSets/Main -> class -> count
    together: dict[str, dict[str, int]] = field(default_factory=dict)  # class -> class -> photos that show both
    measures: dict[str, dict[str, Quantiles]] = field(default_factory=dict)  # class -> width, height ... -> quantiles
    at_input: dict[str, AtInput] = field(default_factory=dict)
    heat: dict[str, list[list[float]]] = field(default_factory=dict)  # class -> mean share of a cell that a box covers
    photo_sizes: dict[str, int] = field(default_factory=dict)  # upright, "640x480" -> photos; the most frequent first
    formats: dict[str, int] = field(default_factory=dict)  # by extension -> photos; the most frequent first
    boxes_per_photo: dict[int, int] = field(default_factory=dict)  # boxes -> labelled photos that hold so many

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            **asdict(self),
            "input": str(self.input),
            "parts": {part: {name: c._asdict() for name, c in counts.items()} for part, counts in self.parts.items()},
        }


@dataclass(frozen=True)
class Looks:
    """What photos look like. brightness: mean grey level, 0..255; sharpness: see `likeness.Fingerprint`."""

    photos: int  # that could be decoded
    brightness: Quantiles
    sharpness: Quantiles
    dark_to_bright: dict[str, int]  # mean grey level from which a bin of 16 begins -> photos
    blurred_to_sharp: dict[str, int]  # sharpness from which a bin begins, twice the one before -> photos


@dataclass(frozen=True)
class Boxes:
    """All boxes of some records as arrays; row i of each is the i-th box, records in order."""

    names: tuple[str, ...]  # of the classes, the most frequent first
    kinds: NDArray[np.int64]  # (N,) index into ``names``
    edges: Floats  # (N, 4) pixels of the upright photo
    frames: Floats  # (N, 2) width and height of the upright photo; NaN where unknown

    def of(self, name: str) -> Boxes:
        """Those of one class."""
        return self.where(self.kinds == self.names.index(name))

    def where(self, chosen: NDArray[np.bool_]) -> Boxes:
        """Those of the chosen rows."""
        return Boxes(self.names, self.kinds[chosen], self.edges[chosen], self.frames[chosen])

    @property
    def framed(self) -> Boxes:
        """Those on photos of known size."""
        return self.where(np.isfinite(self.frames[:, 0]))

    @property
    def sides(self) -> Floats:
        """Widths and heights, (N, 2)."""
        return np.asarray(self.edges[:, 2:] - self.edges[:, :2])

    @property
    def aspects(self) -> Floats:
        """Width / height of those that have both, (M,): an edge set to the photo's border may leave a box without."""
        sides = self.sides
        width, height = sides[(sides > 0).all(axis=1)].T
        return np.asarray(width / height)

    @property
    def relative(self) -> Floats:
        """Edges as shares of the photo's sides, cut at its border, (N, 4); NaN where its size is unknown."""
        return np.clip(self.edges / np.tile(self.frames, 2), 0, 1)

    def at(self, size: Size) -> Floats:
        """Widths and heights in pixels once the photo is resized to ``size``, (N, 2)."""
        relative = self.relative
        return np.asarray((relative[:, 2:] - relative[:, :2]) * np.array(size, dtype=np.float64))


def boxes_of(records: Iterable[Record]) -> Boxes:
    """The boxes of upright records as arrays. The size of a photo that is not there is what its annotation says."""
    counts: Counter[str] = Counter()
    rows: list[tuple[str, tuple[float, ...], Size | None]] = []
    for record in records:
        frame = record.size or record.labelled_size
        for thing in record.objects:
            counts[thing.name] += 1
            rows.append((thing.name, thing.box, frame))
    names = tuple(sorted(counts, key=lambda name: (-counts[name], name)))
    place = {name: index for index, name in enumerate(names)}
    unknown = (np.nan, np.nan)
    return Boxes(
        names,
        np.array([place[name] for name, _, _ in rows], dtype=np.int64),
        np.array([box for _, box, _ in rows], dtype=np.float64).reshape(-1, 4),
        np.array([frame or unknown for _, _, frame in rows], dtype=np.float64).reshape(-1, 2),
    )


def statistics(
    records: Sequence[Record],
    upright: Sequence[Record],
    splits: Mapping[str, Sequence[Record]],
    network_input: Size,
) -> Statistics:
    """What `Statistics` says. records, splits: as scanned; upright: those whose frame is known, boxes in it."""
    boxes = boxes_of(upright)
    framed = boxes.framed
    photos = [record for record in records if record.image is not None]
    return Statistics(
        input=network_input,
        parts={name: class_counts(part) for name, part in splits.items()},
        together=together(records),
        measures=_by_class(boxes, _measures),
        at_input=_by_class(framed, lambda some: at_input(some, network_input)),
        heat=_by_class(framed, lambda some: [[_sparing(cell) for cell in row] for row in heat_map(some).tolist()]),
        photo_sizes=_ranked(str(record.size) for record in photos if record.size),
        formats=_ranked(record.path.suffix.lower().lstrip(".") for record in photos),
        boxes_per_photo=dict(
            sorted(Counter(len(record.objects) for record in photos if record.annotation is not None).items())
        ),
    )


def class_counts(records: Iterable[Record]) -> dict[str, Count]:
    """Boxes and photos of each class, the most frequent first."""
    boxes: Counter[str] = Counter()
    images: Counter[str] = Counter()
    for record in records:
        names = [thing.name for thing in record.objects]
        boxes.update(names)
        images.update(set(names))
    return {name: Count(boxes[name], images[name]) for name in sorted(boxes, key=lambda name: (-boxes[name], name))}


def together(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """For each class, how many photos show another one too; pairs that never meet are left out."""
    sets = Counter(frozenset(thing.name for thing in record.objects) for record in records)
    pairs: Counter[tuple[str, str]] = Counter()
    for names, times in sets.items():
        for one, other in combinations(sorted(names), 2):
            pairs[one, other] += times
            pairs[other, one] += times
    found: dict[str, dict[str, int]] = {}
    for (one, other), times in sorted(pairs.items(), key=lambda pair: (pair[0][0], -pair[1], pair[0][1])):
        found.setdefault(one, {})[other] = times
    return found


def at_input(boxes: Boxes, size: Size) -> AtInput:
    """How large boxes on photos of known size are at the network's input."""
    shorter = boxes.at(size).min(axis=1)
    below = {limit: round(float((shorter < limit).mean()), 4) for limit in LIMITS}
    return AtInput(len(shorter), below, round(float(np.median(shorter)), 1))


def heat_map(boxes: Boxes, grid: int = GRID) -> Floats:
    """Where boxes lie: the share of each cell of the photo that a box covers, mean over all, (grid, grid), 0..1."""
    starts = np.arange(grid) / grid
    relative = boxes.relative

    def covered(low: Floats, high: Floats) -> Floats:  # of each strip by each box, (N, grid)
        overlap = np.minimum(high[:, None], starts + 1 / grid) - np.maximum(low[:, None], starts)
        return np.asarray(np.maximum(overlap, 0) * grid)

    across, down = covered(relative[:, 0], relative[:, 2]), covered(relative[:, 1], relative[:, 3])
    return np.asarray(down.T @ across / max(len(relative), 1))


def looks(photos: Sequence[Fingerprint]) -> Looks:
    """Quantiles and histograms of how light and how sharp photos are."""
    light = np.array([photo.brightness for photo in photos])
    sharp = np.array([photo.sharpness for photo in photos])
    levels = np.arange(0, 256, 16)
    doubled = [0, *(2**power for power in range(2, 14))]
    return Looks(
        len(photos),
        _quantiles(light),
        _quantiles(sharp),
        dict(zip(map(str, levels.tolist()), np.histogram(light, [*levels, 256])[0].tolist(), strict=True)),
        dict(zip(map(str, doubled), np.histogram(sharp, [*doubled, np.inf])[0].tolist(), strict=True)),
    )


def _by_class(boxes: Boxes, measure: Callable[[Boxes], Any]) -> dict[str, Any]:
    """A measure of the boxes of each class that has any."""
    order = np.argsort(boxes.kinds, kind="stable")
    ends = np.cumsum(np.bincount(boxes.kinds, minlength=len(boxes.names)))
    rows = np.split(order, ends[:-1]) if len(boxes.names) else []
    return {
        name: measure(Boxes(boxes.names, boxes.kinds[chosen], boxes.edges[chosen], boxes.frames[chosen]))
        for name, chosen in zip(boxes.names, rows, strict=True)
        if len(chosen)
    }


def _measures(boxes: Boxes) -> dict[str, Quantiles]:
    """Width and height in pixels of the upright photo, aspect (width / height), share of the photo's area."""
    width, height = boxes.sides.T
    values = {"width": width, "height": height}
    if len(aspects := boxes.aspects):
        values["aspect"] = aspects
    relative = boxes.framed.relative
    if len(relative):
        values["area"] = (relative[:, 2] - relative[:, 0]) * (relative[:, 3] - relative[:, 1])
        values["centre_x"] = (relative[:, 0] + relative[:, 2]) / 2
        values["centre_y"] = (relative[:, 1] + relative[:, 3]) / 2
    return {name: _quantiles(some) for name, some in values.items()}


def _quantiles(values: Floats) -> Quantiles:
    return {
        name: round(value, 4)
        for name, value in zip(_QUANTILES, np.quantile(values, list(_QUANTILES.values())).tolist(), strict=True)
    }


def _sparing(share: float) -> float:
    """Four digits, leading noughts not counted: a speck on a large photo covers less than 0.0001 of a cell."""
    return float(f"{round(share, 9):.4g}")


def _ranked(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))
