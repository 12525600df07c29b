"""Round things as signed distances, and how a ray finds them: all arrays are (3, N) points and (N,) values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from .light import Camera, F, Window

MARCH = 150  # samples across a thing: what lies between them is interpolated, then refined
Distance = Callable[[np.ndarray], np.ndarray]


class Look(NamedTuple):
    """What a surface is like, point by point."""

    albedo: np.ndarray  # (N, 3), linear
    gloss: np.ndarray  # (N,) how clearly it mirrors the lamp: 0 matt .. 1 glazed
    bump: np.ndarray | None = None  # (N, 3) added to the normal before it is normalised


@dataclass(frozen=True)
class Part:
    """One solid in its own frame: world = turn @ own * scale + place."""

    distance: Distance
    look: Callable[[np.ndarray, np.ndarray], Look]  # own points (3, N), own normals (3, N)
    turn: np.ndarray
    place: np.ndarray
    scale: float = 1.0

    def own(self, points: np.ndarray) -> np.ndarray:
        return (self.turn.T / F(self.scale)) @ (points - self.place[:, None])

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return self.distance(self.own(points)) * F(self.scale)


class Seen(NamedTuple):
    """A thing as the camera sees it, in a window of the picture."""

    window: Window
    alpha: np.ndarray  # (h, w) 0..1
    points: np.ndarray  # (3, N) world, where alpha > 0, in reading order
    normals: np.ndarray  # (3, N)
    look: Look

    @property
    def inside(self) -> np.ndarray:
        return self.alpha > 0


@dataclass(frozen=True)
class Solid:
    """A thing made of parts, within a ball."""

    name: str  # class name, "" for what nobody labels
    parts: tuple[Part, ...]
    centre: np.ndarray  # (3,) of the ball
    radius: float
    feet: np.ndarray  # (n, 3) discs on the floor that hold it: x, z, radius
    bulk: tuple[Part, ...] = ()  # what throws its shadow, where that is simpler than its parts

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distance of world points (3, N), negative inside."""
        best = self.parts[0](points)
        for part in self.parts[1:]:
            np.minimum(best, part(points), out=best)
        return best

    def blocks(self, points: np.ndarray) -> np.ndarray:
        """Signed distance of world points (3, N) to what throws the shadow."""
        return np.minimum.reduce([part(points) for part in self.bulk or self.parts])

    def see(self, camera: Camera) -> Seen | None:
        """What of it is in the picture, other things aside; None where nothing is."""
        window = camera.window_of(self.centre, self.radius)
        if window.empty or min(window.shape) < 2:
            return None
        stride = max(1.0, max(window.shape) / MARCH)
        coarse = camera.window_rays(window, stride)
        depth, miss = self._march(camera.eye, coarse.reshape(3, -1), camera.focal)
        h, w = window.shape
        depth_grid = depth.reshape(coarse.shape[1:])
        depth, miss = (cv2.resize(a.reshape(coarse.shape[1:]), (w, h)) for a in (depth, miss))
        near = miss < 3 * stride
        rays = camera.window_rays(window)[:, near]
        t, gap = self._refine(camera, rays, depth[near], 2 if stride > 1.3 else 1)
        front = cv2.resize(cv2.erode(depth_grid, np.ones((3, 3))), (w, h), interpolation=cv2.INTER_NEAREST)[near]
        torn = np.flatnonzero((miss[near] < 0.6) & (t - front > 0.04 * self.radius))
        if torn.size:  # between two surfaces, one before the other: start again from the nearer one
            t[torn], gap[torn] = self._refine(camera, rays[:, torn], front[torn], 14, 0.006 * self.radius)
            gap[torn] = np.minimum(gap[torn], miss[near][torn] * t[torn] / camera.focal)
        points = camera.eye[:, None] + rays * t
        alpha = np.zeros((h, w), F)
        alpha[near] = np.clip(1.25 - gap / t * camera.focal, 0, 1)
        kept = alpha[near] > 0
        if not kept.any():
            return None
        points = points[:, kept]
        normals, look = self._surface(points)
        return Seen(window, alpha, points, normals, look)

    def _refine(self, camera: Camera, rays: np.ndarray, t: np.ndarray, steps: int, least: float = 0.0):
        """A few more steps along rays (3, N) from depths t (N,): depths and what is left to the surface."""
        for _ in range(steps):
            gap = self.distance(camera.eye[:, None] + rays * t)
            t = t + np.where(
                np.abs(gap) < 0.15 * self.radius,
                np.maximum(0.8 * gap, (gap > 0.02) * F(least)) if least else 0.8 * gap,
                0,
            )
        return t, self.distance(camera.eye[:, None] + rays * t)

    def _march(self, eye: np.ndarray, rays: np.ndarray, focal: float) -> tuple[np.ndarray, np.ndarray]:
        """Sphere tracing: depth of the hit or of the closest pass (N,), and the miss in pixels (N,)."""
        to = self.centre - eye
        along = (to @ rays) / (rays * rays).sum(0)
        off = rays * along - to[:, None]
        half = self.radius**2 - (off * off).sum(0)
        best_t, best = along.astype(F), np.full(along.shape, 1e3, F)
        live = np.flatnonzero(half > 0)
        length = np.sqrt((rays[:, live] ** 2).sum(0))
        reach = np.sqrt(half[live]) / length
        t, end = along[live] - reach, along[live] + reach
        r = rays[:, live]
        for i in range(66):
            gap = self.distance(eye[:, None] + r * t)
            miss = gap / t * focal
            better = miss < best[live]
            best[live[better]], best_t[live[better]] = np.maximum(miss[better], 0), t[better]
            go = (miss > 0.25) & (t < end)
            if not go.any():
                break
            live, t, end, r, gap, length = live[go], t[go], end[go], r[:, go], gap[go], length[go]
            t = t + np.maximum(0.9 * gap / length, (0.004 if i < 30 else 0.012) * self.radius)
        return best_t, best

    def _surface(self, points: np.ndarray) -> tuple[np.ndarray, Look]:
        """Normals and looks of points on the surface."""
        gaps = np.stack([part(points) for part in self.parts])
        owner = gaps.argmin(0)
        normals, albedo = np.empty_like(points), np.empty(points.shape[::-1], F)
        gloss = np.empty(points.shape[1], F)
        for i, part in enumerate(self.parts):
            mine = owner == i
            if not mine.any():
                continue
            own = part.own(points[:, mine])
            n = _gradient(part.distance, own)
            look = part.look(own, n)
            if look.bump is not None:
                n = n + look.bump.T
                n /= np.sqrt((n * n).sum(0))
            normals[:, mine], albedo[mine], gloss[mine] = part.turn @ n, look.albedo, look.gloss
        return normals, Look(albedo, gloss)


