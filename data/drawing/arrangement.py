"""Which things are in a picture, and where: on the floor, none within another, of a size worth a box."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .folded import Brand, Folded, carton, cuboid
from .fruit import apple, bananas
from .light import F
from .solids import Solid
from .stage import Stage
from .tableware import ball, bottle, mug, plate

CLASSES = ("apple", "banana", "milk carton")
SMALLEST, LARGEST = 0.08, 0.70  # of a box's longer side, in the picture's shorter side
TRIES = 14
Thing = Solid | Folded


def book(rng: np.random.Generator, place: np.ndarray) -> Folded:
    """A book lying flat."""
    return cuboid(rng, place, book=True)


UNLABELLED = (mug, mug, plate, ball, bottle, bottle, cuboid, book)


def wanted(rng: np.random.Generator, weights: Mapping[str, float] | None, things: tuple[int, int]) -> list[str]:
    """Class names to try, drawn by weight."""
    weights = dict.fromkeys(CLASSES, 1.0) if weights is None else weights
    if unknown := set(weights) - set(CLASSES):
        raise ValueError(f"unknown classes {sorted(unknown)}; there are {CLASSES}")
    share = np.array([weights.get(name, 0.0) for name in CLASSES])
    count = int(rng.integers(things[0], things[1] + 1))
    if not share.sum() or not count:
        return []
    return [CLASSES[i] for i in rng.choice(len(CLASSES), count, p=share / share.sum())]


def arrange(rng: np.random.Generator, stage: Stage, names: list[str]) -> list[Thing]:
    """Things for the names, and some that nobody labels."""
    extras = rng.choice([0, 0, 1, 1, 2, 3]) if names else rng.integers(2, 6)
    makers = [UNLABELLED[i] for i in rng.integers(len(UNLABELLED), size=extras)]
    batch = Brand.drawn(rng) if rng.random() < 0.4 else None
    row = rng.random() < 0.6
    solids: list[Thing] = []
    for name in names:
        last = solids[-1] if solids and batch and row and solids[-1].name == name == "milk carton" else None
        _try(rng, stage, solids, lambda r, p, n=name: _labelled(r, p, n, stage, batch), last)
    for make in makers:
        _try(rng, stage, solids, make, None)
    return solids


def _labelled(rng, place: np.ndarray, name: str, stage: Stage, batch: Brand | None) -> Thing:
    if name == "milk carton":
        return carton(rng, place, batch or Brand.drawn(rng), steep=stage.camera.axes[2, 1] < -0.8)
    return {"apple": apple, "banana": bananas}[name](rng, place)


def _try(rng: np.random.Generator, stage: Stage, solids: list[Thing], make, neighbour: Thing | None) -> None:
    """Add a thing where there is room for it; beside its like, if it has one."""
    for _ in range(TRIES):
        place = _spot(rng, stage) if neighbour is None else _beside(rng, neighbour)
        if place is None:
            continue
        solid = make(rng, place)
        if _fits(stage, solid, solids):
            solids.append(solid)
            return


def _spot(rng: np.random.Generator, stage: Stage) -> np.ndarray | None:
    """A place on the floor that the camera sees, before the table's edge; more often near the middle."""
    camera = stage.camera
    x, y = rng.normal(0.5, 0.24) * camera.width, (0.16 + 0.84 * rng.beta(2.4, 2.0)) * camera.height
    ray = camera.rays(np.array([x]), np.array([y]))[:, 0, 0]
    if ray[1] > -0.02:
        return None
    place = camera.eye - ray * (camera.eye[1] / ray[1])
    return np.array([place[0], 0, place[2]], F) if stage.beyond_edge(place) < -5 else None


def _beside(rng: np.random.Generator, neighbour: Thing) -> np.ndarray:
    """A place next to a thing, the gap as wide as a hand leaves it."""
    away = 2 * neighbour.feet[:, 2].max() * rng.uniform(1.0, 1.15)
    angle = rng.normal(0, 0.25) + np.pi * rng.integers(2)
    x, z = neighbour.feet[:, :2].mean(0)
    return np.array([x + away * np.cos(angle), 0, z + away * np.sin(angle)], F)


def _fits(stage: Stage, solid: Thing, others: list[Thing]) -> bool:
    camera = stage.camera
    x, y, depth = camera.project(solid.centre[None])[0]
    reach = 2 * camera.focal * solid.radius / depth / min(camera.width, camera.height)
    low, high = (SMALLEST * 1.2, LARGEST * 1.3) if solid.name else (0.05, 1.0)
    if not (low < reach < high and depth > 1.5 * solid.radius):
        return False
    margin = 0.05 if solid.name else -0.1
    if not (margin < x / camera.width < 1 - margin and margin < y / camera.height < 1 - margin):
        return False
    if stage.beyond_edge(solid.centre) > -0.6 * solid.feet[:, 2].max():
        return False
    return not any(_collide(solid.feet, other.feet) for other in others)


def _collide(a: np.ndarray, b: np.ndarray) -> bool:
    gap = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])
    return bool((gap < a[:, None, 2] + b[None, :, 2]).any())
