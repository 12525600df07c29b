"""draw, palette, letters: boxes lie right, tags can be read, classes be told apart, every script is written."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdprep.draw import draw_boxes
from ssdprep.letters import line
from ssdprep.palette import colour_of, palette, seen, spread
from ssdprep.record import Box, Object

GREY = 120


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def changed(image: np.ndarray) -> list[int]:
    """Edges of what is no longer grey."""
    y, x = np.nonzero((image != GREY).any(axis=2))
    return [int(v) for v in (x.min(), y.min(), x.max() + 1, y.max() + 1)]


def of_colour(image: np.ndarray, name: str) -> np.ndarray:
    return (image == np.array(colour_of(name))).all(axis=2)


def test_the_outline_lies_on_the_box():
    drawn = draw_boxes(grey(400, 300), [Object("apple", Box(100, 120, 220, 260))])
    mine = of_colour(drawn, "apple")
    rows, columns = np.flatnonzero(mine[:, 160]), np.flatnonzero(mine[200])
    assert (rows[-1] + 1, columns[0], columns[-1] + 1) == (260, 100, 220)
    assert mine[120, 100:220].all()
    assert (drawn[140:240, 120:200] == GREY).all()  # the object itself stays as it is


def test_the_picture_given_is_not_touched():
    image = grey(60, 40)
    drawn = draw_boxes(image, [Object("a", Box(5, 5, 30, 30))])
    assert (image == GREY).all()
    assert not np.shares_memory(image, drawn)
    assert (draw_boxes(image, []) == image).all()


def test_a_tag_stands_above_its_box_and_within_it_where_there_is_no_room():
    above = changed(draw_boxes(grey(400, 300), [Object("apple", Box(100, 120, 220, 260))]))
    assert 95 < above[1] < 112
    at_the_top = changed(draw_boxes(grey(400, 300), [Object("apple", Box(100, 2, 220, 260))]))
    assert at_the_top[1] in (1, 2)
    at_the_right = changed(draw_boxes(grey(400, 300), [Object("a long class name", Box(385, 120, 398, 260))]))
    assert at_the_right[2] <= 400


def test_tags_keep_off_each_other():
    names = [f"class {i}" for i in range(4)]
    alone = [of_colour(draw_boxes(grey(640, 480), [Object(n, Box(200, 150, 420, 300))]), n).sum() for n in names]
    together = draw_boxes(grey(640, 480), [Object(n, Box(200, 150, 420, 300)) for n in names])
    outline = 2 * (220 + 150) * 2
    for name, count in zip(names, alone, strict=True):
        assert of_colour(together, name).sum() > (count - outline) * 0.9


def test_lines_and_letters_grow_with_the_picture():
    def tag_height(width: int) -> float:
        box = Box(0.3 * width, 0.4 * width, 0.6 * width, 0.7 * width)
        return (0.4 * width - changed(draw_boxes(grey(width, width), [Object("apple", box)]))[1]) / width

    assert tag_height(2400) == pytest.approx(tag_height(800), rel=0.15)


def test_scores_are_written():
    thing = Object("apple", Box(100, 120, 300, 260))
    without, written = (draw_boxes(grey(400, 300), [thing], scores=s) for s in (None, [0.87]))
    assert of_colour(written, "apple")[100:120].sum() > of_colour(without, "apple")[100:120].sum()


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_other_arrays_are_a_wrong_call(wrong):
    with pytest.raises(ValueError, match="a picture is"):
        draw_boxes(wrong, [])


def test_as_many_scores_as_objects():
    with pytest.raises(ValueError, match="zip"):
        draw_boxes(grey(9, 9), [Object("a", Box(1, 1, 4, 4))], scores=[])


EDGE = st.floats(-50, 250, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.lists(st.tuples(st.text(max_size=30), EDGE, EDGE, EDGE, EDGE), max_size=5),
)
def test_any_boxes_on_any_picture(size, things):
    objects = [Object(name, Box(*edges)) for name, *edges in things]
    drawn = draw_boxes(grey(*size), objects)
    assert drawn.shape == (size[1], size[0], 3)
    visible = [b for _, *b in things if min(b[2], size[0]) - max(b[0], 0) > 1 and min(b[3], size[1]) - max(b[1], 0) > 1]
    assert (drawn != GREY).any() or not visible


@pytest.mark.parametrize(
    ("classes", "apart", "to_the_colour_blind"), [(6, 0.15, 0.12), (16, 0.09, 0.06), (80, 0.03, 0.02)]
)
def test_classes_are_told_apart(classes, apart, to_the_colour_blind):
    """In OKLab, where 0.02 is just seen; three teal cards (king, ten, jack) lay 0.07 apart."""
    colours = palette(f"class {i}" for i in range(classes))
    least = [
        min(float(np.linalg.norm(a - b)) for a, b in combinations(view, 2))
        for view in seen(np.array(list(colours.values())))
    ]
    assert least[0] >= apart
    assert min(least) >= to_the_colour_blind


def test_a_palette_belongs_to_a_set_of_classes():
    classes = ["queen", "ace", "ten"]
    assert palette(classes) == palette([*classes[::-1], "ace"])
    assert palette(classes).items() <= palette(classes, others=["Ace", "jack", "ten"]).items()
    assert len(set(palette(classes, others=["jack"]).values())) == 4
    assert palette([]) == {}


def test_every_colour_can_be_read():
    """WCAG 2.2 asks for a contrast of 4.5 between text and what it stands on."""

    def luminance(colour: tuple[int, int, int]) -> float:
        c = np.array(colour) / 255
        return float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])

    dark = luminance((18, 20, 24))
    assert min((luminance(colour) + 0.05) / (dark + 0.05) for colour in spread(2000)) > 4.5


@given(st.text(st.characters(), max_size=40))
def test_every_name_has_a_colour_of_its_own_accord(name):
    assert colour_of(name) == colour_of(str(name)) in spread(32)


def test_given_colours_are_drawn():
    things = [Object("apple", Box(20, 40, 90, 90)), Object("pear", Box(120, 40, 190, 90))]
    drawn = draw_boxes(grey(220, 120), things, colours={"apple": (255, 0, 255)})
    assert (drawn[60, 20:22] == (255, 0, 255)).all()
    assert of_colour(drawn, "pear")[60, 120:122].all()


def crowd(number: int) -> list[Object]:
    """Small boxes in rows, nearly all of one class; a rare one among them."""
    corners = [(10 + 24 * (i % 12), 10 + 20 * (i // 12)) for i in range(number)]
    return [
        Object("rare" if i == number // 2 else "cell", Box(x, y, x + 16, y + 12)) for i, (x, y) in enumerate(corners)
    ]


def tags_of(drawn: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where tags of a colour are: what is broader than an outline."""
    mine = (drawn == colour).all(axis=2).astype(np.uint8)
    return cv2.morphologyEx(mine, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)


