"""Anchors: equal to those of every public configuration we have numbers of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssd.anchors import anchor_boxes, layer_anchor_boxes, linspace_scales, paper_scales

GOLDEN = Path(__file__).parent / "golden"
R3, R5 = (1, 2, 1 / 2), (1, 2, 1 / 2, 3, 1 / 3)
VOC, COCO = (0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05), (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)
STEPS = (8, 16, 32, 64, 100, 300)


def squares(*sides: int) -> list[tuple[int, int]]:
    return [(side, side) for side in sides]


@pytest.mark.parametrize(
    ("name", "scales", "clip"),
    [("voc_unclipped", VOC, False), ("coco_unclipped", COCO, False), ("voc_clipped", VOC, "centroids")],
)
def test_ssd300(name: str, scales: tuple, clip: bool | str) -> None:
    got = anchor_boxes(
        (300, 300), squares(38, 19, 10, 5, 3, 1), scales, (R3, R5, R5, R5, R3, R3), steps=STEPS, clip=clip
    )
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.load(GOLDEN / "ssd300_priors.npz")[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (
            "chuanqi300_1917",
            {
                "image_size": (300, 300),
                "feature_sizes": squares(19, 10, 5, 3, 2, 1),
                "scales": (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0),
                "aspect_ratios": (R3, R5, R5, R5, R5, R5),
                "two_boxes_for_ar1": (False, True, True, True, True, True),
            },
        ),
        (
            "ssdlite320_lufficc_3234",
            {
                "image_size": (320, 320),
                "feature_sizes": squares(20, 10, 5, 3, 2, 1),
                "scales": [size / 320 for size in (60, 105, 150, 195, 240, 285, 330)],
                "aspect_ratios": (R5,) * 6,
                "steps": (16, 32, 64, 107, 160, 320),
                "clip": "centroids",
            },
        ),
        (
            "ssdlite320_torchvision_3234_unclipped",
            {
                "image_size": (320, 320),
                "feature_sizes": squares(20, 10, 5, 3, 2, 1),
                "scales": (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0),
                "aspect_ratios": (R5,) * 6,
            },
        ),
    ],
)
def test_other_detectors(name: str, arguments: dict) -> None:
    np.testing.assert_allclose(
        anchor_boxes(**arguments), np.load(GOLDEN / "preset_priors.npz")[name], rtol=0, atol=1e-9
    )


def test_an_oblong_image_measures_by_its_shorter_side() -> None:
    sizes = [(19, 30), (19, 30), (10, 15), (10, 15)]
    got = anchor_boxes((300, 480), sizes, (0.08, 0.16, 0.32, 0.64, 0.96), [R3] * 4, two_boxes_for_ar1=False)
    assert got.shape == (4320, 4)
    np.testing.assert_allclose(got[0], [0.5 / 30, 0.5 / 19, 24 / 480, 24 / 300])
    in_pixels = anchor_boxes(
        (300, 480), sizes, (0.08, 0.16, 0.32, 0.64, 0.96), [R3] * 4, two_boxes_for_ar1=False, normalize=False
    )
    np.testing.assert_allclose(in_pixels, got * [480, 300, 480, 300])


def test_order_and_shapes_by_hand() -> None:
    """Two rows of one cell: the square, its larger sister, 4:1 lying; then the row below."""
    got = anchor_boxes((100, 100), [(2, 1)], (0.2, 0.45), [(1, 4)], normalize=False)
    np.testing.assert_allclose(
        got,
        [[50, y, w, h] for y in (25, 75) for w, h in ((20, 20), (30, 30), (40, 10))],
    )


def test_the_extra_square_follows_ratio_1_wherever_that_stands() -> None:
    got = layer_anchor_boxes((100, 100), (1, 1), 0.25, 0.36, (4, 1, 0.25), normalize=False)[0, 0, :, 2:]
    np.testing.assert_allclose(got, [[50, 12.5], [25, 25], [30, 30], [12.5, 50]])
    assert layer_anchor_boxes((100, 100), (1, 1), 0.25, 0.36, (2, 3)).shape == (1, 1, 2, 4)


def test_steps_and_offsets_are_vertical_then_horizontal() -> None:
    got = layer_anchor_boxes((100, 200), (2, 2), 0.1, 0.1, (2,), step=(10, 40), offset=(0.25, 1), normalize=False)[
        ..., 0, :2
    ]
    np.testing.assert_allclose(got, [[[40, 2.5], [80, 2.5]], [[40, 12.5], [80, 12.5]]])


@pytest.mark.parametrize(
    ("clip", "wanted"),
    [
        (False, [50, 50, 140, 140]),
        (True, [50, 50, 100, 100]),
        ("corners", [50, 50, 100, 100]),
        ("pixels", [49.5, 49.5, 99, 99]),
        ("centroids", [50, 50, 100, 100]),
        ("sides", [50, 50, 100, 100]),
    ],
)
def test_ways_to_clip(clip: bool | str, wanted: list) -> None:
    got = layer_anchor_boxes((100, 100), (1, 1), 1.4, 1.4, (1,), False, clip=clip, normalize=False)[0, 0, 0]
    np.testing.assert_allclose(got, wanted)


def test_clipping_at_one_edge_moves_the_centre() -> None:
    cut = layer_anchor_boxes((100, 100), (2, 2), 0.8, 0.8, (1,), False, clip=True, normalize=False)[0, 0, 0]
    np.testing.assert_allclose(cut, [32.5, 32.5, 65, 65])  # from -15 to 65 before


def test_scales_of_the_paper_and_of_the_port() -> None:
    np.testing.assert_allclose(paper_scales(0.2, 0.9, 6), [0.2, 0.34, 0.48, 0.62, 0.76, 0.9, 1.04])
    np.testing.assert_allclose(linspace_scales(0.2, 0.9, 6), np.linspace(0.2, 0.9, 7))
    assert paper_scales(0.3, 0.9, 1) == (0.3, 0.3)


@pytest.mark.parametrize(
    "wrong", [{"scales": (0.1,)}, {"aspect_ratios": [(1,)]}, {"steps": (8,)}, {"offsets": (0.5, 0.5, 0.5)}]
)
def test_lengths_must_fit(wrong: dict) -> None:
    right = {"scales": (0.1, 0.2, 0.3), "aspect_ratios": [(1,), (1,)]}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        anchor_boxes((64, 64), squares(4, 2), **{**right, **wrong})


def test_an_unknown_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="clip"):
        layer_anchor_boxes((64, 64), (1, 1), 0.1, 0.1, (1,), clip="edges")
