"""More pictures from one: imgaug moves the pixels, the boxes go with the very same matrix."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssdprep import boxes as geometry
from ssdprep.record import Box, Object, Size

Pixels = NDArray[np.uint8]
Fit = Literal["ellipse", "corners"]

_LIMITS = {
    "rotate": 180.0,
    "shear": 60.0,
    "scale": 0.9,
    "translate": 0.9,
    "noise": 1.0,
    "blur": 20.0,
    "contrast": 0.9,
    "brightness": 0.9,
    "min_visibility": 1.0,
}
_FITS = {"ellipse": geometry.warp_ellipse, "corners": geometry.warp}
_CUT = 0.5  # pixels that a border must take from a box before it counts as truncated: XML holds whole pixels


@dataclass(frozen=True, slots=True)
class Recipe:
    """How far a drawn picture may differ from its photo. 0 and False: not at all.

    rotate, shear: degrees, either way. scale: share, in or out. translate: share of the sides. flip_h, flip_v: every
    other picture. noise: standard deviation, share of white. blur: sigma in pixels. contrast, brightness: share, up or
    down. min_visibility: a box of which less than this share stays in the picture is dropped. fit: what a box encloses
    after rotation and shear, the ellipse inscribed in the photo's box or that box's corners.
    """

    rotate: float = 0.0
    shear: float = 0.0
    scale: float = 0.0
    translate: float = 0.0
    flip_h: bool = False
    flip_v: bool = False
    noise: float = 0.0
    blur: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    min_visibility: float = 0.3
    fit: Fit = "ellipse"

    def __post_init__(self) -> None:
        for name, limit in _LIMITS.items():
            if not 0 <= getattr(self, name) <= limit:
                raise ValueError(f"{name} must be in 0..{limit:g}, not {getattr(self, name)}")
        if self.fit not in _FITS:
            raise ValueError(f"fit must be one of {', '.join(_FITS)}, not {self.fit!r}")

    @property
    def operations(self) -> dict[str, float | bool]:
        """What this recipe does, by name; empty where it does nothing."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("min_visibility", "fit")}
        return {name: value for name, value in chosen.items() if value}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one picture gets. rotate: degrees clockwise; scale, contrast, brightness: factors; the rest as `Recipe`."""

    flip_h: bool = False
    flip_v: bool = False
    rotate: float = 0.0
    shear: float = 0.0
    scale: float = 1.0
    translate_x: float = 0.0
    translate_y: float = 0.0
    blur: float = 0.0
    contrast: float = 1.0
    brightness: float = 1.0
    noise: float = 0.0


class Augmented(NamedTuple):
    """A drawn picture: uint8 (height, width, 3), the objects that are still on it, and what was done."""

    image: Pixels
    objects: tuple[Object, ...]
    applied: dict[str, Any]


def rng_for(seed: int, name: str, copy: int) -> np.random.Generator:
    """Randomness that belongs to one picture: the same on any worker, in any order, whatever else is drawn."""
    return np.random.default_rng([seed % 2**64, zlib.crc32(os.fsencode(name)), copy])


def draw(recipe: Recipe, rng: np.random.Generator) -> Drawn:
    """One picture's parameters. Every parameter takes its own number, so that switching one on leaves the rest alone.

    Numbers have four decimals, so that a table of them says exactly what was done.
    """
    u = [round(float(number), 4) for number in rng.uniform(-1.0, 1.0, 11)]
    return Drawn(
        flip_h=recipe.flip_h and u[0] < 0,
        flip_v=recipe.flip_v and u[1] < 0,
        rotate=_four(recipe.rotate * u[2]),
        shear=_four(recipe.shear * u[3]),
        scale=_four(1 + recipe.scale * u[4]),
        translate_x=_four(recipe.translate * u[5]),
        translate_y=_four(recipe.translate * u[6]),
        blur=_four(recipe.blur * abs(u[7])),
        contrast=_four(1 + recipe.contrast * u[8]),
        brightness=_four(1 + recipe.brightness * u[9]),
        noise=_four(recipe.noise * abs(u[10])),
    )


def _four(number: float) -> float:
    return round(number, 4) + 0.0  # no -0.0


def augment_image(image: Pixels, objects: Sequence[Object], recipe: Recipe, rng: np.random.Generator) -> Augmented:
    """A new picture of the same size, drawn from an upright photo, with its boxes moved along.

    image: uint8 (height, width, 3). Boxes that come back lie in the picture and are at least a pixel wide and high;
    one that a border cuts is truncated; the others are dropped, as `Recipe.min_visibility` says.
    """
    drawn = draw(recipe, rng)
    moved, matrix = warp(image, drawn)
    kept = move(objects, matrix, Size(image.shape[1], image.shape[0]), recipe.fit, recipe.min_visibility)
    return Augmented(retouch(moved, drawn, rng), kept, asdict(drawn))


def boxes_left(objects: Sequence[Object], size: Size, recipe: Recipe, rng: np.random.Generator) -> tuple[Object, ...]:
    """The objects of `augment_image`, for the same arguments, without its picture: a tenth of the time."""
    return move(objects, matrix_of(draw(recipe, rng), size), size, recipe.fit, recipe.min_visibility)


def warp(image: Pixels, drawn: Drawn) -> tuple[Pixels, NDArray[np.float64]]:
    """Flip, then rotate, shear, scale and shift in one resampling. Returns the picture and its (2, 3) matrix.

    What comes into view from outside the photo has the photo's mean colour: mirrored borders would show objects that
    no box knows, stretched ones would smear objects out of their box, and black is an edge that no photo has.
    """
    import cv2

    size = Size(image.shape[1], image.shape[0])
    steps = _steps(drawn, [round(c) for c in cv2.mean(image)[:3]])
    if not steps:
        return image, np.eye(2, 3)
    moved, points = _sequence(steps)(image=image, keypoints=_corners(size))
    return moved, _matrix(points, size)


def matrix_of(drawn: Drawn, size: Size) -> NDArray[np.float64]:
    """The matrix of `warp` alone: for the same arguments the same numbers."""
    steps = _steps(drawn, [0, 0, 0])
    return _matrix(_sequence(steps)(keypoints=_corners(size)), size) if steps else np.eye(2, 3)


def _corners(size: Size) -> Any:
    from ssdprep.imgaug_numpy2 import Keypoints

    xy = np.array([[0, 0], [size.width, 0], [0, size.height]])
    return Keypoints.from_xy_array(xy, shape=(size.height, size.width, 3))


def _matrix(corners: Any, size: Size) -> NDArray[np.float64]:
    """Where imgaug takes three corners is all there is to know."""
    origin, right, down = corners.to_xy_array().astype(np.float64)
    return np.column_stack([(right - origin) / size.width, (down - origin) / size.height, origin])


def _steps(drawn: Drawn, colour: Sequence[int]) -> list[Any]:
    """What imgaug does to pixels and points alike."""
    from ssdprep.imgaug_numpy2 import iaa, iap

    steps = [iaa.Fliplr(1.0, seed=0)] * drawn.flip_h + [iaa.Flipud(1.0, seed=0)] * drawn.flip_v
    if (drawn.rotate, drawn.shear, drawn.scale, drawn.translate_x, drawn.translate_y) != (0, 0, 1, 0, 0):
        steps.append(
            iaa.Affine(
                rotate=drawn.rotate,
                shear=drawn.shear,
                scale=drawn.scale,
                translate_percent={"x": drawn.translate_x, "y": drawn.translate_y},
                cval=iap.DeterministicList(list(colour)),
                seed=0,
            )
        )
    return steps


def _sequence(steps: list[Any]) -> Any:
    from ssdprep.imgaug_numpy2 import iaa

    return iaa.Sequential(steps, seed=0)


def move(
    objects: Sequence[Object], matrix: NDArray[np.float64], size: Size, fit: Fit, min_visibility: float
) -> tuple[Object, ...]:
    """The objects that stay in a picture of this size after an affine map, clipped; cut ones are truncated."""
    whole = _FITS[fit]([thing.box for thing in objects], matrix)
    seen = geometry.clip(whole, size)
    before = geometry.area([thing.box for thing in objects])
    visible = geometry.area(seen) >= np.maximum(min_visibility * geometry.area(whole), 1e-9)
    kept = visible & (before > 0) & ((seen[:, 2:] - seen[:, :2]) >= 1).all(axis=1)
    cut = np.abs(whole - seen).max(axis=1, initial=0.0) >= _CUT
    return tuple(
        replace(thing, box=Box(*box), truncated=thing.truncated or bool(is_cut))
        for thing, box, is_kept, is_cut in zip(objects, seen.tolist(), kept, cut, strict=True)
        if is_kept
    )


def retouch(image: Pixels, drawn: Drawn, rng: np.random.Generator) -> Pixels:
    """Blur, contrast, brightness, noise: in the order in which a camera adds them. Boxes stay."""
    import cv2

    from ssdprep.imgaug_numpy2 import iaa

    if drawn.blur:
        image = iaa.GaussianBlur(drawn.blur, seed=0)(image=image)
    if drawn.contrast != 1 or drawn.brightness != 1:
        tone = iaa.Sequential(
            [iaa.LinearContrast(drawn.contrast, seed=0), iaa.Multiply(drawn.brightness, seed=0)], seed=0
        )
        # What imgaug makes of each of the 256 values, looked up: one pass over the picture instead of two.
        image = cv2.LUT(image, tone(image=np.arange(256, dtype=np.uint8).reshape(1, 256, 1)).reshape(256))
    return add_noise(image, 255 * drawn.noise, rng) if drawn.noise else image


def add_noise(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Gaussian noise on every value, sigma in grey levels, rounded and saturated.

    Drawn as 16 random bits that choose among the 65,536 equally likely quantiles: the same noise as imgaug's, within
    4.2 sigma, at a fifth of the time.
    """
    import cv2

    levels = np.rint(sigma * _quantiles()).astype(np.int16)
    noise = levels.take(rng.integers(0, 2**16, image.shape, dtype=np.uint16))
    return cv2.add(image, noise, dtype=cv2.CV_8U)  # type: ignore[no-any-return]


@cache
def _quantiles() -> NDArray[np.float32]:
    normal = NormalDist()
    return np.array([normal.inv_cdf((k + 0.5) / 2**16) for k in range(2**16)], dtype=np.float32)
