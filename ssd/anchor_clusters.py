"""Anchor shapes for a set of boxes: k-means whose distance is 1 - IoU, and whose centres are a detector's anchors.

Dimension clusters (Redmon and Farhadi 2017, section 2) are free shapes. Here the centres are what a `Config` can say: a
scale and aspect ratios for each map, the maps' grids as they are. A box counts at the cell next to its own centre, so a
coarse map is given only those that its few cells can reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ssd.anchors import box_shapes
from ssd.config import Config
from ssd.coverage import REACHED

Floats = NDArray[np.float64]
Size = tuple[int, int]  # rows, columns

ROUNDS = 12  # of k-means, and of polishing
STEPS = (0.8, 0.93, 0.98, 1.02, 1.07, 1.25)  # that polishing tries for each number
APART = 1.12  # each scale is at least so many times the one before
LARGEST = 1.05  # the last scale, the largest that any preset has
SMALLEST = 4.0  # pixels; below, an anchor shows nothing
FLATTEST = 6.0  # aspect ratios from 1/6 to 6
DIFFER = 1.15  # two aspect ratios of a map are at least so many times one another
FEW = 5  # boxes; an anchor that answers for fewer stays as it is


def fit(config: Config, sizes: Sequence[Size], boxes: Floats, weights: Floats) -> Config:
    """The config with the scales and aspect ratios that cover the boxes best.

    sizes: (rows, columns) of the maps; boxes: (N, 4) corners, shares of the sides; weights: (N,). What is raised is the
    weighted mean of the best IoU, and the share of boxes that reach 0.5, added. k-means begins from the config's own
    anchors and from scales shared out over the boxes' sizes; the better end is polished number by number, since the
    middle of its boxes is not quite what overlaps them most. Each map keeps as many boxes a cell as it had, its square
    ones among them. All is rounded on the way, so that the result is the same everywhere.
    """
    scene = Scene.of(config, sizes, boxes, weights)
    starts = [config, replace(config, scales=ordered(config, scene.quantiles(len(config.scales))))]
    ends = [_clustered(scene, start) for start in starts]
    return _polished(scene, max([config, *ends], key=scene.score))


@dataclass(frozen=True)
class Grid:
    """Where a map's cells are, in shares of the shorter side: centres, and how far apart they stand; all as x, y."""

    first: tuple[float, float]
    step: tuple[float, float]
    cells: tuple[int, int]

    def distance(self, centres: Floats) -> Floats:
        """From points (N, 2) to the next cell's centre: (N, 2), not negative."""
        first, step = np.array(self.first), np.array(self.step)
        nearest = np.clip(np.round((centres - first) / step), 0, np.array(self.cells) - 1)
        distance: Floats = np.abs(centres - first - nearest * step)
        return distance


def grids(config: Config, sizes: Sequence[Size]) -> list[Grid]:
    """The grids of a config's maps, as `ssd.anchors` lays them out."""
    height, width = config.image_size
    side = min(config.image_size)
    found = []
    for (rows, columns), step in zip(sizes, config.steps or [None] * len(sizes), strict=True):
        across, down = (step, step) if step else (width / columns, height / rows)
        found.append(Grid((across / 2 / side, down / 2 / side), (across / side, down / side), (columns, rows)))
    return found


@dataclass(frozen=True)
class Scene:
    """Boxes, in shares of the shorter side, before the grids that are to reach them."""

    distances: list[Floats]  # for each map, (N, 2): from the centre of each box to the next cell's
    sides: Floats  # (N, 2)
    weights: Floats  # (N,), of sum 1
    known: dict[tuple[object, ...], Floats] = field(default_factory=dict)  # overlaps computed before

    @classmethod
    def of(cls, config: Config, sizes: Sequence[Size], boxes: Floats, weights: Floats) -> Scene:
        """From corners as shares of the image's sides."""
        height, width = config.image_size
        unit = np.array([width, height]) / min(config.image_size)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 * unit
        distances = [grid.distance(centres) for grid in grids(config, sizes)]
        return cls(distances, (boxes[:, 2:] - boxes[:, :2]) * unit, weights / weights.sum())

    def quantiles(self, count: int) -> Floats:
        """So many sizes with equal shares of the boxes between them."""
        sizes = np.sqrt(self.sides.prod(axis=1))
        order = np.argsort(sizes, kind="stable")
        places = np.searchsorted(np.cumsum(self.weights[order]), (np.arange(count) + 0.5) / count)
        return sizes[order][np.minimum(places, len(sizes) - 1)]

    def overlaps(self, config: Config) -> list[Floats]:
        """For each map, the IoU of each box with each anchor of the cell next to it: (N, boxes a cell)."""
        maps = range(len(self.distances))
        return [
            self._overlaps(k, *config.scales[k : k + 2], config.aspect_ratios[k], config.two_boxes[k]) for k in maps
        ]

    def _overlaps(self, k: int, scale: float, after: float, ratios: tuple[float, ...], two_boxes: bool) -> Floats:
        key = (k, scale, after, ratios)
        if key not in self.known:
            shapes = box_shapes(1.0, scale, after, ratios, two_boxes)
            sides = self.sides[:, None]
            # Along each axis: what two segments share whose middles lie so far apart, at most the shorter of them.
            reach = (sides + shapes) / 2 - self.distances[k][:, None]
            shared = np.clip(reach, 0.0, np.minimum(sides, shapes)).prod(axis=2)
            self.known[key] = shared / (sides.prod(axis=2) + shapes.prod(axis=1) - shared)
        return self.known[key]

    def score(self, config: Config) -> float:
        """The weighted mean of the best IoU, and the share that reaches 0.5."""
        best = np.max([part.max(axis=1) for part in self.overlaps(config)], axis=0)
        return round(float(((best + (best >= REACHED)) * self.weights).sum()), 6)


