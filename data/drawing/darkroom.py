"""From light to a picture: focus, exposure, white balance, vignette, noise, 8 bits."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from .light import F
from .solids import Seen

GRAIN = 1024


def out_of_focus(picture: np.ndarray, circle: np.ndarray, k: int) -> np.ndarray:
    """Blur by each pixel's own circle of confusion (h, w): mixed from four blurred pictures."""
    if circle.max() < 0.5:
        return picture
    sigmas = (1.2 * k, 3.0 * k, 7.0 * k)
    levels = [picture]
    for sigma, shrink in zip(sigmas, (1, 2, 4), strict=True):
        small = cv2.resize(picture, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
        levels.append(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    at = np.interp(np.minimum(circle / 2, sigmas[-1]), (0, *sigmas), (0, 1, 2, 3)).astype(F)
    return sum(level * np.clip(1 - np.abs(at - i), 0, 1)[..., None] for i, level in enumerate(levels))


def lay(picture: np.ndarray, seen: Seen, colour: np.ndarray, blur: float) -> None:
    """A thing over the picture, in place; softened a little where it is out of focus."""
    h, w = seen.window.shape
    alpha = seen.alpha[seen.inside][:, None]
    layer = np.zeros((h, w, 4), F)
    layer[seen.inside] = np.concatenate([colour * alpha, alpha], 1)
    if blur > 0.4:
        layer = cv2.GaussianBlur(layer, (0, 0), blur, borderType=cv2.BORDER_REPLICATE)
    part = picture[seen.window.cut]
    part *= 1 - layer[..., 3:]
    part += layer[..., :3]


def develop(rng: np.random.Generator, picture: np.ndarray, k: int) -> np.ndarray:
    """Linear light (k*h, k*w, 3) as a phone's uint8 picture (h, w, 3)."""
    if k > 1:
        picture = cv2.resize(picture, None, fx=1 / k, fy=1 / k, interpolation=cv2.INTER_AREA)
    h, w = picture.shape[:2]
    metered = picture[h // 8 :: 4, ::4].max(-1)
    middle, bright = np.sqrt(np.maximum(metered, 0)).mean() ** 2, np.percentile(metered, 99)
    exposure = min(0.68 / (middle + 0.20), 1.7 / bright) * rng.uniform(0.85, 1.2)
    balance = rng.normal(1, 0.03, 3) * (1 + rng.normal(0, 0.05) * np.array([1, 0, -1]))
    a, b = np.linspace(-0.5, 0.5, w, dtype=F) ** 2, np.linspace(-0.5, 0.5, h, dtype=F) ** 2
    corners = 1 - F(2 * rng.uniform(0.05, 0.38)) * (a + b[:, None])
    picture = picture * (corners[..., None] * (exposure * balance).astype(F))
    small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    glow = cv2.GaussianBlur(np.clip(small - F(0.9), 0, 3), (0, 0), h / 140)
    picture += cv2.resize(glow, (w, h)) * F(0.25)
    peak = picture.max(-1, keepdims=True)  # bright colours lose some of their colour, as on film
    picture += (peak - picture) * np.clip((peak - F(1.0)) * F(0.10), 0, F(0.22))
    positive = film(picture, rng.uniform(0.15, 0.6))
    strength, (y0, x0) = rng.uniform(0.004, 0.013), rng.integers(GRAIN, size=2)
    rows, columns = (y0 + np.arange(h)) % GRAIN, (x0 + np.arange(w)) % GRAIN
    positive += _grain()[rows][:, columns] * F(strength) * (F(1.2) - positive)
    return (np.clip(positive, 0, 1) * 255 + F(0.5)).astype(np.uint8)


def film(light: np.ndarray, contrast: float) -> np.ndarray:
    """Linear light to what is shown: 0..1, highlights rolled off."""
    x = np.linspace(0, 4, 4096) ** 2
    shown = np.clip(x * (1 + x / 2.6) / (1 + x), 0, 1) ** (1 / 2.2)
    shown += (shown * shown * (3 - 2 * shown) - shown) * contrast
    index = np.sqrt(np.clip(light, 0, F(15.99))) * F(4095 / 4)
    return shown.astype(F)[index.astype(np.int16)]


@cache
def _grain() -> np.ndarray:
    """A sensor's noise: fine in brightness, coarser in colour; tileable float32 (GRAIN, GRAIN, 3)."""
    rng = np.random.default_rng(801)
    luma = rng.standard_normal((GRAIN, GRAIN, 1), F)
    chroma = rng.standard_normal((GRAIN, GRAIN, 3), F)
    return luma * F(0.8) + cv2.GaussianBlur(chroma, (0, 0), 0.8, borderType=cv2.BORDER_REFLECT) * F(1.2)
