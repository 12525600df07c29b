"""Light on surfaces: one lamp, the sky, what things take from each other, and how film answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from .light import Camera, F, sample, step
from .solids import Seen


class Body(Protocol):
    """What casts a shadow."""

    centre: np.ndarray
    radius: float

    def blocks(self, points: np.ndarray) -> np.ndarray: ...


class Lamp(NamedTuple):
    """The light of a scene."""

    towards: np.ndarray  # (3,) unit, from the scene to the lamp
    colour: np.ndarray  # (3,)
    sky: np.ndarray  # (3,) from everywhere above
    bounce: np.ndarray  # (3,) what the floor throws back
    softness: float  # tangent of the lamp's half angle
    window: bool  # a window with a cross, not a round lamp: seen in what is glossy
    gobo: np.ndarray | None = None  # (256, 256) share of the light that passes what stands before the lamp
    slide: np.ndarray | None = None  # (2,) where in the gobo the scene is

    @property
    def frame(self) -> tuple[np.ndarray, np.ndarray]:
        """Two directions (3,) across the light."""
        across = np.cross(self.towards, [0, 1, 0])
        across = (across / np.linalg.norm(across)).astype(F)
        return across, np.cross(across, self.towards).astype(F)


def shadow(lamp: Lamp, points: np.ndarray, bodies: Sequence[Body]) -> np.ndarray:
    """Share of the lamp that reaches world points (3, N): (N,) 0..1, soft at the edges."""
    light = np.ones(points.shape[1], F)
    if lamp.gobo is not None:
        across, up = lamp.frame
        light *= sample(lamp.gobo, across @ points / F(90) + lamp.slide[0], up @ points / F(90) + lamp.slide[1])
    for body in bodies:
        to = body.centre[:, None] - points
        along = lamp.towards @ to
        off = np.sqrt(np.maximum((to * to).sum(0) - along * along, 0))
        reach = body.radius + np.maximum(along, 0) * lamp.softness
        at = np.flatnonzero((along > -body.radius * 0.6) & (off < reach))
        if at.size:
            light[at] *= _towards_lamp(lamp, points[:, at], along[at], body)
    return light


def _towards_lamp(lamp: Lamp, p: np.ndarray, along: np.ndarray, body: Body) -> np.ndarray:
    """Soft shadow by sphere tracing: the narrowest pass compared with the lamp's cone."""
    t = np.maximum(along - body.radius, 0.04 * body.radius).astype(F)
    clear = np.ones(t.shape, F)
    direction = lamp.towards.astype(F)[:, None]
    for _ in range(11):
        gap = body.blocks(p + direction * t)
        clear = np.minimum(clear, 0.5 + 0.5 * gap / (lamp.softness * t + 0.02 * body.radius))
        t = t + np.clip(gap, 0.07 * body.radius, 0.5 * body.radius)
    clear = np.clip(clear, 0, 1)
    return clear * clear * (3 - 2 * clear)


def contact(points: np.ndarray, bodies: Sequence[Body]) -> np.ndarray:
    """Share of the sky that reaches points next to things: (N,) 0..1."""
    light = np.ones(points.shape[1], F)
    for body in bodies:
        to = points - body.centre[:, None]
        at = np.flatnonzero((to * to).sum(0) < (2.2 * body.radius) ** 2)
        if at.size:
            gap = np.maximum(body.blocks(points[:, at]), 0) / body.radius
            light[at] *= 1 - 0.72 * np.exp(-gap * 5.0)
    return light


def shade(seen: Seen, lamp: Lamp, camera: Camera, others: Sequence[Body]) -> np.ndarray:
    """Linear RGB (N, 3) of what is seen of a thing."""
    n, p = seen.normals, seen.points
    reached = _coarse(seen, lambda q: shadow(lamp, q, others)) if others or lamp.gobo is not None else F(1)
    sky_open = _coarse(seen, lambda q: contact(q, others)) if others else F(1)
    facing = lamp.towards @ n
    key = np.clip((facing + 0.12) / 1.12, 0, 1) * reached
    up = 0.5 + 0.5 * n[1]
    low = np.clip(p[1] / 5.0, 0, 1)  # near the floor less light comes from below
    ground = (1 - up) * (0.25 + 0.75 * low)
    sky = up * (0.55 + 0.45 * np.clip(p[1] / 3.0 + up, 0, 1)) * sky_open
    light = key[:, None] * lamp.colour + sky[:, None] * lamp.sky + ground[:, None] * lamp.bounce
    colour = seen.look.albedo * light
    view = camera.eye[:, None] - p
    view /= np.sqrt((view * view).sum(0))
    cos = np.clip((view * n).sum(0), 0, 1)
    mirror = 2 * cos * n - view
    fresnel = 0.04 + 0.96 * (1 - cos) ** 5
    gloss = seen.look.gloss
    glare = _lamp_image(lamp, mirror, gloss) * reached
    rim = fresnel * gloss * (0.35 + 0.65 * np.clip(mirror[1], 0, 1)) * sky_open * 0.8
    return colour + glare[:, None] * lamp.colour * 0.9 + rim[:, None] * lamp.sky


def _lamp_image(lamp: Lamp, mirror: np.ndarray, gloss: np.ndarray) -> np.ndarray:
    """The lamp as a glossy surface mirrors it: a window with a cross, or a disc, and its haze."""
    across, up = lamp.frame
    ahead = lamp.towards.astype(F) @ mirror
    a, b = across @ mirror, up @ mirror
    haze = np.exp(-(1 - ahead) * (6 + 22 * gloss)) * gloss * 0.20
    if lamp.window:
        pane = step(0.30, 0.22, np.abs(a)) * step(0.36, 0.28, np.abs(b)) * step(0.012, 0.03, np.abs(a))
        pane = pane * (0.4 + 0.6 * step(0.015, 0.035, np.abs(b - 0.04)))
    else:
        pane = step(0.26, 0.14, np.hypot(a, b))
    return haze + pane * (ahead > 0) * gloss**2 * 0.55


def _coarse(seen: Seen, of) -> np.ndarray:
    """A slowly changing function of points, taken at every few pixels and interpolated."""
    stride = int(max(1, max(seen.window.shape) / 70))
    h, w = seen.window.shape
    if stride == 1:
        return of(seen.points)
    index = np.full((h, w), -1, np.int64)
    index[seen.inside] = np.arange(seen.points.shape[1])
    cells = -(-h // stride), -(-w // stride)
    pad = np.full((cells[0] * stride, cells[1] * stride), -1, np.int64)
    pad[:h, :w] = index
    one = pad.reshape(cells[0], stride, cells[1], stride).swapaxes(1, 2).reshape(*cells, -1).max(-1)
    used = one >= 0
    field, weight = np.zeros(cells, F), used.astype(F)
    field[used] = of(seen.points[:, one[used]])
    size = (cells[1] * stride, cells[0] * stride)
    field, weight = (cv2.resize(cv2.blur(a, (3, 3)), size)[:h, :w] for a in (field, weight))
    return (field / np.maximum(weight, 1e-4))[seen.inside]