def _clustered(scene: Scene, start: Config) -> Config:
    """The best of the configs that k-means walks through."""
    walked = [start]
    for _ in range(ROUNDS):
        walked.append(_moved(scene, walked[-1]))
        if walked[-1] == walked[-2]:
            break
    return max(walked, key=scene.score)


def _moved(scene: Scene, config: Config) -> Config:
    """Each box goes to the anchor that overlaps it most; each anchor to the middle of its boxes."""
    parts = scene.overlaps(config)
    owner = np.concatenate(parts, axis=1).argmax(axis=1)
    logs = np.log(scene.sides)
    size, ratio = logs.mean(axis=1), logs[:, 0] - logs[:, 1]
    scales, moved, first = list(config.scales), config, 0
    for k, own in enumerate(config.aspect_ratios):
        places = [first + place for place in _places(own, config.two_boxes[k])]
        mine = np.isin(owner, places)
        scales[k] = _middle(size[mine], scene.weights[mine], scales[k])
        for j, place in enumerate(places):
            held = owner == place
            moved = _with_ratio(moved, k, j, _middle(ratio[held], scene.weights[held], own[j]))
        first += parts[k].shape[1]
    scales[-1] = scales[-2] * config.scales[-1] / config.scales[-2]
    return replace(moved, scales=ordered(config, scales))


def _places(ratios: Sequence[float], two_boxes: bool) -> list[int]:
    """Where the box of each aspect ratio stands in its cell: a geometric mean follows each square."""
    return [j + two_boxes * sum(ratio == 1 for ratio in ratios[:j]) for j in range(len(ratios))]


def _middle(logs: Floats, weights: Floats, unchanged: float) -> float:
    """The geometric mean of what is given by its logarithms; ``unchanged`` where that is too little."""
    return float(np.exp((logs * weights).sum() / weights.sum())) if len(logs) >= FEW else unchanged


def _polished(scene: Scene, config: Config) -> Config:
    """Each number moved up and down while that helps."""
    for _ in range(ROUNDS):
        before = config
        for change in range(len(config.scales) + sum(map(len, config.aspect_ratios))):
            config = max([config, *_neighbours(config, change)], key=scene.score)
        if config == before:
            break
    return config


def _neighbours(config: Config, number: int) -> Iterator[Config]:
    """Configs in which one number, scales first, is a little less or more."""
    if number < len(config.scales):
        for step in STEPS:
            scales = list(config.scales)
            scales[number] *= step
            yield replace(config, scales=ordered(config, scales))
        return
    places = [(k, j) for k, ratios in enumerate(config.aspect_ratios) for j in range(len(ratios))]
    k, j = places[number - len(config.scales)]
    value = config.aspect_ratios[k][j]
    for other in (*(value * step for step in STEPS), 1 / value):  # the latter turns a lying box into a standing one
        yield _with_ratio(config, k, j, other)


def _with_ratio(config: Config, k: int, j: int, value: float) -> Config:
    """Another aspect ratio, unless it is the square, too flat, or nearly the same as another of its map."""
    ratios = list(config.aspect_ratios[k])
    others = np.array([*ratios[:j], *ratios[j + 1 :], np.inf])
    is_apart = np.maximum(others / value, value / others).min() >= DIFFER
    if ratios[j] == 1 or not is_apart or not 1 / FLATTEST <= value <= FLATTEST:
        return config
    ratios[j] = round(value, 3)
    per_map = config.aspect_ratios
    return replace(config, aspect_ratios=(*per_map[:k], tuple(ratios), *per_map[k + 1 :]))


def ordered(config: Config, scales: Sequence[float]) -> tuple[float, ...]:
    """The scales rounded and apart from one another, from a few pixels up to a little more than the image."""
    rising = np.maximum(np.asarray(scales, np.float64), SMALLEST / min(config.image_size))
    for k in range(1, len(rising)):
        rising[k] = max(rising[k], rising[k - 1] * APART)
    rising[-1] = min(rising[-1], LARGEST)
    for k in range(len(rising) - 2, -1, -1):
        rising[k] = min(rising[k], rising[k + 1] / APART)
    return tuple(round(float(scale), 4) for scale in rising)