def _gradient(distance: Distance, p: np.ndarray, e: float = 0.004) -> np.ndarray:
    """Unit normals by four looks around each point."""
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], F)
    n = sum(k[:, None] * distance(p + e * k[:, None]) for k in corners)
    return (n / np.maximum(np.sqrt((n * n).sum(0)), 1e-12)).astype(F)


def turn(x: float = 0, y: float = 0, z: float = 0) -> np.ndarray:
    """A rotation: about z first, then x, then y (radians)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos([x, y, z]), np.sin([x, y, z])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).astype(F)


def revolved(profile: np.ndarray, round_off: float = 0.0) -> Distance:
    """The solid that a polygon (N, 2) of (radius, height) sweeps around y."""
    a, b = profile.astype(F), np.roll(profile, -1, axis=0).astype(F)

    def distance(p: np.ndarray) -> np.ndarray:
        x, y = np.hypot(p[0], p[2]), p[1]
        best, inside = np.full(x.shape, 1e9, F), np.zeros(x.shape, bool)
        for (ax, ay), (bx, by) in zip(a, b, strict=True):
            ex, ey = bx - ax, by - ay
            wx, wy = x - ax, y - ay
            t = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey + 1e-12), 0, 1)
            best = np.minimum(best, (wx - ex * t) ** 2 + (wy - ey * t) ** 2)
            crosses = (ay > y) != (by > y)
            if ey:
                inside ^= crosses & (x < ax + ex * wy / ey)
        return np.sqrt(best) * np.where(inside, F(-1), F(1)) - F(round_off)

    return distance


def capsule(a: tuple[float, float, float], b: tuple[float, float, float], ra: float, rb: float) -> Distance:
    """A stick from a to b whose radius runs from ra to rb."""
    start, axis = np.array(a, F)[:, None], (np.array(b, F) - np.array(a, F))[:, None]
    square = float((axis * axis).sum())

    def distance(p: np.ndarray) -> np.ndarray:
        w = p - start
        t = np.clip((w * axis).sum(0) / square, 0, 1)
        off = w - axis * t
        return np.sqrt((off * off).sum(0)) - (ra + (rb - ra) * t)

    return distance


def disc(place: np.ndarray, radius: float) -> np.ndarray:
    """The foot of a round thing."""
    return np.array([[place[0], place[2], radius]], F)
