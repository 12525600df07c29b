"""One photo as a tile of a contact sheet: with its boxes, with both readings of them, or before and after.

What is read here raises `ImageFault` and ``OSError``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssdprep import boxes as geometry
from ssdprep import images
from ssdprep.metadata import effective
from ssdprep.orient import Decision, Verdict
from ssdprep.record import Box, Object, Record, Size
from ssdprep.sheets import Panel, Tile
from ssdprep.turn import turn

HIT = 0.9  # IoU from which a box counts as lying on its object
_BACK = {6: 8, 8: 6}  # what undoes an orientation, where it is not the orientation itself


def plain(record: Record) -> Tile:
    """A photo and its boxes."""
    assert record.image is not None
    note = _counted(record) if record.annotation else "not labelled"
    if effective(record.orientation) != 1:
        note += f", EXIF {record.orientation}"
    return (Panel(images.read_upright(record.image), record.objects, record.image.name, note),)


def two_readings(as_stored: Record, as_upright: Record) -> Tile:
    """A photo with its boxes as either frame would have them."""
    assert as_stored.image is not None
    pixels = images.read_upright(as_stored.image)
    return (
        Panel(pixels, as_stored.objects, as_stored.image.name, "--frame stored"),
        Panel(pixels, as_upright.objects, f"EXIF {as_stored.orientation}", "--frame upright"),
    )


def before_and_after(now: Record, was: Record, decision: Decision) -> Tile:
    """The photo as a reader that is unlucky with it shows it, beside the photo as it is now.

    Boxes in the stored frame are off in OpenCV, which turns pixels; boxes in the upright frame are off in Pillow and
    TensorFlow, which do not.
    """
    assert now.image is not None
    assert was.image is not None
    before, orientation = images.read_upright(was.image), effective(was.orientation)
    truth = [thing.box for thing in now.objects]
    reader = "in OpenCV"
    if orientation != 1 and decision.verdict is Verdict.UPRIGHT_FRAME:
        back = _BACK.get(orientation, orientation)
        seen = Size(before.shape[1], before.shape[0])
        before = turn(before, back)
        truth = [Box(*edges) for edges in geometry.upright(truth, back, seen).tolist()]
        reader = "in Pillow and TensorFlow"
    note, tone = _how_far_off(was.objects, truth)
    readers = "in every reader" if effective(now.orientation) == 1 else "in readers that apply EXIF"
    after = Panel(images.read_upright(now.image), now.objects, "now", f"{readers}: {_counted(now)}", "good")
    return Panel(before, was.objects, now.image.name, f"{reader}: {note}", tone), after


def _counted(record: Record) -> str:
    number = len(record.objects)
    return f"{number} box{'es' * (number != 1)}" if number else "no objects"


def _how_far_off(drawn: Sequence[Object], truth: Sequence[Box]) -> tuple[str, str]:
    """What to say about boxes as a reader sees them against where they belong."""
    if not drawn:
        return "no objects", "plain"
    if len(drawn) != len(truth):
        return f"{len(drawn)} boxes, now {len(truth)}", "bad"
    overlap = float(np.diagonal(geometry.iou([thing.box for thing in drawn], truth)).mean())
    return f"IoU {overlap:.2f}", "good" if overlap >= HIT else "bad"
