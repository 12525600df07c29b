"""audit in numbers: counted by hand, and true whatever the boxes are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import annotation, pair, photo
from hypothesis import given
from hypothesis import strategies as st

from ssdprep import Box, Object, Record, Size, audit_folder, scan_folder
from ssdprep.audit import audit
from ssdprep.statistics import GRID, at_input, boxes_of, class_counts, heat_map, together

WIDE = Size(100, 50)


def record(name: str, *things: tuple[str, float, float, float, float], size: Size | None = WIDE) -> Record:
    objects = tuple(Object(kind, Box(*edges)) for kind, *edges in things)
    return Record(Path(f"{name}.jpg"), Path(f"{name}.xml"), objects, stored_size=size)


A = record("a", ("milk", 0, 0, 50, 25), ("milk", 50, 0, 100, 25), ("apple", 0, 25, 4, 29))
B = record("b", ("milk", 0, 0, 10, 10), ("pear", 0, 0, 10, 10))
C = record("c")


def test_counts_and_company() -> None:
    assert class_counts([A, B, C]) == {"milk": (3, 2), "apple": (1, 1), "pear": (1, 1)}
    assert together([A, B, C]) == {"apple": {"milk": 1}, "milk": {"apple": 1, "pear": 1}, "pear": {"milk": 1}}


def test_boxes_become_arrays() -> None:
    boxes = boxes_of([A, B, C, record("d", ("plum", 1, 1, 3, 3), size=None)])
    assert boxes.names == ("milk", "apple", "pear", "plum")
    assert boxes.kinds.tolist() == [0, 0, 1, 0, 2, 3]
    assert boxes.of("apple").sides.tolist() == [[4, 4]]
    assert len(boxes.framed.kinds) == 5
    assert boxes_of([]).edges.shape == (0, 4)


def test_how_large_boxes_will_be() -> None:
    """At 300x300 a photo of 100x50 is drawn three times as wide and six times as high."""
    boxes = boxes_of([A, B])
    assert boxes.of("apple").at(Size(300, 300)) == pytest.approx(np.array([[12, 24]]))
    found = at_input(boxes, Size(300, 300))
    assert (found.boxes, found.median, found.below) == (5, 30.0, {8: 0.0, 16: 0.2, 32: 0.6})


def test_where_boxes_lie() -> None:
    top_left = heat_map(boxes_of([record("a", ("milk", 0, 0, 50, 25))]))
    assert top_left.shape == (GRID, GRID)
    assert top_left[:6, :6] == pytest.approx(np.ones((6, 6)))
    assert top_left.sum() == pytest.approx(36)
    thin = heat_map(boxes_of([record("a", ("milk", 0, 0, 100, 1))]))
    assert thin[0] == pytest.approx(np.full(GRID, 1 / 50 * GRID))
    over = heat_map(boxes_of([record("a", ("milk", -500, -500, 500, 500))]))
    assert over == pytest.approx(np.ones((GRID, GRID)))


edges = st.tuples(*[st.floats(-20, 120, allow_nan=False, width=32)] * 2).filter(lambda ends: ends[1] - ends[0] > 0.01)


@given(st.lists(st.tuples(edges, edges), min_size=1, max_size=20))
def test_a_heat_map_weighs_what_the_boxes_cover(ends: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    boxes = boxes_of([record("a", *(("milk", x0, y0, x1, y1) for (x0, x1), (y0, y1) in ends), size=Size(100, 100))])
    heat = heat_map(boxes)
    sides = np.clip(boxes.edges, 0, 100)
    covered = (sides[:, 2] - sides[:, 0]) * (sides[:, 3] - sides[:, 1]) / 1e4
    assert heat.min() >= 0
    assert heat.max() <= 1 + 1e-9
    assert heat.mean() == pytest.approx(covered.mean(), abs=1e-9)


def test_everything_is_in_the_document(tmp_path: Path) -> None:
    pair(tmp_path, "a", [("milk", 0, 0, 10, 20), ("apple", 0, 20, 30, 30)])
    pair(tmp_path, "b", [])
    photo(tmp_path / "c.png", (32, 64))
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    document: Any = json.loads(json.dumps(audit_folder(tmp_path, network_input=Size(128, 96)).to_dict()))
    numbers = document["statistics"]
    assert numbers["input"] == "128x96"
    assert numbers["parts"] == {"train": {"apple": {"boxes": 1, "images": 1}, "milk": {"boxes": 1, "images": 1}}}
    assert numbers["together"] == {"apple": {"milk": 1}, "milk": {"apple": 1}}
    assert numbers["photo_sizes"] == {"64x48": 2, "32x64": 1}
    assert numbers["formats"] == {"jpg": 2, "png": 1}
    assert numbers["boxes_per_photo"] == {"0": 1, "2": 1}
    assert numbers["at_input"]["milk"] == {"boxes": 1, "below": {"8": 0.0, "16": 0.0, "32": 1.0}, "median": 20.0}
    assert numbers["measures"]["apple"]["aspect"]["median"] == 3.0
    assert np.shape(numbers["heat"]["milk"]) == (GRID, GRID)
    assert document["looks"]["photos"] == 3
    assert sum(document["looks"]["dark_to_bright"].values()) == 3


def test_a_box_beside_the_photo_by_a_rounding_has_no_shape(tmp_path: Path) -> None:
    """<size> is two pixels wider than the photo, and so is a box: upright, it has no width left."""
    photo(tmp_path / "set" / "a.jpg")
    annotation(tmp_path / "set" / "a.xml", [("sliver", 64, 5, 66, 25), ("pear", 0, 0, 20, 10)], size=(66, 48))
    photo(tmp_path / "set" / "b.jpg", seed=3)
    annotation(tmp_path / "set" / "b.xml", [("pear", 64, 5, 66, 25), ("pear", 0, 48, 20, 50)], size=(66, 50))
    report = audit_folder(tmp_path / "set", html=tmp_path / "a.html")
    assert report.classes["sliver"].median_width == 0
    assert report.classes["sliver"].median_aspect is None
    assert report.classes["pear"].median_aspect == 2
    assert "aspect" not in report.statistics.measures["sliver"]
    json.dumps(report.to_dict(), allow_nan=False)
    shapes = re.search(r'aria-label="Width divided by height. ([^"]*)"', (tmp_path / "a.html").read_text("utf-8"))
    assert shapes is not None
    assert shapes[1] == "2: 1"


def test_boxes_too_small_for_the_network_are_named(tmp_path: Path) -> None:
    tiny = [("seed", x, 0, x + 20, 20) for x in range(0, 400, 40)]
    annotation(tmp_path / "a.xml", [*tiny, *(("leaf", x, 0, x + 300, 400) for x in range(10))], size=(1000, 1000))
    found = [finding for finding in audit_folder(tmp_path).findings if finding.code == "AUD005"]
    assert len(found) == 1
    assert "'seed'" in found[0].message
    assert "300x300" in found[0].message
    assert all(f.code != "AUD005" for f in audit_folder(tmp_path, network_input=Size(512, 512)).findings)


def test_a_class_that_is_trained_but_never_tested(tmp_path: Path) -> None:
    pair(tmp_path, "a", [("pear", 0, 0, 9, 9), ("apple", 0, 0, 20, 20)])
    pair(tmp_path, "b")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "test.txt").write_text("b\n")
    found = [finding for finding in audit_folder(tmp_path).findings if finding.code == "AUD006"]
    assert len(found) == 1
    assert "'pear'" in found[0].message


def test_numbers_do_not_depend_on_workers(sample: Path) -> None:
    scanned = scan_folder(sample / "photos")
    assert audit(scanned, jobs=1).to_dict() == audit(scanned, jobs=2).to_dict()
