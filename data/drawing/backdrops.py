"""What is seen behind the table: rooms out of focus, tiled walls, shop shelves, gardens."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from .light import F, mix, noise, rgb, step

W, H = 768, 384  # a backdrop spans 180 by 90 cm
VARIANTS = 4
GOODS = ("8c2f2b", "b5502f", "c99a3a", "d8c9a8", "e8e4da", "46613a", "2f4a66", "6d88a0", "5c4632", "a7a29a", "33312f")


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
    image = np.full((H, W, 3), 0.02, F)
    for bottom in (118, 246, 374):
        x = -10.0
        while x < W:
            hue, label = (rgb(GOODS[i]) for i in rng.permutation(len(GOODS))[:2])
            w, tall, jar = rng.uniform(18, 44), rng.uniform(48, 104), rng.random() < 0.4
            for _ in range(int(rng.integers(2, 6))):
                _goods(image, int(x), bottom, int(w), int(tall), hue * rng.uniform(0.8, 1.1), label, jar)
                x += w
            x += rng.choice([0, 0, 6, 30])
        image[bottom : bottom + 9] = 0.6
        for tag in range(int(rng.integers(0, 40)), W, 70):
            cv2.rectangle(image, (tag, bottom + 1), (tag + 22, bottom + 8), (0.85, 0.82, 0.6), -1)
    return _blurred(image, 2.2)


def _goods(image: np.ndarray, x: int, bottom: int, w: int, h: int, hue, label, jar: bool) -> None:
    """One packet or jar on a shelf: lit from above, with a label, a lid, a band."""
    colour = np.empty((h, w - 1, 3), F)
    colour[:] = hue
    colour[int(0.38 * h) : int(0.8 * h)] = label
    colour[int(0.52 * h) : int(0.58 * h), w // 5 : -w // 5] = hue
    if jar:
        colour[: h // 8] = label * 0.5
    across = np.linspace(-1, 1, w - 1, dtype=F)
    shape = 1 - 0.6 * across**2 if jar else 0.85 + 0.1 * across
    colour *= (shape * np.linspace(1.0, 0.55, h, dtype=F)[:, None])[..., None]
    x0, x1 = max(x, 0), min(x + w - 1, W)
    if x1 > x0:
        image[bottom - h : bottom, x0:x1] = colour[:, x0 - x : x1 - x]


def wall(variant: int) -> np.ndarray:
    """A painted wall with light falling along it."""
    x, y = _grid()
    base = rgb(("cdd6d3", "e2d6c3", "8fa3ad", "b7a59a")[variant % 4])
    fall = 0.6 + 0.55 * np.exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) * 3)
    return (base * (fall * (1 + 0.02 * noise(605 + variant, (H, W), slope=1.2)))[..., None]).astype(F)


BACKDROPS = {f.__name__: f for f in (room, evening, garden, shop, wall)}


@cache
def backdrop(kind: str, variant: int) -> np.ndarray:
    """A backdrop by name: float32 linear RGB (384, 768, 3). Read only."""
    return np.ascontiguousarray(np.maximum(BACKDROPS[kind](variant), 0.004), F)
