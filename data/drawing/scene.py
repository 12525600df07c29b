"""A whole picture, from the place to the 8 bits that a camera would leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .arrangement import LARGEST, SMALLEST, Thing, arrange, wanted
from .darkroom import develop, lay, out_of_focus
from .light import Camera
from .scenery import scenery
from .shading import shade
from .solids import Seen
from .stage import Stage, draw_stage

Box = tuple[int, int, int, int]


class Shown(NamedTuple):
    """A thing in the picture."""

    thing: Thing
    seen: Seen
    box: np.ndarray  # (4,) around what other things leave visible
    truncated: bool
    difficult: bool


def draw_scene(
    rng: np.random.Generator,
    size: tuple[int, int],
    classes_weights: Mapping[str, float] | None = None,
    *,
    supersample: int = 1,
    things: tuple[int, int] = (1, 5),
) -> tuple[np.ndarray, list[tuple[str, Box, bool, bool]]]:
    """One picture: uint8 RGB (height, width, 3), and its objects as (name, box, truncated, difficult).

    ``size`` is (width, height). ``classes_weights`` says how often each class is drawn; classes without a weight are
    not. ``things``: how many labelled objects are tried, at least and at most. A box (xmin, ymin, xmax, ymax) holds
    pixel edges, tight around what is visible; ``truncated`` where it touches the border, ``difficult`` where less than
    half of the object is visible. ``supersample`` draws the scene at so many times the size: finer edges, slower.
    """
    stage = draw_stage(rng, size[0] * supersample, size[1] * supersample)
    names = wanted(rng, classes_weights, things)
    shown = visible(stage.camera, arrange(rng, stage, names))
    picture = _expose(rng, stage, shown, supersample)
    objects = [
        (each.thing.name, _scaled(each.box, supersample), each.truncated, each.difficult)
        for each in shown
        if each.thing.name
    ]
    return develop(rng, picture, supersample), objects


def _scaled(box: np.ndarray, k: int) -> Box:
    x0, y0, x1, y1 = box.tolist()
    return x0 // k, y0 // k, -(-x1 // k), -(-y1 // k)


def visible(camera: Camera, solids: list[Thing]) -> list[Shown]:
    """What is in the picture, from the farthest to the nearest; labelled things that are too hidden are gone."""
    ranked = sorted(solids, key=lambda s: float(np.linalg.norm(s.centre - camera.eye)))
    hidden = np.zeros((camera.height, camera.width), bool)
    kept: list[Shown] = []
    for thing in ranked:
        seen = thing.see(camera)
        if seen is None:
            continue
        mask = seen.alpha > 0.5
        free = mask & ~hidden[seen.window.cut]
        rows, columns = np.flatnonzero(free.any(1)), np.flatnonzero(free.any(0))
        if not rows.size:
            continue
        x0, y0 = seen.window.x0, seen.window.y0
        box = np.array([columns[0] + x0, rows[0] + y0, columns[-1] + x0 + 1, rows[-1] + y0 + 1])
        share = free.sum() / mask.sum()
        if thing.name and (share < 0.35 or not _worth_a_box(box, camera)):
            continue
        truncated = bool((box[:2] <= 0).any() or box[2] >= camera.width or box[3] >= camera.height)
        kept.append(Shown(thing, seen, box, truncated, bool(share < 0.5)))
        hidden[seen.window.cut] |= mask
    return kept[::-1]


def _worth_a_box(box: np.ndarray, camera: Camera) -> bool:
    sides = (box[2:] - box[:2]) / min(camera.width, camera.height)
    return bool(SMALLEST <= sides.max() <= LARGEST and sides.min() >= 0.4 * SMALLEST)


def _expose(rng: np.random.Generator, stage: Stage, shown: list[Shown], k: int) -> np.ndarray:
    """The light that falls on the sensor: linear RGB float32."""
    camera, lamp = stage.camera, stage.lamp
    bodies = [each.thing for each in shown]
    picture, depth = scenery(stage, bodies, k)
    depths = [float(camera.axes[2] @ (thing.centre - camera.eye)) for thing in bodies]
    focus = float(np.median([d for d, t in zip(depths, bodies, strict=True) if t.name] or depths or [60.0]))
    aperture = rng.choice([0.0, 0.6, 1.2, 2.2]) * camera.height / 80
    picture = out_of_focus(picture, np.abs(1 - focus / depth) * np.float32(aperture), k)
    for each, away in zip(shown, depths, strict=True):
        others = [b for b in bodies if b is not each.thing and _near(each.thing, b)]
        side = float((each.box[2:] - each.box[:2]).max())
        blur = min(abs(1 - focus / away) * aperture * 0.5, 0.008 * side)
        lay(picture, each.seen, shade(each.seen, lamp, camera, others), blur)
    return picture


def _near(one: Thing, other: Thing) -> bool:
    """Whether one may lie in the other's shadow."""
    return float(np.linalg.norm(one.centre - other.centre)) < 3.5 * (one.radius + other.radius)
