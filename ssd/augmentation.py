"""What training does to a picture before the network sees it (Liu et al. 2016, section 2.2), as TensorFlow ops.

Zoom-out and IoU crop are both nothing but the choice of a window, larger or smaller than the picture: the two are
composed first and the pixels are sampled once, with antialiasing, by the same resampling that evaluation uses.
"""

from __future__ import annotations

import math
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
    """Independent random numbers from one seed, all drawn by one operation; each call takes the next ones."""

    def __init__(self, seed: tf.Tensor, count: int = 256) -> None:
        self._left = tf.random.stateless_uniform((count,), seed)

    def uniform(self, shape: tuple[int, ...] = (), low: Any = 0.0, high: Any = 1.0) -> tf.Tensor:
        """Float32 numbers in [low, high)."""
        count = math.prod(shape)
        taken, self._left = self._left[:count], self._left[count:]
        return low + tf.reshape(taken, shape) * (high - low)

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


def augment_boxes(
    boxes: tf.Tensor, ids: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], how: Augmentation
) -> tuple[tf.Tensor, tf.Tensor]:
    """The boxes and ids alone of what `augment` draws: where a window lies does not depend on what the photo shows."""
    return augment(tf.zeros((2, 2, 3), tf.uint8), boxes, ids, seed, size, how)[1:]


def sample(image: tf.Tensor, window: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """The part of a picture that a window shows, resampled with antialiasing.

    image: (H, W, 3) uint8; window: (4,) float32 corners, shares of the picture's sides, may reach beyond it: what lies
    outside is mid-grey, the zero of the network's input. Returns (h, w, 3) float32 in 0..255. The window (0, 0, 1, 1)
    gives what ``tf.image.resize(antialias=True)`` gives.
    """
    (height, width), shape = size, tf.shape(image)
    ones = tf.ones((shape[0], 1)), tf.ones((shape[1], 1))
    inside = _along(ones[0], window[1], window[3], height), _along(ones[1], window[0], window[2], width)
    rows = _along(tf.reshape(image, [shape[0], -1]), window[1], window[3], height)
    columns = _turned(tf.reshape(rows, [height, -1, 3]))
    shown = _along(tf.reshape(columns, [-1, height * 3]), window[0], window[2], width)
    beyond = 127.5 * (1.0 - inside[0] * tf.transpose(inside[1]))
    return _turned(tf.reshape(shown, [width, height, 3])) + beyond[:, :, None]


def _along(lines: tf.Tensor, low: tf.Tensor, high: tf.Tensor, count: int) -> tf.Tensor:
    """Lines (n, k) resampled to ``count`` from ``low`` to ``high``, shares of n; zeros beyond: float32 (count, k).

    ScaleAndTranslate goes through an axis ahead of long lines three times as fast as through one ahead of colours.
    """
    sides = tf.cast(tf.shape(lines)[0], tf.float32)
    low, high = low * sides, high * sides
    scale = count / (high - low)
    return tf.raw_ops.ScaleAndTranslate(
        images=lines[None, :, None],
        size=(count, 1),
        scale=tf.stack([scale, 1.0]),
        translation=tf.stack([-low * scale, 0.0]),
        kernel_type="triangle",
        antialias=True,
    )[0, :, 0]


def _turned(image: tf.Tensor) -> tf.Tensor:
    return tf.transpose(image, (1, 0, 2))


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
    if how.flip_h:
        image = tf.cond(across, lambda: tf.reverse(image, [1]), lambda: image)
    if how.flip_v:
        image = tf.cond(down, lambda: tf.reverse(image, [0]), lambda: image)
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
    colour = tf.matmul(tf.matmul(_RGB, turn), _YIQ) * contrast
    shift = tf.fill((3,), 127.5 * (1.0 - contrast) + brightness)
    mixed = tf.nn.bias_add(tf.matmul(tf.reshape(image, (-1, 3)), colour, transpose_b=True), shift)
    return tf.reshape(tf.raw_ops.ClipByValue(t=mixed, clip_value_min=0.0, clip_value_max=255.0), tf.shape(image))


_YIQ = tf.constant([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = tf.linalg.inv(_YIQ)


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
