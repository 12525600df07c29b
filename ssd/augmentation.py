"""What training does to a picture before the network sees it (Liu et al. 2016, section 2.2), as TensorFlow ops.

Zoom-out and IoU crop are both nothing but the choice of a window, larger or smaller than the picture: the two are
composed first and the pixels are sampled once, with antialiasing, by the same resampling that evaluation uses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

TRIALS = 50  # windows drawn at once for an IoU crop; the first that fits is taken


class Augmentation(NamedTuple):
    """Probabilities and ranges; the defaults are the paper's."""

    zoom_out: float = 0.5  # probability
    max_zoom_out: float = 3.0  # sides of the canvas over sides of the picture
    crop: float = 6 / 7  # probability; the other draws of the paper's seven keep the whole picture
    crop_ious: tuple[float, ...] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # the IoU that some box must have with the crop
    min_crop: float = 0.3  # smallest side of a crop, as a share
    flip_h: float = 0.5
    flip_v: float = 0.0
    photometric: float = 0.5  # of each of brightness, contrast, saturation, hue


class Draws:
    """Independent random numbers from one seed: each call takes the next key, so that no two draws agree."""

    def __init__(self, seed: tf.Tensor) -> None:
        self._seed = seed
        self._taken = 0

    def uniform(self, shape: tuple[int, ...] = (), low: Any = 0.0, high: Any = 1.0) -> tf.Tensor:
        """Float32 numbers in [low, high)."""
        self._taken += 1
        key = tf.random.experimental.stateless_fold_in(self._seed, self._taken)
        return low + tf.random.stateless_uniform(shape, key) * (high - low)

    def happens(self, probability: float) -> tf.Tensor:
        """True with that probability."""
        return self.uniform() < probability


def augment(
    image: tf.Tensor, boxes: tf.Tensor, ids: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], how: Augmentation
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One training picture drawn from a photo.

    image: (H, W, 3) uint8; boxes: (N, 4) float32 corners, shares of the sides; ids: (N,) int32; seed: (2,) int32;
    size: height and width of the result. Returns image (h, w, 3) float32 in 0..255, boxes (M, 4), ids (M,), M <= N:
    a box stays if its centre does, and is cut at the border.
    """
    draws = Draws(seed)
    window = _crop(draws, boxes, _zoom_out(draws, how), how)
    picture = sample(image, window, size)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    moved = tf.clip_by_value(_within(boxes, window), 0.0, 1.0)
    sides = (moved[:, 2:] - moved[:, :2]) * tf.constant(size[::-1], tf.float32)
    keep = _contains(window, centres) & tf.reduce_all(sides >= 1.0, axis=1)
    moved, ids = tf.boolean_mask(moved, keep), tf.boolean_mask(ids, keep)
    picture, moved = _flip(draws, picture, moved, how)
    return _photometric(draws, picture, how), moved, ids


def sample(image: tf.Tensor, window: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """The part of a picture that a window shows, resampled with antialiasing.

    image: (H, W, 3) uint8; window: (4,) float32 corners, shares of the picture's sides, may reach beyond it: what lies
    outside is mid-grey, the zero of the network's input. Returns (h, w, 3) float32 in 0..255. The window (0, 0, 1, 1)
    gives what ``tf.image.resize(antialias=True)`` gives.
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    top_left, bottom_right = window[1::-1] * sides, window[:1:-1] * sides
    scale = tf.constant(size, tf.float32) / (bottom_right - top_left)
    centred = tf.cast(image, tf.float32)[None] - 127.5
    shown = tf.raw_ops.ScaleAndTranslate(
        images=centred, size=size, scale=scale, translation=-top_left * scale, kernel_type="triangle", antialias=True
    )
    return tf.ensure_shape(shown[0] + 127.5, (*size, 3))


def _zoom_out(draws: Draws, how: Augmentation) -> tf.Tensor:
    """A window around the picture: the picture lies somewhere on a canvas up to ``max_zoom_out`` times its sides."""
    ratio = tf.where(draws.happens(how.zoom_out), draws.uniform((), 1.0, how.max_zoom_out), 1.0)
    corner = -draws.uniform((2,)) * (ratio - 1.0)
    return tf.concat([corner, corner + ratio], axis=0)


