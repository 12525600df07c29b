"""The decision table of docs/exif.md, cell by cell, and data sets moved upright."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdprep import boxes as geometry
from ssdprep.orient import Decision, Verdict, decide, judge, next_command, to_upright
from ssdprep.record import Box, Dataset, Object, Record, Size

S = Size(4032, 3024)
U = Size(3024, 4032)
SQUARE = Size(2000, 2000)
OTHER = Size(1008, 756)  # the same photo, four times smaller
INSIDE_BOTH = [(10, 20, 300, 400)]
ONLY_IN_S = [(10, 20, 4000, 400)]
ONLY_IN_U = [(10, 20, 300, 4000)]
IN_NEITHER = [(10, 20, 4000, 4000)]
OVER_S_AND_U = [(10, 20, 9000, 400)]

ALREADY, STORED, UPRIGHT = Verdict.ALREADY_UPRIGHT, Verdict.STORED_FRAME, Verdict.UPRIGHT_FRAME
NONE, UNRESOLVED, CONFLICT = Verdict.NO_BOXES, Verdict.UNRESOLVED, Verdict.CONFLICT

UPRIGHT_TAGS = (1, 0, 9, 65537)  # 1 or absent, and what real files hold though it is no orientation
SAME_SIDES, QUARTERS = (2, 3, 4), (5, 6, 7, 8)
TAGGED = SAME_SIDES + QUARTERS

TABLE = [
    # orientations, stored, <size>, boxes, verdict
    (UPRIGHT_TAGS + TAGGED, S, S, [], NONE),
    (UPRIGHT_TAGS + TAGGED, S, None, [], NONE),
    (UPRIGHT_TAGS + TAGGED, S, OTHER, [], NONE),
    (UPRIGHT_TAGS, S, S, INSIDE_BOTH, ALREADY),
    (UPRIGHT_TAGS, SQUARE, SQUARE, INSIDE_BOTH, ALREADY),
    (UPRIGHT_TAGS, S, S, OVER_S_AND_U, ALREADY),  # <size> speaks; the box is another room's finding
    (UPRIGHT_TAGS, S, U, INSIDE_BOTH, CONFLICT),
    (UPRIGHT_TAGS, S, None, INSIDE_BOTH, ALREADY),
    (UPRIGHT_TAGS, S, None, ONLY_IN_S, ALREADY),
    (UPRIGHT_TAGS, S, None, ONLY_IN_U, CONFLICT),
    (UPRIGHT_TAGS, S, None, OVER_S_AND_U, CONFLICT),
    (UPRIGHT_TAGS, S, OTHER, INSIDE_BOTH, CONFLICT),
    (QUARTERS, S, S, INSIDE_BOTH, STORED),
    (QUARTERS, S, S, ONLY_IN_U, STORED),
    (QUARTERS, S, U, INSIDE_BOTH, UPRIGHT),
    (QUARTERS, S, U, ONLY_IN_S, UPRIGHT),
    (QUARTERS, S, None, ONLY_IN_S, STORED),
    (QUARTERS, S, None, ONLY_IN_U, UPRIGHT),
    (QUARTERS, S, None, INSIDE_BOTH, UNRESOLVED),
    (QUARTERS, S, None, IN_NEITHER, CONFLICT),
    (QUARTERS, S, OTHER, INSIDE_BOTH, CONFLICT),
    (SAME_SIDES, S, S, INSIDE_BOTH, UNRESOLVED),
    (SAME_SIDES, S, None, INSIDE_BOTH, UNRESOLVED),
    (SAME_SIDES, S, U, INSIDE_BOTH, CONFLICT),
    (SAME_SIDES, S, OTHER, INSIDE_BOTH, CONFLICT),
    (TAGGED, SQUARE, SQUARE, INSIDE_BOTH, UNRESOLVED),
    (TAGGED, SQUARE, None, INSIDE_BOTH, UNRESOLVED),
    (TAGGED, SQUARE, OTHER, INSIDE_BOTH, CONFLICT),
    # one or two pixels on either side are some other tool's rounding
    (UPRIGHT_TAGS, S, Size(4031, 3026), INSIDE_BOTH, ALREADY),
    (UPRIGHT_TAGS, S, Size(3026, 4031), INSIDE_BOTH, CONFLICT),
    (QUARTERS, S, Size(4030, 3024), INSIDE_BOTH, STORED),
    (QUARTERS, S, Size(3025, 4031), INSIDE_BOTH, UPRIGHT),
    (QUARTERS, S, Size(4029, 3024), INSIDE_BOTH, CONFLICT),
    (SAME_SIDES, S, Size(4033, 3023), INSIDE_BOTH, UNRESOLVED),
    (SAME_SIDES, S, Size(4035, 3024), INSIDE_BOTH, CONFLICT),
    (TAGGED, SQUARE, Size(2001, 1999), INSIDE_BOTH, UNRESOLVED),
    (QUARTERS, S, None, [(0, 0, 3026, 10), (0, 0, 10, 4033)], UPRIGHT),
    # sides so near that a rounding fits both frames; an exact <size> still speaks
    (QUARTERS, Size(1001, 1000), Size(1001, 1001), INSIDE_BOTH, UNRESOLVED),
    (QUARTERS, Size(1001, 1000), Size(1001, 1000), INSIDE_BOTH, STORED),
    (QUARTERS, Size(1001, 1000), Size(1000, 1001), INSIDE_BOTH, UPRIGHT),
    (QUARTERS, Size(1005, 1000), Size(1002, 1003), INSIDE_BOTH, UPRIGHT),
    (UPRIGHT_TAGS, Size(1001, 1000), Size(1001, 1001), INSIDE_BOTH, ALREADY),
    (UPRIGHT_TAGS, Size(1001, 1000), Size(1000, 1001), INSIDE_BOTH, CONFLICT),
]
CELLS = [(tag, *row) for tags, *row in TABLE for tag in tags]


@pytest.mark.parametrize(("orientation", "stored", "labelled", "boxes", "verdict"), CELLS)
def test_the_table(orientation, stored, labelled, boxes, verdict):
    decision = decide(orientation, stored, labelled, boxes)
    assert decision.verdict is verdict
    assert decision.evidence


@pytest.mark.parametrize(("orientation", "stored", "labelled", "boxes", "verdict"), CELLS)
@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_frame_decides_the_unresolved_and_nothing_else(orientation, stored, labelled, boxes, verdict, frame):
    decided = {"stored": STORED, "upright": UPRIGHT}[frame]
    decision = decide(orientation, stored, labelled, boxes, frame=frame)
    assert decision.verdict is (decided if verdict is UNRESOLVED else verdict)
    assert ("--frame" in decision.evidence) == (verdict is UNRESOLVED)


@pytest.mark.parametrize(("orientation", "stored", "labelled", "boxes", "verdict"), CELLS)
@pytest.mark.parametrize("turned", ["cw", "ccw"])
def test_turned_decides_photos_without_a_tag_whose_sides_were_exchanged(
    orientation, stored, labelled, boxes, verdict, turned
):
    decision = decide(orientation, stored, labelled, boxes, turned=turned)
    cured = orientation in UPRIGHT_TAGS and verdict is CONFLICT and labelled != OTHER and boxes != OVER_S_AND_U
    assert decision.verdict is (STORED if cured else verdict)
    if cured:
        assert (decision.turn, decision.drawn_in) == ({"cw": 6, "ccw": 8}[turned], stored.swapped)


def test_turned_moves_boxes_the_way_the_photo_went():
    # Labelled at 100x50 with a box in the top left corner; turned clockwise, it is in the top right corner of 50x100.
    decision = decide(1, Size(50, 100), Size(100, 50), [(0, 0, 20, 10)], turned="cw")
    assert decision.upright([(0, 0, 20, 10)]).tolist() == [[40, 0, 50, 20]]
    decision = decide(1, Size(50, 100), Size(100, 50), [(0, 0, 20, 10)], turned="ccw")
    assert decision.upright([(0, 0, 20, 10)]).tolist() == [[0, 80, 10, 100]]


def test_an_edge_off_by_a_rounding_is_set_to_the_border():
    decision = decide(6, Size(100, 50), Size(101, 50), [(0, 0, 101, 50)])
    assert decision.upright([(0, 0, 101, 50), (0, 0, 150, 50)]).tolist() == [[0, 0, 50, 100], [0, 0, 50, 150]]


MARKS = {  # a 3x2 image of letters, stored so that it reads ABC/DEF when upright
    1: ["ABC", "DEF"],
    2: ["CBA", "FED"],
    3: ["FED", "CBA"],
    4: ["DEF", "ABC"],
    5: ["AD", "BE", "CF"],
    6: ["CF", "BE", "AD"],
    7: ["FC", "EB", "DA"],
    8: ["DA", "EB", "FC"],
}


@pytest.mark.parametrize("orientation", MARKS)
def test_letters_by_hand(orientation):
    from ssdprep.turn import turn

    letters = np.array([list(row) for row in MARKS[orientation]])
    assert turn(letters, orientation).tolist() == [list("ABC"), list("DEF")]
    (y,), (x,) = np.nonzero(letters == "B")
    stored = Size(letters.shape[1], letters.shape[0])
    assert geometry.upright([(x, y, x + 1, y + 1)], orientation, stored).tolist() == [[1, 0, 2, 1]]


sides = st.integers(1, 40)


@given(st.integers(1, 8), sides, sides, st.data())
def test_boxes_go_where_pixels_go(orientation, width, height, data):
    from ssdprep.turn import turn

    xmin, ymin = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    xmax, ymax = data.draw(st.integers(xmin + 1, width)), data.draw(st.integers(ymin + 1, height))
    pixels = np.zeros((height, width), np.uint8)
    pixels[ymin:ymax, xmin:xmax] = 1
    ys, xs = np.nonzero(turn(pixels, orientation))
    moved = geometry.upright([(xmin, ymin, xmax, ymax)], orientation, Size(width, height))
    assert moved.tolist() == [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]


def labelled(name: str, orientation: int, size: Size | None, *boxes: Box, stored: Size = S) -> Record:
    objects = tuple(Object("card", box) for box in boxes)
    return Record(Path(f"d/{name}.jpg"), Path(f"d/{name}.xml"), objects, stored, orientation, size, f"{name}.jpg")


BOX = Box(10, 20, 300, 400)


def test_a_data_set_moves_upright_and_leaves_out_what_it_cannot_decide():
    plain = labelled("plain", 1, S, BOX)
    stored = labelled("stored", 6, S, BOX)
    upright = labelled("upright", 6, U, BOX)
    unknown = labelled("unknown", 3, S, BOX)
    foreign = labelled("foreign", 1, OTHER, BOX)
    empty = labelled("empty", 3, S)
    lone = replace(labelled("lone", 1, S, BOX), image=None, stored_size=None)
    records = (plain, stored, upright, unknown, foreign, empty, lone)
    seen = to_upright(Dataset(Path("d"), records, (), {"train": (stored, unknown), "val": (plain,)}))
    moved = replace(stored, objects=(Object("card", Box(2624, 10, 3004, 300)),), labelled_size=U)
    assert seen.records == (plain, moved, upright, empty, lone)
    assert seen.splits == {"train": (moved,), "val": (plain,)}
    assert [(f.code, f.severity, f.path.name) for f in seen.findings] == [
        ("ORI001", "error", "unknown.xml"),
        ("ORI002", "error", "foreign.xml"),
    ]
    assert to_upright(replace(seen, findings=())).records == seen.records  # twice is once


def test_frame_is_passed_on():
    unknown = labelled("unknown", 3, S, BOX)
    dataset = Dataset(Path("d"), (unknown,))
    (moved,) = to_upright(dataset, frame="stored").records
    assert moved.objects[0].box == Box(4032 - 300, 3024 - 400, 4032 - 10, 3024 - 20)
    assert to_upright(dataset, frame="upright").records == (unknown,)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (
            [(6, S)] * 12,
            "12 of 12 files that can be decided are in the stored frame: ssdprep fix-exif d --frame stored",
        ),
        ([(8, U)] * 3, "3 of 3 files that can be decided are in the upright frame: ssdprep fix-exif d --frame upright"),
        (
            [(8, U), (6, S), (6, S)],
            "2 of 3 files that can be decided are in the stored frame; look at both readings: "
            "ssdprep preview d --unresolved, then ssdprep fix-exif d --frame stored, or --frame upright",
        ),
        (
            [(1, S)],
            "no other file tells; look at both readings: "
            "ssdprep preview d --unresolved, then ssdprep fix-exif d --frame stored, or --frame upright",
        ),
    ],
)
def test_the_rest_of_the_set_names_the_next_command(others, expected):
    records = [labelled(f"o{i}", tag, size, BOX) for i, (tag, size) in enumerate(others)]
    dataset = Dataset(Path("d"), (*records, labelled("unknown", 3, S, BOX)))
    (finding,) = to_upright(dataset).findings
    assert finding.remedy == expected


def test_a_photo_turned_later_names_both_ways():
    (finding,) = to_upright(Dataset(Path("my photos"), (labelled("a", 1, U, BOX),))).findings
    assert finding.remedy == "ssdprep fix-exif 'my photos' --turned cw (clockwise), or --turned ccw"


def test_next_command_counts_only_what_files_show():
    decisions = [decide(3, S, S, [BOX], frame="stored"), None, decide(1, S, S, [BOX])]
    assert str(next_command(Path("d"), decisions)).startswith("no other file tells")


def test_judge_answers_for_every_record():
    records = (labelled("a", 6, S, BOX), replace(labelled("b", 1, S, BOX), stored_size=None))
    first, second = judge(Dataset(Path("d"), records))
    assert isinstance(first, Decision)
    assert (first.verdict, second) == (STORED, None)
