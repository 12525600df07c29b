"""What is seen behind the table: rooms out of focus, tiled walls, shop shelves, gardens."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from .light import F, mix, noise, rgb, step

W, H = 768, 384  # a backdrop spans 180 by 90 cm
VARIANTS = 4


def _grid() -> tuple[np.ndarray, np.ndarray]:
    return np.meshgrid((np.arange(W, dtype=F) + 0.5) / W, (np.arange(H, dtype=F) + 0.5) / H)


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def _bokeh(image: np.ndarray, rng: np.random.Generator, count: int, colours, size: tuple[float, float]) -> np.ndarray:
    """Discs of light, as a lens draws lamps that are out of focus."""
    glow = np.zeros_like(image)
    for _ in range(count):
        disc = np.zeros(image.shape[:2], F)
        centre = int(rng.random() * W * 16), int(rng.random() * H * 0.75 * 16)
        cv2.circle(disc, centre, int(rng.uniform(*size) * 16), 1.0, -1, cv2.LINE_AA, 4)
        disc = _blurred(disc, 1.5)
        glow += disc[..., None] * rgb(colours[rng.integers(len(colours))]) * rng.uniform(0.1, 0.8)
    return image + glow


def room(variant: int) -> np.ndarray:
    """A living room: wall, furniture and a window, far out of focus."""
    rng = np.random.default_rng([601, variant])
    x, y = _grid()
    wall = rgb(("d9cbb5", "b9c3c4", "c7b9a6", "8f9a8c")[variant % 4])
    image = np.broadcast_to(wall, (H, W, 3)) * (0.5 + 0.5 * (1 - y))[..., None]
    image = np.ascontiguousarray(image, F)
    for _ in range(7):
        w, h = rng.uniform(0.06, 0.25), rng.uniform(0.2, 0.6)
        x0, base = rng.random(), rng.uniform(0.7, 1.1)
        tone = rgb(("6b4a33", "3c3b3a", "7f7565", "a38763", "4c5a63", "8c4a3a")[rng.integers(6)])
        inside = (
            step(0, 0.01, x - x0) * step(0, 0.01, x0 + w - x) * step(0, 0.01, y - base + h) * step(0, 0.01, base - y)
        )
        image = mix(image, tone * rng.uniform(0.4, 1.0), inside * 0.9)
    x0 = rng.uniform(0.1, 0.7)
    pane = step(0, 0.01, x - x0) * step(0, 0.01, x0 + 0.2 - x) * step(0.05, 0.06, y) * step(0.66, 0.65, y)
    pane *= 1 - 0.6 * step(0.012, 0.006, np.abs(x - x0 - 0.1))
    image = mix(image, rgb("f7fbff") * 1.9, pane)
    return _bokeh(_blurred(image, 11), rng, 5, ("ffd9a0", "ffe9c9"), (6, 14))


def evening(variant: int) -> np.ndarray:
    """Lights in a dark room."""
    rng = np.random.default_rng([602, variant])
    _, y = _grid()
    base = rgb(("2a2420", "1d2530", "2b2a24", "30232a")[variant % 4])
    image = base * (1.4 - 0.9 * y)[..., None]
    return _bokeh(image.astype(F), rng, 34, ("ffc56b", "ff9a4a", "ffe3b0", "9fc4ff", "ff7a6b"), (7, 20))


def garden(variant: int) -> np.ndarray:
    """Hedges and sky between leaves, far out of focus."""
    rng = np.random.default_rng([603, variant])
    _, y = _grid()
    leaves = noise(603 + variant, (H, W), slope=1.5)
    image = mix(rgb("2c4a1a"), rgb("8fb04a"), np.clip(0.5 + 0.3 * leaves, 0, 1))
    image = mix(image, rgb("dfeaf2"), step(0.5, 2.2, leaves + 1.8 * (0.5 - y)))
    return _bokeh(_blurred(image, 7), rng, 26, ("d9f0a0", "f4f7d9", "b7d36a"), (5, 13)).astype(F)


def shop(variant: int) -> np.ndarray:
    """Rows of goods on a shop's shelves."""
    rng = np.random.default_rng([604, variant])
    image = np.full((H, W, 3), 0.03, F)
    for bottom in (118, 246, 374):
        x = -10.0
        while x < W:
            hue = rng.random(3) ** 1.3 * 0.55 + 0.05
            w, tall = rng.uniform(22, 60), rng.uniform(60, 104)
            for _ in range(int(rng.integers(1, 5))):
                a, b = (int(x), int(bottom - tall)), (int(x + w - 2), bottom)
                cv2.rectangle(image, a, b, hue.tolist(), -1)
                label = (0.2 + 0.8 * rng.random(3) * 0.8).tolist()
                cv2.rectangle(
                    image, (a[0] + 4, int(bottom - tall * 0.7)), (b[0] - 4, int(bottom - tall * 0.3)), label, -1
                )
                x += w
        cv2.rectangle(image, (0, bottom), (W, bottom + 9), (0.75, 0.75, 0.73), -1)
        for tag in range(int(rng.integers(0, 40)), W, 70):
            cv2.rectangle(image, (tag, bottom), (tag + 24, bottom + 8), (0.9, 0.85, 0.25), -1)
    return _blurred(image, 2.2)


def wall(variant: int) -> np.ndarray:
    """A painted wall with light falling along it."""
    x, y = _grid()
    base = rgb(("cdd6d3", "e2d6c3", "8fa3ad", "b7a59a")[variant % 4])
    fall = 0.6 + 0.55 * np.exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) * 3)
    return (base * (fall * (1 + 0.02 * noise(605 + variant, (H, W), slope=1.2)))[..., None]).astype(F)


BACKDROPS = {f.__name__: f for f in (room, evening, garden, shop, wall)}


@lru_cache(maxsize=32)
def backdrop(kind: str, variant: int) -> np.ndarray:
    """A backdrop by name: float32 linear RGB (384, 768, 3). Read only."""
    return np.ascontiguousarray(np.maximum(BACKDROPS[kind](variant), 0.004), F)
