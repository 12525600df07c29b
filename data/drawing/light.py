"""Colours in linear light, tileable noise, and the camera: what everything else is drawn with."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

F = np.float32


def rgb(code: str) -> np.ndarray:
    """A colour as designers write it ("c8102e"), in linear light: float32 (3,)."""
    return linear(np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], F) / 255)


def linear(encoded: np.ndarray) -> np.ndarray:
    """sRGB values in 0..1 as linear light."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(F)


def mix(a: np.ndarray, b: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """``a`` where share is 0, ``b`` where it is 1; colours (3,) or (..., 3) against shares (...)."""
    w = np.asarray(share, F)[..., None]
    return a + (b - a) * w


def step(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, a smooth ramp between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def noise(
    seed: int, shape: tuple[int, int] = (512, 512), *, slope: float = 1.6, stretch: float = 1.0, finest: float = 0.5
) -> np.ndarray:
    """Tileable noise, mean 0, deviation 1: float32 ``shape``.

    ``slope``: how fast fine detail fades; ``stretch`` > 1 draws it out along x; ``finest``: highest frequency kept.
    """
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    f = np.hypot(fy, fx * stretch)
    f[0, 0] = np.inf
    weight = f**-slope * (f < finest * max(1.0, stretch))
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) * weight
    field = np.fft.irfft2(spectrum, shape)
    return ((field - field.mean()) / field.std()).astype(F)


@lru_cache(maxsize=64)
def shared_noise(seed: int, slope: float = 1.6, stretch: float = 1.0) -> np.ndarray:
    """Noise that many pictures share; each looks at another part of it. Read only."""
    return noise(seed, slope=slope, stretch=stretch)


def sample(texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A texture (h, w) or (h, w, c) at coordinates in tiles: u, v of any shape; it repeats for ever."""
    h, w = texture.shape[:2]
    shape = u.shape
    x = np.mod(u, 1).astype(F).reshape(1, -1) if u.ndim < 2 else np.mod(u, 1).astype(F)
    y = np.mod(v, 1).astype(F).reshape(x.shape)
    if x.shape[0] == 1 and x.shape[1] > 30000:  # OpenCV maps hold at most 32767 columns
        pad = -x.shape[1] % 512
        x, y = (np.pad(a, ((0, 0), (0, pad))).reshape(-1, 512) for a in (x, y))
    found = cv2.remap(texture, x * w - 0.5, y * h - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    flat = found.reshape(-1, *texture.shape[2:])[: u.size]
    return flat.reshape(*shape, *texture.shape[2:])


class Window(NamedTuple):
    """A rectangle of pixels of the picture being drawn."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def cut(self) -> tuple[slice, slice]:
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def shape(self) -> tuple[int, int]:
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def empty(self) -> bool:
        return self.x1 <= self.x0 or self.y1 <= self.y0


class Camera(NamedTuple):
    """A pinhole camera. World: x right, y up, z towards the viewer, in centimetres; the floor is y = 0."""

    eye: np.ndarray  # (3,)
    axes: np.ndarray  # (3, 3): rows right, up, forward
    focal: float  # pixels
    width: int
    height: int

    @staticmethod
    def at(target: np.ndarray, distance: float, pitch: float, roll: float, focal: float, w: int, h: int) -> Camera:
        """A camera that looks down at ``target`` by ``pitch``, turned by ``roll`` (radians)."""
        forward = np.array([0, -np.sin(pitch), -np.cos(pitch)])
        right, up = np.array([1.0, 0, 0]), np.array([0, np.cos(pitch), -np.sin(pitch)])
        c, s = np.cos(roll), np.sin(roll)
        axes = np.stack([c * right + s * up, c * up - s * right, forward])
        return Camera((target - distance * forward).astype(F), axes.astype(F), focal, w, h)

    def rays(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Directions (3, len(y), len(x)) of unit depth through pixel centres, columns x and rows y."""
        a = ((x + 0.5 - self.width / 2) / self.focal).astype(F)
        b = ((self.height / 2 - y - 0.5) / self.focal).astype(F)[:, None]
        r, u, f = self.axes
        return np.stack([(a * r[i] + f[i]) + b * u[i] for i in range(3)])

    def window_rays(self, window: Window, stride: float = 1.0) -> np.ndarray:
        """Directions (3, rows, columns) through a window, one for each ``stride`` pixels."""
        rows, columns = (max(2, int(np.ceil(n / stride))) for n in window.shape)
        x = window.x0 + (np.arange(columns) + 0.5) * (window.shape[1] / columns) - 0.5
        y = window.y0 + (np.arange(rows) + 0.5) * (window.shape[0] / rows) - 0.5
        return self.rays(x, y)

    def mirrored(self, shrink: int) -> Camera:
        """What the floor shows: the camera below it, its picture ``shrink`` times smaller."""
        flip = np.array([1, -1, 1], F)
        w, h = -(-self.width // shrink), -(-self.height // shrink)
        return Camera(self.eye * flip, self.axes * flip, self.focal / shrink, w, h)

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (N, 3) as (N, 3): pixel x, pixel y, depth."""
        seen = (points - self.eye) @ self.axes.T
        depth = np.maximum(seen[:, 2], 1e-3)
        x = seen[:, 0] / depth * self.focal + self.width / 2
        y = self.height / 2 - seen[:, 1] / depth * self.focal
        return np.stack([x, y, depth], 1)

    def window_of(self, centre: np.ndarray, radius: float, pad: int = 2) -> Window:
        """The pixels that a ball may touch, cut at the picture's borders."""
        x, y, depth = self.project(centre[None])[0]
        reach = self.focal * radius / np.sqrt(max(depth * depth - radius * radius, radius)) * 1.05 + pad
        x0, y0 = max(0, int(x - reach)), max(0, int(y - reach))
        x1, y1 = min(self.width, int(x + reach) + 2), min(self.height, int(y + reach) + 2)
        return Window(x0, y0, max(x0, x1), max(y0, y1))