def test_in_a_crowd_tags_take_turns():
    """They leave most of the picture free, and the one of another class has its name."""
    colours = palette(["cell", "rare"])
    drawn = draw_boxes(grey(320, 260), crowd(144), colours=colours)
    assert 0.03 < tags_of(drawn, colours["cell"]).mean() < 0.2
    assert tags_of(drawn, colours["rare"]).sum() > 50
    assert (drawn == GREY).all(axis=2).mean() > 0.3


def test_no_name_is_left_out_where_there_is_room():
    things = crowd(144)[::6]
    colours = palette(f"{i}" for i in range(24))
    drawn = draw_boxes(
        grey(640, 480),
        [Object(name, Box(*(2 * edge for edge in thing.box))) for name, thing in zip(colours, things, strict=True)],
        colours=colours,
    )
    assert min(tags_of(drawn, colour).sum() for colour in colours.values()) > 30


def test_a_tiny_object_is_more_than_its_outline():
    drawn = draw_boxes(grey(400, 300), [Object("a", Box(200, 200, 208, 208))])
    assert (drawn[202:206, 202:206] == GREY).all()


def on_a_tag(name: str) -> np.ndarray:
    return draw_boxes(grey(400, 200), [Object(name, Box(20, 60, 380, 180))], colours={name: (255, 255, 255)})


@pytest.mark.parametrize("pair", ["ÄÖ", "жщ", "λπ", "őű", "ấặ", "中文", "한글", "🐶🐱", "कख", "\x01\n"])
def test_letters_of_every_script_are_told_apart(pair):
    """A font draws the same box for all that it lacks."""
    one, other = map(on_a_tag, pair)
    assert (one != other).any()
    assert (on_a_tag("e\u0301") == on_a_tag("é")).all()


@pytest.mark.parametrize("name", ["Ấg", "Åj", "gypsy", "中", "x"])
def test_letters_stay_in_their_tag(name):
    """The first and the last row of a tag are free of them."""
    drawn = on_a_tag(name)
    first = drawn[changed(drawn)[1]]
    wide = int((first == 255).all(axis=1).sum())
    assert (first[20 : 20 + wide] == 255).all()
    assert (drawn[59, 20 : 20 + wide] == 255).all()
    assert (first[20 + wide :] == GREY).all()


@given(st.text("ab W…é中", max_size=60), st.floats(0, 300))
def test_fitted_text_fits(text, width):
    whole, shorter = line(text, 13), line(text, 13, width)
    assert shorter.width <= max(width, 0)
    assert shorter == whole or whole.width > width


def written(text: str, fonts: Path, *, without: str = "") -> str:
    """How a process writes it whose system has only these fonts, and lacks a package."""
    hidden = f"import sys; sys.modules[{without!r}] = None"
    code = f"{hidden}; from ssdprep.letters import line; print(ascii(line({text!r}, 20).text))"
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "XDG_DATA_HOME": str(fonts),
        "XDG_DATA_DIRS": str(fonts),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return str(ast.literal_eval(done.stdout))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's fonts are always found")
def test_what_no_font_has_is_written_as_code_points(tmp_path):
    assert written("猫 cat, Ж", tmp_path) == "U+732B cat, Ж"
    assert written("中文", tmp_path) == "U+4E2D U+6587"
    assert written("中Ж", tmp_path, without="imgaug") == "U+4E2D U+0416"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's fonts are always found")
def test_a_font_of_the_system_helps_out(tmp_path):
    square = TTGlyphPen(None)
    square.moveTo((0, 0))
    for corner in ((0, 700), (700, 700), (700, 0)):
        square.lineTo(corner)
    square.closePath()
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "zhong"])
    font.setupCharacterMap({0x4E2D: "zhong"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "zhong": square.glyph()})
    font.setupHorizontalMetrics({".notdef": (500, 0), "zhong": (1000, 0)})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupOS2()
    font.setupPost()
    font.setupNameTable({"familyName": "Test", "styleName": "Regular"})
    (tmp_path / "fonts").mkdir()
    font.save(tmp_path / "fonts/wqy-zenhei.ttc")
    assert written("中", tmp_path) == "中"
    assert written("Ж", tmp_path) == "Ж"
    assert written("文", tmp_path) == "U+6587"
