"""sheets: rows are even and fill the width, text fits, one class has one colour."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ssdprep.record import Box, Object
from ssdprep.sheets import GUTTER, MARGIN, PAPER, Panel, contact_sheet, thumbnail


def panels(*sizes: tuple[int, int]) -> list[tuple[Panel, ...]]:
    return [(Panel(np.full((h, w, 3), 255, np.uint8), caption=f"{w}x{h}"),) for w, h in sizes]


def runs(line: np.ndarray) -> list[tuple[int, int]]:
    """(first, end) of each stretch of white."""
    white = np.concatenate([[False], (line == 255).all(axis=1), [False]])
    edges = np.flatnonzero(white[1:] != white[:-1])
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def test_a_sheet_has_even_gutters_and_fills_its_width():
    sizes = [(640, 480), (480, 640), (600, 400), (500, 500)] * 6
    sheet = contact_sheet(panels(*sizes), title="a title", subtitle="of what", legend={"apple": 3, "banana": 4})
    assert sheet.shape[1] == 1680
    rows = [found for line in sheet[150::120] if len(found := [r for r in runs(line) if r[1] - r[0] > 60]) > 2]
    assert len(rows) > 4
    for row in rows:
        assert row[0][0] == MARGIN
        assert row[-1][1] == pytest.approx(1680 - MARGIN, abs=3)
        assert {b[0] - a[1] for a, b in pairwise(row)} <= {GUTTER - 1, GUTTER, GUTTER + 1}
    assert tuple(sheet[-1, 0]) == PAPER


@pytest.mark.parametrize("sizes", [[(640, 480)], [(4000, 300)], [(30, 900)], [(1, 1)], [(640, 480), (5000, 20)]])
def test_odd_sheets(sizes):
    sheet = contact_sheet(
        panels(*sizes), title="t" * 400, subtitle="s" * 400, legend={"n" * 90 + str(i): i for i in range(50)}
    )
    assert sheet.shape[1] == 1680
    assert sheet.shape[0] < 1200
    assert (sheet[110:] == 255).all(axis=2).any()


def test_no_tile_no_sheet():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], title="")


def test_a_thumbnail_takes_its_boxes_along():
    small = thumbnail(Panel(np.zeros((1000, 2000, 3), np.uint8), (Object("a", Box(500, 100, 1000, 300)),)), largest=500)
    assert small.image.shape == (250, 500, 3)
    assert small.objects[0].box == Box(125, 25, 250, 75)


def test_legend_and_boxes_have_the_same_colours():
    things = (Object("apple", Box(20, 40, 90, 90)), Object("pear", Box(120, 40, 190, 90)))
    colours = {"apple": (255, 0, 255), "pear": (0, 255, 255)}
    sheet = contact_sheet(
        [(Panel(np.zeros((120, 220, 3), np.uint8), things),)], title="", legend={"apple": 1, "pear": 1}, colours=colours
    )
    for colour in colours.values():
        mine = (sheet == colour).all(axis=2)
        assert mine[:110].sum() > 100  # a chip of 12 x 12 with round corners
        assert mine[110:].sum() > 500
