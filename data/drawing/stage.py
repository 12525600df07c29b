"""Where a picture is taken: the table and what is behind it, the light, the camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from . import backdrops, surfaces
from .light import Camera, F, noise, step
from .shading import Lamp


class Setting(NamedTuple):
    """A kind of place."""

    share: float  # of all pictures
    floors: tuple[str, ...]
    behind: tuple[str, ...]  # surfaces of a wall at the table's edge, or backdrops farther away
    edge: tuple[float, float]  # how many cm behind the middle the table ends
    pitch: tuple[float, float]  # how far the camera looks down, radians
    warmth: tuple[float, float] = (-0.1, 0.25)


SETTINGS = (
    Setting(0.22, ("wood",), ("room", "evening", "wall", "garden"), (22, 70), (0.25, 0.75), (-0.1, 0.3)),
    Setting(0.16, ("wood", "marble", "granite"), ("metro", "tiles", "concrete"), (12, 40), (0.25, 0.7)),
    Setting(0.15, ("cloth", "linen"), ("room", "garden", "wall"), (25, 70), (0.3, 0.8)),
    Setting(
        0.14, ("wood", "cloth", "linen", "marble", "granite", "tiles", "concrete"), ("wall",), (200, 300), (0.9, 1.45)
    ),
    Setting(0.07, ("grass",), ("garden",), (60, 140), (0.35, 1.2), (-0.1, 0.15)),
    Setting(0.10, ("steel", "wood"), ("shop",), (10, 16), (0.06, 0.3), (-0.15, 0.1)),
    Setting(0.08, ("plain",), ("plain",), (25, 60), (0.15, 0.6), (-0.1, 0.1)),
    Setting(0.08, ("concrete", "granite"), ("garden", "wall", "room"), (25, 80), (0.3, 0.9), (-0.2, 0.2)),
)
POLISH = {"marble": 0.16, "granite": 0.16, "tiles": 0.14, "steel": 0.13, "wood": 0.07, "plain": 0.04}


@dataclass(frozen=True)
class Stage:
    """All that a picture has but its things."""

    camera: Camera
    lamp: Lamp
    floor: tuple[str, int]  # kind and variant
    behind: tuple[str, int]
    edge: float  # cm behind the middle
    tilt: float  # of the table's edge
    spin: float  # of the floor's texture
    polish: float  # how clearly the floor mirrors
    shift: np.ndarray  # (4,) which part of the textures is seen

    def beyond_edge(self, place: np.ndarray) -> float:
        """How far a point (3,) lies behind the table's edge, cm; negative on the table."""
        return float(-place[2] - self.tilt * place[0] - self.edge)


def draw_stage(rng: np.random.Generator, w: int, h: int) -> Stage:
    """A place for a picture of w by h pixels."""
    setting = SETTINGS[rng.choice(len(SETTINGS), p=[s.share for s in SETTINGS])]
    pitch = rng.uniform(*setting.pitch)
    distance = np.exp(rng.uniform(np.log(32), np.log(100)))
    focal = max(w, h) * rng.uniform(1.0, 1.5)
    aim = np.array([0, rng.uniform(2, 8) * np.cos(pitch), 0])
    camera = Camera.at(aim, distance, pitch, rng.normal(0, 0.03), focal, w, h)
    floor = setting.floors[rng.integers(len(setting.floors))], int(rng.integers(surfaces.VARIANTS))
    kind = setting.behind[rng.integers(len(setting.behind))]
    count = surfaces.VARIANTS if kind in surfaces.FLOORS else backdrops.VARIANTS
    behind = kind, floor[1] if kind == "plain" else int(rng.integers(count))
    square_on = kind == "shop"
    return Stage(
        camera,
        _lamp(rng, setting, floor),
        floor,
        behind,
        rng.uniform(*setting.edge),
        0.0 if square_on else rng.normal(0, 0.12),
        0.0 if square_on else rng.uniform(-0.4, 0.4) + rng.integers(2) * np.pi / 2,
        POLISH.get(floor[0], 0.0) * rng.uniform(0.4, 1.3) * (rng.random() < 0.8),
        rng.random(4).astype(F),
    )


def _lamp(rng: np.random.Generator, setting: Setting, floor: tuple[str, int]) -> Lamp:
    side, height = rng.uniform(-1.5, 1.5), rng.uniform(0.55, 1.2)
    towards = np.array([np.sin(side) * np.cos(height), np.sin(height), np.cos(side) * np.cos(height)])
    if rng.random() < 0.3:
        towards[2] *= -0.7  # light from behind
        towards /= np.linalg.norm(towards)
    warm = rng.uniform(*setting.warmth)
    tint = np.array([1 + 0.5 * warm, 1.0, 1 - 0.6 * warm])
    outdoors = setting.floors == ("grass",)
    strength = rng.uniform(1.5, 2.8)
    sky = np.array([0.90, 0.97, 1.09]) * rng.uniform(0.35, 0.75)
    softness = rng.uniform(0.03, 0.08) if outdoors else rng.choice([0.06, 0.12, 0.2, 0.32])
    bounce = surfaces.mean(*floor) * (strength * towards[1] * tint + sky) * 0.7
    pattern = int(rng.integers(4)) + (4 if outdoors else 0) if rng.random() < 0.3 else -1
    colours = (np.asarray(a, F) for a in (towards, strength * tint, sky, bounce))
    slides = rng.random(2).astype(F)
    return Lamp(*colours, float(softness), bool(rng.random() < 0.6), gobo(pattern) if pattern >= 0 else None, slides)


@cache
def gobo(pattern: int) -> np.ndarray:
    """What stands in the light, as the share that passes: a window's bars (0..3) or leaves (4..7); 90 cm a tile."""
    a = (np.arange(256, dtype=F) + 0.5) / 256
    x, y = np.meshgrid(a, a)
    rng = np.random.default_rng([701, pattern])
    if pattern < 4:
        light = step(0.04, 0.06, x) * step(0.80, 0.78, x) * step(0.04, 0.06, y) * step(0.92, 0.90, y)
        for bar in np.linspace(0.05, 0.79, int(rng.integers(2, 4)) + 1)[1:-1]:
            light = light * step(0.012, 0.022, np.abs(x - bar))
        light = light * step(0.012, 0.022, np.abs(y - rng.uniform(0.35, 0.6)))
        light = cv2.GaussianBlur(np.tile(light, (3, 3)), (0, 0), 3 + 2 * pattern)[256:512, 256:512]
    else:
        light = step(-0.9, 0.5, noise(pattern, (256, 256), slope=1.5, finest=0.12))
    return np.ascontiguousarray(0.22 + 0.78 * light, F)
