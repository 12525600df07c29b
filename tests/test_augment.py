"""Drawing one picture: pixels by imgaug, boxes by the very same matrix."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from bench.box_fit import box_of, measure
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssdprep import boxes, image_augmentation
from ssdprep.augment import Drawn, Recipe, add_noise, augment_image, draw, move, rng_for, warp
from ssdprep.formats import voc
from ssdprep.record import Box, Object, Record, Size, SsdprepError

EVERYTHING = Recipe(
    rotate=30,
    shear=10,
    scale=0.2,
    translate=0.2,
    flip_h=True,
    flip_v=True,
    noise=0.1,
    blur=1,
    contrast=0.3,
    brightness=0.3,
)
MARKER = (250, 10, 10)


def marked(size: Size, box: Box) -> np.ndarray:
    """A grey photo on which an ellipse of pure colour fills a box."""
    image = np.full((size.height, size.width, 3), 128, dtype=np.uint8)
    y, x = np.mgrid[: size.height, : size.width] + 0.5
    centre, radius = (
        ((box.xmin + box.xmax) / 2, (box.ymin + box.ymax) / 2),
        (
            (box.xmax - box.xmin) / 2,
            (box.ymax - box.ymin) / 2,
        ),
    )
    image[((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2 <= 1] = MARKER
    return image


def marker_in(image: np.ndarray) -> np.ndarray:
    """Edges of what is at least half marker."""
    red, green = image[..., 0].astype(int), image[..., 1].astype(int)
    return box_of(np.where(red - green > 120, 255, 0))


def test_imgaug_runs_on_numpy_2_and_its_warnings_stay_in():
    code = "from ssdprep.imgaug_numpy2 import iaa; print(iaa.SomeOf(1, [iaa.Fliplr(1)]).__class__.__name__)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("SomeOf\n", "")


def test_what_imgaug_needs_of_scipy_stats_is_loaded_when_it_is_used():
    code = (
        "import sys; from ssdprep.imgaug_numpy2 import iap; print('scipy.stats' in sys.modules);"
        "print(iap.TruncatedNormal(0, 1, 2, 3).draw_samples((9,), 0).min() >= 2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "")


@pytest.mark.parametrize("seed", range(12))
def test_the_box_follows_a_marker(seed):
    size, box = Size(320, 240), Box(100, 80, 180, 140)
    recipe = Recipe(rotate=180, shear=20, scale=0.3, translate=0.1, flip_h=True, flip_v=True)
    drawn = augment_image(marked(size, box), [Object("marker", box)], recipe, rng_for(seed, "marker", 1))
    assert drawn.image.shape == (240, 320, 3)
    assert np.abs(np.array(drawn.objects[0].box) - marker_in(drawn.image)).max() < 1.6


@pytest.mark.parametrize(
    "drawn", [Drawn(rotate=33), Drawn(shear=20), Drawn(scale=0.7), Drawn(translate_x=0.1, rotate=90)]
)
def test_the_matrix_is_imgaugs_own(drawn):
    """Corner boxes by our matrix are what imgaug makes of the same boxes."""
    from ssdprep.imgaug_numpy2 import iaa  # first: it makes imgaug importable

    from imgaug.augmentables import BoundingBox, BoundingBoxesOnImage  # isort: skip

    image, labelled = np.zeros((97, 150, 3), np.uint8), [(10, 20, 50, 60), (0, 0, 150, 97)]
    affine = iaa.Affine(
        rotate=drawn.rotate,
        shear=drawn.shear,
        scale=drawn.scale,
        translate_percent={"x": drawn.translate_x, "y": drawn.translate_y},
    )
    theirs = affine(bounding_boxes=BoundingBoxesOnImage([BoundingBox(*box) for box in labelled], shape=image.shape))
    assert np.allclose(boxes.warp(labelled, warp(image, drawn)[1]), theirs.to_xyxy_array(), atol=1e-2)


def test_flips_move_every_pixel_and_no_edge():
    image = np.random.default_rng(0).integers(0, 255, (20, 31, 3), dtype=np.uint8)
    image.flags.writeable = False
    things = [Object("a", Box(0, 0, 3, 4)), Object("b", Box(10, 5, 31, 20))]
    flipped, matrix = warp(image, Drawn(flip_h=True, flip_v=True))
    assert (flipped == image[::-1, ::-1]).all()
    moved = move(things, matrix, Size(31, 20), "ellipse", 0.3)
    assert [thing.box for thing in moved] == [Box(28, 16, 31, 20), Box(0, 0, 21, 15)]


def test_what_comes_into_view_has_the_mean_colour():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30] = (200, 100, 50)
    shifted, _ = warp(image, Drawn(translate_y=0.5))
    assert (shifted[:19] == (100, 50, 25)).all()
    assert (shifted[21:] == image[:19]).all()


def test_a_cut_box_is_truncated_and_a_hidden_one_dropped():
    size, shift = Size(100, 100), np.array([[1.0, 0, 60], [0, 1, 0]])
    seen, cut, hidden, gone = (Object(n, Box(x, 10, x + 20, 30)) for n, x in zip("abcd", (10, 30, 36, 70), strict=True))
    moved = move([seen, cut, hidden, gone], shift, size, "ellipse", 0.3)
    assert [(thing.name, thing.box, thing.truncated) for thing in moved] == [
        ("a", Box(70, 10, 90, 30), False),
        ("b", Box(90, 10, 100, 30), True),
    ]
    assert [thing.name for thing in move([hidden], shift, size, "ellipse", 0.2)] == ["c"]
    assert move([gone], shift, size, "ellipse", 0.0) == ()


def test_a_box_without_area_has_no_place():
    assert move([Object("a", Box(5, 5, 5, 9))], np.eye(2, 3), Size(10, 10), "ellipse", 0.0) == ()


def test_flags_and_names_stay():
    thing = Object("milk carton", Box(40, 40, 60, 60), pose="Left", difficult=True, truncated=True)
    kept = augment_image(np.zeros((100, 100, 3), np.uint8), [thing], Recipe(rotate=10), rng_for(0, "a", 1)).objects
    assert [(t.name, t.pose, t.difficult, t.truncated) for t in kept] == [("milk carton", "Left", True, True)]


@given(
    seed=st.integers(0, 2**32),
    width=st.integers(2, 90),
    height=st.integers(2, 90),
    edges=st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5),
    recipe=st.builds(
        Recipe,
        rotate=st.floats(0, 180),
        shear=st.floats(0, 60),
        scale=st.floats(0, 0.9),
        translate=st.floats(0, 0.9),
        flip_h=st.booleans(),
        flip_v=st.booleans(),
        min_visibility=st.floats(0, 1),
        fit=st.sampled_from(["ellipse", "corners"]),
    ),
)
@settings(max_examples=150, deadline=None)
def test_boxes_are_always_valid(seed, width, height, edges, recipe):
    size = Size(width, height)
    things = [
        Object("x", Box(min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height))
        for a, b, c, d in edges
    ]
    image, kept, applied = augment_image(np.zeros((height, width, 3), np.uint8), things, recipe, rng_for(seed, "x", 1))
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert applied == applied | {"noise": 0, "blur": 0, "contrast": 1, "brightness": 1}
    for box in (thing.box for thing in kept):
        assert 0 <= box.xmin <= box.xmax - 1 <= width - 1
        assert 0 <= box.ymin <= box.ymax - 1 <= height - 1
    written, findings = voc.parse(voc.dumps(Record(None, None, kept), folder="", filename="x.jpg", size=size))
    assert written is not None
    assert not findings
    assert len(written.objects) == len(kept)


def test_the_same_record_gets_the_same_draw_and_another_one_another():
    image, things = marked(Size(64, 48), Box(10, 10, 40, 30)), [Object("a", Box(10, 10, 40, 30))]
    first, again, other_copy, other_name, other_seed = (
        augment_image(image, things, EVERYTHING, rng_for(*key))
        for key in ((7, "a.jpg", 1), (7, "a.jpg", 1), (7, "a.jpg", 2), (7, "b.jpg", 1), (8, "a.jpg", 1))
    )
    assert (first.image == again.image).all()
    assert (first.objects, first.applied) == (again.objects, again.applied)
    assert len({str(each.applied) for each in (first, other_copy, other_name, other_seed)}) == 4


def test_a_negative_seed_and_a_name_that_is_no_text_are_fine():
    assert rng_for(-1, "a\udcff.jpg", 1).integers(2**32) == rng_for(-1, "a\udcff.jpg", 1).integers(2**32)


def test_switching_one_operation_on_leaves_the_others_alone():
    alone, together = (draw(recipe, rng_for(1, "a", 1)) for recipe in (Recipe(rotate=30), EVERYTHING))
    assert alone == Drawn(rotate=together.rotate)
    assert together.rotate != 0


def test_draws_fill_their_range_evenly():
    drawn = [draw(EVERYTHING, rng_for(0, str(n), 1)) for n in range(2000)]
    angles, factors = np.array([d.rotate for d in drawn]), np.array([d.scale for d in drawn])
    assert -30 <= angles.min() < -29 < 29 < angles.max() <= 30
    assert 0.8 <= factors.min() < 0.81 < 1.19 < factors.max() <= 1.2
    assert abs(np.mean([d.flip_h for d in drawn]) - 0.5) < 0.04
    assert 0 <= min(d.noise for d in drawn) < 0.001 < 0.099 < max(d.noise for d in drawn) <= 0.1


def test_the_cheap_noise_is_gaussian_noise():
    image = np.full((400, 400, 3), 128, np.uint8)
    values = add_noise(image, 12.0, np.random.default_rng(0)).astype(float) - 128
    assert abs(values.mean()) < 0.1
    assert abs(values.std() - np.hypot(12.0, np.sqrt(1 / 12))) < 0.05  # the last term: whole grey levels
    share = [(np.abs(values) <= k * 12 + 0.5).mean() for k in (1, 2, 3)]
    assert np.allclose(share, [0.702, 0.959, 0.9977], atol=0.002)
    channels = values.reshape(-1, 3)
    assert abs(np.corrcoef(channels, rowvar=False)[0, 1]) < 0.01
    assert abs(np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1]) < 0.01


def test_noise_saturates():
    noisy = add_noise(np.array([[[0, 255, 128]]], np.uint8).repeat(999, 0), 255.0, np.random.default_rng(0))
    assert (noisy.min(), noisy.max()) == (0, 255)


def test_contrast_and_brightness_are_imgaugs():
    from ssdprep.augment import retouch
    from ssdprep.imgaug_numpy2 import iaa

    image = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    theirs = iaa.Multiply(0.8)(image=iaa.LinearContrast(1.3)(image=image))
    ours = retouch(image, Drawn(contrast=1.3, brightness=0.8), np.random.default_rng(0))
    assert (ours == theirs).all()


@pytest.mark.parametrize(
    ("shape", "tighter"),
    [("ellipse", "ellipse"), ("diamond", "ellipse"), ("rectangle", "corners"), ("bottle", "corners")],
)
def test_which_fit_is_nearer_to_a_known_mask(shape, tighter):
    """Round things: the ellipse; things that fill their box: the corners. docs/augment.md shows the whole table."""
    measured = measure(shape, 240, 80, 15)
    other = {"ellipse": "corners", "corners": "ellipse"}[tighter]
    assert measured[tighter][1] > measured[other][1]


def test_the_ellipse_fit_is_exact_on_ellipses_where_corners_are_half_too_large():
    measured = measure("ellipse", 240, 80, 15)
    assert measured["ellipse"] == pytest.approx((1, 1), abs=0.02)
    assert measured["corners"][0] == pytest.approx(1.5, abs=0.02)


def test_both_fits_agree_where_no_corner_leaves_its_axis():
    labelled = [(1.0, 2.0, 30.0, 11.0), (0.0, 0.0, 5.0, 50.0)]
    for matrix in ([[2, 0, 3], [0, -0.5, 7]], [[0, 1, 0], [-1, 0, 60]]):
        assert np.allclose(boxes.warp(labelled, np.array(matrix)), boxes.warp_ellipse(labelled, np.array(matrix)))
    assert boxes.warp_ellipse([], np.eye(2, 3)).shape == (0, 4)


@pytest.mark.parametrize("wrong", [{"rotate": -1}, {"scale": 1}, {"noise": float("nan")}, {"fit": "circle"}])
def test_a_wrong_recipe_is_a_wrong_call(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)


def photo(folder, orientation=1):
    """An 80x60 stored photo with a marker whose upright box is known for orientations 1 and 6."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(marked(Size(80, 60), Box(20, 20, 60, 40))).save(folder / "a.png", exif=exif)
    rows = [["a.png", 80, 60, 3, 20, 60, 20, 40, "apple"], ["b.png", 80, 60, 3, 1, 2, 1, 2, "pear"]]
    return [[str(value) for value in row] for row in rows]


