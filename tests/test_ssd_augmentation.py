"""Training pictures: boxes stay on their objects, pixels are those that evaluation sees, one seed gives one picture."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from ssd.augmentation import Augmentation, augment, sample

SIZE = (96, 96)
NONE = Augmentation(zoom_out=0, crop=0, flip_h=0, flip_v=0, photometric=0)


def scene(boxes: np.ndarray, height: int = 120, width: int = 160) -> np.ndarray:
    """Black, with a white rectangle at each box (shares of the sides)."""
    image = np.zeros((height, width, 3), np.uint8)
    for x0, y0, x1, y1 in np.round(boxes * [width, height, width, height]).astype(int):
        image[y0:y1, x0:x1] = 255
    return image


def drawn(image, boxes, seed, how, size=SIZE):
    ids = tf.range(1, len(boxes) + 1)
    picture, moved, kept = augment(
        tf.constant(image), tf.constant(boxes, tf.float32), ids, tf.constant([7, seed]), size, how
    )
    return picture.numpy(), moved.numpy(), kept.numpy()


def test_nothing_chosen_is_what_evaluation_sees():
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    picture, _, _ = drawn(image, np.zeros((0, 4)), 0, NONE, (32, 32))
    assert np.allclose(picture, tf.image.resize(image, (32, 32), antialias=True), atol=1e-3)


@pytest.mark.parametrize("seed", range(40))
def test_boxes_follow_their_objects(seed):
    """The white rectangle of the picture is where the moved box says."""
    box = np.array([[0.25, 0.3, 0.65, 0.8]])
    how = Augmentation(photometric=0, flip_v=0.5, min_crop=0.6)
    picture, moved, kept = drawn(scene(box), box, seed, how)
    white = picture.mean(axis=2) > 200
    if not len(kept):
        assert white.mean() < 0.5  # the centre was cut away: at most part of the object is left
        return
    assert moved.min() >= 0
    assert moved.max() <= 1
    x0, y0, x1, y1 = moved[0] * 96
    rows, columns = np.where(white)
    assert np.allclose([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], [x0, y0, x1, y1], atol=1.6)


@pytest.mark.parametrize("seed", range(5))
def test_one_seed_one_picture(seed):
    boxes = np.array([[0.1, 0.1, 0.4, 0.5], [0.5, 0.5, 0.9, 0.9]])
    image = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    first, second = (drawn(image, boxes, seed, Augmentation()) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], drawn(image, boxes, seed + 1, Augmentation())[0])


def test_pictures_stay_in_range_and_without_boxes_too():
    image = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    for seed in range(20):
        picture, moved, kept = drawn(image, np.zeros((0, 4)), seed, Augmentation())
        assert (picture.shape, moved.shape, kept.shape) == ((*SIZE, 3), (0, 4), (0,))
        assert picture.min() >= 0
        assert picture.max() <= 255


def test_beyond_the_photo_is_mid_grey():
    white = tf.fill((10, 10, 3), tf.constant(255, tf.uint8))
    shown = sample(white, tf.constant([-1.0, -1.0, 2.0, 2.0]), (30, 30)).numpy()
    assert np.allclose(shown[:8, :8], 127.5)
    assert np.allclose(shown[12:18, 12:18], 255)


def test_a_grey_picture_keeps_its_hue():
    """Turning hue and saturation leaves grey as it is."""
    grey = np.full((32, 32, 3), 100, np.uint8)
    how = NONE._replace(photometric=1.0)
    for seed in range(10):
        picture, _, _ = drawn(grey, np.zeros((0, 4)), seed, how)
        assert np.ptp(picture.reshape(-1, 3), axis=1).max() < 1.0
