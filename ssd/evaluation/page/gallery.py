"""The pictures of the page: the worst photos, labels beside detections, and photos that findings are about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ssd.evaluation.error_costs import KINDS, Kind
from ssd.examples import Example, evenly
from ssd.pipeline import read
from ssdprep.page.markup import Html, join, tag
from ssdprep.page.pictures import Picture, drawn
from ssdprep.page.sections import image
from ssdprep.palette import Colour
from ssdprep.record import Box, Finding, Object

if TYPE_CHECKING:
    from ssd.evaluation.diagnosis import PhotoErrors
    from ssd.evaluation.measuring import Evaluation

RIGHT, WRONG = (0, 204, 255), (255, 153, 51)  # told apart by every eye, and lighter than most photos
_SIDE, _SHOT, _EACH = 400, 300, 6  # pixels of a picture of the worst, of a finding; pictures of one kind of finding
_MOST = 30  # boxes drawn on one picture, the surest


class Gallery:
    """Draws photos of an evaluation, what is right in one colour, what is wrong in another."""

    def __init__(self, report: Evaluation, examples: Sequence[Example]) -> None:
        self._report, self._examples = report, examples
        self._place = {example.source: i for i, example in enumerate(examples)}

    @property
    def style(self) -> str:
        """Both colours, for the legend."""
        codes = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in (RIGHT, WRONG))
        return "".join(f"i.{name}{{background:{code}}}" for name, code in zip(("right", "wrong"), codes, strict=True))

    def worst(self) -> Html | None:
        """The photos that cost most, each with its labels and with what is found on it."""
        photos = self._report.diagnosis.worst
        if not photos:
            return None
        legend = tag(
            "p",
            tag("span", tag("i", class_="right"), "right"),
            tag("span", tag("i", class_="wrong"), "wrong, or not found"),
            class_="legend",
        )
        note = (
            "Left the labels, right what is found from the best score of each class on. First comes the photo without"
            " whose mistakes AP50 of the whole set would be highest."
        )
        return join(tag("p", note, class_="note"), legend, tag("div", map(self._article, photos), class_="gallery"))

    def of_findings(self, findings: Sequence[Finding]) -> list[Picture]:
        """A few photos that findings name, with their labels."""
        places = [self._place[str(f.path)] for f in findings if str(f.path) in self._place]
        chosen = dict.fromkeys(evenly(places, _EACH))
        return [self._labels(place, _SHOT, Path(self._examples[place].source).name) for place in chosen]

    def _article(self, photo: PhotoErrors) -> Html:
        name = Path(photo.image).name
        pair = (self._labels(photo.example, _SIDE, f"{name}: labels"), self._found(photo.example, f"{name}: found"))
        said = [tag("li", tag("b", kind.value), ", ".join(_told(photo, kind))) for kind in KINDS if _told(photo, kind)]
        return tag(
            "article",
            tag("h3", tag("span", name), tag("span", f"costs {photo.cost:.4f} AP50", class_="times")),
            tag("div", map(image, pair), class_="twice"),
            tag("ul", said, class_="mistakes"),
            class_="card",
        )

    def _labels(self, place: int, side: int, caption: str) -> Picture:
        shown = self._report.diagnosis.shown
        mine = np.flatnonzero(shown.truth.images == place)
        names = [self._report.names[c - 1] for c in shown.truth.classes[mine].tolist()]
        return self._drawn(place, names, shown.truth.boxes[mine], shown.is_found[mine].tolist(), side, caption)

    def _found(self, place: int, caption: str) -> Picture:
        shown, made = self._report.diagnosis.shown, self._report.diagnosis.made
        mine = np.flatnonzero(shown.found.images == place)[:_MOST]
        names = []
        for i in mine.tolist():
            kind = f" {KINDS[made.kinds[i]].value}" if made.kinds[i] >= 0 else ""
            names.append(f"{self._report.names[shown.found.classes[i] - 1]} {shown.found.scores[i]:.2f}{kind}")
        return self._drawn(place, names, shown.found.boxes[mine], shown.right[mine].tolist(), _SIDE, caption)

    def _drawn(
        self, place: int, names: Sequence[str], boxes: np.ndarray, right: Sequence[bool], side: int, caption: str
    ) -> Picture:
        things, colours = [], dict[str, Colour]()
        for name, box, is_right in zip(names, boxes.tolist(), right, strict=True):
            written = name if is_right else f"{name} "  # two labels of a class, one found, one not: a colour for each
            colours[written] = RIGHT if is_right else WRONG
            things.append(Object(written, Box(*box)))
        return drawn(read(self._examples[place]).numpy(), things, caption, side, colours, quality=80)


def _told(photo: PhotoErrors, kind: Kind) -> list[str]:
    """The mistakes of one kind, in words."""
    return [m.name if m.score is None else f"{m.name} {m.score:.2f}" for m in photo.mistakes[:_MOST] if m.kind is kind]
