"""Colours for classes: each told apart from the others of its data set, by those who confuse red and green too."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]  # 0..255, sRGB
Floats = NDArray[np.float64]

_FIRST = (0, 204, 255)
_LIGHTNESS = (0.64, 0.93)  # OKLab: dark letters read well on it, and it is not yet white
_CHROMA = 0.09  # from here on it is a colour and no grey
_ANY = 32  # colours for names whose data set is not known
_WEIGHT = 1.5  # of a distance as the colour-blind see it: theirs span less room

# Ottosson (2020), "A perceptual color space for image processing": linear sRGB to cone responses to OKLab.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# Machado, Oliveira and Fernandes (2009): linear sRGB as it looks without red, and without green cones.
_PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
_DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)


def palette(classes: Iterable[str], others: Iterable[str] = ()) -> dict[str, Colour]:
    """A colour for each class of a data set, the same for the same set of classes.

    others: further names, which change nothing about the colours of ``classes``.
    """
    names = sorted(set(classes))
    names += sorted(set(others) - set(names))
    return dict(zip(names, spread(len(names)), strict=True))


def colour_of(name: str) -> Colour:
    """A colour from the name alone, where the other classes are not known; two names may share one."""
    return spread(_ANY)[zlib.crc32(name.encode(errors="surrogatepass")) % _ANY]


@lru_cache(maxsize=64)
def spread(count: int) -> tuple[Colour, ...]:
    """So many colours, each the one farthest from those before it, so that the first few differ most.

    Distances are those of OKLab, as the eye sees them and as it does without red or green cones; the least counts.
    Beyond some 1,700 they repeat.
    """
    colours, views = _candidates()
    chosen, nearest = [int(np.abs(colours - _FIRST).sum(axis=1).argmin())], np.full(len(colours), np.inf)
    for _ in range(min(count, len(colours)) - 1):
        nearest = np.minimum(nearest, np.linalg.norm(views - views[:, chosen[-1], None], axis=2).min(axis=0))
        chosen.append(int(np.round(nearest, 6).argmax()))  # rounded: the same choice on every processor
    picked: list[Colour] = [(red, green, blue) for red, green, blue in colours[chosen].tolist()]
    return tuple(picked[i % len(picked)] for i in range(count))


def seen(colours: NDArray[np.int64]) -> Floats:
    """Colours, shape (N, 3), in OKLab as three kinds of eyes see them: all cones, no red, no green; shape (3, N, 3)."""
    encoded = colours / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    eyes = np.stack([linear, linear @ _PROTANOPIA.T, linear @ _DEUTERANOPIA.T])
    lab: Floats = np.cbrt(np.clip(eyes, 0, 1) @ _CONES.T) @ _LAB.T
    return lab


@lru_cache(maxsize=1)
def _candidates() -> tuple[NDArray[np.int64], Floats]:
    """The colours to choose from, and how they look, weighted: shapes (N, 3) and (3, N, 3)."""
    steps = np.arange(0, 256, 17)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    views = seen(cube)
    lightness, chroma = views[0, :, 0], np.hypot(views[0, :, 1], views[0, :, 2])
    kept = (lightness >= _LIGHTNESS[0]) & (lightness <= _LIGHTNESS[1]) & (chroma >= _CHROMA)
    return cube[kept], views[:, kept] * np.array([1, _WEIGHT, _WEIGHT]).reshape(3, 1, 1)