@pytest.mark.parametrize("scale", [0, 1])
def test_image_augmentation_resizes_photo_and_boxes(tmp_path, scale):
    image, labels = image_augmentation("a.png", photo(tmp_path), tmp_path, img_sz=120, scale=scale)
    assert (image.shape, image.dtype) == ((120, 120, 3), np.uint8)
    assert labels.tolist() == [[1, 30, 40, 90, 80]]
    assert np.abs(marker_in(image) - labels[0, 1:]).max() <= 1


def test_image_augmentation_moves_boxes_with_the_photo(tmp_path):
    rows = photo(tmp_path)
    for seed in range(5):
        image, labels = image_augmentation(
            "a.png", rows, tmp_path, 200, 0.05, 20, 1.2, 5, True, True, rng=np.random.default_rng(seed)
        )
        assert np.abs(marker_in(image) - labels[0, 1:]).max() < 2.5
    twice = [
        image_augmentation("a.png", rows, tmp_path, rotate=9, applyfilter=True, rng=np.random.default_rng(3))
        for _ in "ab"
    ]
    assert (twice[0][0] == twice[1][0]).all()


def test_image_augmentation_takes_ids_from_classes_or_from_numbers(tmp_path):
    rows = photo(tmp_path)
    assert image_augmentation("a.png", rows, tmp_path, classes=["pear", "apple"])[1][0, 0] == 2
    assert image_augmentation("a.png", [[*rows[0][:-1], "7"]], tmp_path)[1][0, 0] == 7
    assert image_augmentation("a.png", img_dir=tmp_path)[1].shape == (0, 5)
    with pytest.raises(ValueError, match="apple"):
        image_augmentation("a.png", rows, tmp_path, classes=["pear"])


def test_image_augmentation_takes_what_read_csv_returns(tmp_path):
    from ssdprep import read_csv

    photo(tmp_path)
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,80,60,apple,20,20,60,40", "b.png,80,60,,,,,"]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    table = read_csv(tmp_path, "labels.csv")
    assert np.allclose(image_augmentation("a.png", table, tmp_path, img_sz=80)[1], [[1, 20, 80 / 3, 60, 160 / 3]])
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert image_augmentation("b.png", table, tmp_path)[1].shape == (0, 5)


def test_image_augmentation_refuses_boxes_of_another_frame(tmp_path):
    rows = photo(tmp_path, orientation=6)
    with pytest.raises(SsdprepError, match="drawn on 80x60 pixels, but upright the photo has 60x80"):
        image_augmentation("a.png", rows, tmp_path)