def _crop(draws: Draws, boxes: tf.Tensor, canvas: tf.Tensor, how: Augmentation) -> tf.Tensor:
    """A window within the canvas that keeps a box's centre and overlaps some box by a drawn IoU, or the canvas."""
    sides = draws.uniform((TRIALS, 2), how.min_crop, 1.0)
    corners = draws.uniform((TRIALS, 2)) * (1.0 - sides)
    aspects = sides[:, 0] / sides[:, 1]
    extent = canvas[2:] - canvas[:2]
    windows = tf.concat([canvas[:2] + corners * extent, canvas[:2] + (corners + sides) * extent], axis=1)
    wanted = tf.gather(tf.constant(how.crop_ious), tf.cast(draws.uniform() * len(how.crop_ious), tf.int32))
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    holds = tf.reduce_any(_contains(windows[:, None], centres[None]), axis=1)
    overlaps = tf.reduce_max(_iou(windows, boxes), axis=1, keepdims=False) >= wanted
    fits = (aspects >= 0.5) & (aspects <= 2.0) & ((holds & overlaps) | tf.equal(tf.shape(boxes)[0], 0))
    fits &= draws.happens(how.crop)
    return tf.where(tf.reduce_any(fits), windows[tf.argmax(fits)], canvas)


def _flip(draws: Draws, image: tf.Tensor, boxes: tf.Tensor, how: Augmentation) -> tuple[tf.Tensor, tf.Tensor]:
    across, down = draws.happens(how.flip_h), draws.happens(how.flip_v)
    image = tf.cond(across, lambda: image[:, ::-1], lambda: image)
    image = tf.cond(down, lambda: image[::-1], lambda: image)
    x0, y0, x1, y1 = tf.unstack(boxes, axis=1)
    x0, x1 = tf.where(across, 1.0 - x1, x0), tf.where(across, 1.0 - x0, x1)
    y0, y1 = tf.where(down, 1.0 - y1, y0), tf.where(down, 1.0 - y0, y1)
    return image, tf.stack([x0, y0, x1, y1], axis=1)


def _photometric(draws: Draws, image: tf.Tensor, how: Augmentation) -> tf.Tensor:
    """Brightness, contrast, saturation and hue, each drawn apart; one matrix does the last two, without HSV."""
    p = how.photometric
    brightness = tf.where(draws.happens(p), draws.uniform((), -32.0, 32.0), 0.0)
    contrast = tf.where(draws.happens(p), draws.uniform((), 0.5, 1.5), 1.0)
    saturation = tf.where(draws.happens(p), draws.uniform((), 0.5, 1.5), 1.0)
    angle = tf.where(draws.happens(p), draws.uniform((), -0.1 * 3.14159, 0.1 * 3.14159), 0.0)
    # In YIQ, hue is an angle and saturation a radius: turn and stretch the two colour axes, leave the luma.
    c, s = saturation * tf.cos(angle), saturation * tf.sin(angle)
    turn = tf.stack([tf.constant([1.0, 0.0, 0.0]), tf.stack([0.0, c, -s]), tf.stack([0.0, s, c])])
    colour = tf.matmul(tf.matmul(tf.linalg.inv(_YIQ), turn), _YIQ)
    mixed = tf.tensordot(image, colour * contrast, [[2], [1]])
    return tf.clip_by_value(mixed + 127.5 * (1.0 - contrast) + brightness, 0.0, 255.0)


_YIQ = tf.constant([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def _within(boxes: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Boxes as shares of a window's sides."""
    return (boxes - tf.tile(window[:2], [2])) / tf.tile(window[2:] - window[:2], [2])


def _contains(window: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Does a window (..., 4) hold a point (..., 2)?"""
    return tf.reduce_all((points >= window[..., :2]) & (points < window[..., 2:]), axis=-1)


def _iou(windows: tf.Tensor, boxes: tf.Tensor) -> Any:
    """IoU of each window with each box: (T, N)."""
    from ssd.boxes_tf import iou

    return iou(windows, boxes, coords="corners")
