"""What was found, drawn: each photo, each video as a video, and a contact sheet of the first photos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssd.pictures import found_panel
from ssd.prediction.drawings import VideoDrawing, note, write_drawing
from ssd.prediction.found import Found
from ssd.prediction.sources import PhotoOrVideo, Picture
from ssdprep import images
from ssdprep.derived import unique
from ssdprep.draw import draw_boxes
from ssdprep.palette import Colour
from ssdprep.parallel import in_threads
from ssdprep.record import Finding
from ssdprep.sheets import Panel, contact_sheet

SHEET, ON_SHEET = "contact_sheet.jpg", 24


class _Painted(NamedTuple):
    """A picture with its boxes: a photo's as JPEG, a frame's as pixels; and its panel on the sheet."""

    found: Found
    rate: float
    jpeg: bytes
    pixels: np.ndarray | None
    panel: Panel | None


class Illustration:
    """The drawings of one call in a folder that `drawings.clear` has cleared."""

    def __init__(
        self, out: Path, sources: Sequence[PhotoOrVideo], colours: Mapping[str, Colour], *, most: int, every: int
    ) -> None:
        taken = {Path(SHEET).stem, *(path.stem.casefold() for path in (out.iterdir() if out.is_dir() else ()))}
        stems = unique([source.path.stem for source in sources], taken)
        self._out, self._colours, self._most, self._every = out, colours, most, every
        self._places = {
            source: out / f"{stem}{'.mp4' if source.is_video else '.jpg'}"
            for source, stem in zip(sources, stems, strict=True)
        }
        self._panels: list[Panel] = []

    def draw(self, seen: Iterable[tuple[Picture, Found] | Finding], *, ahead: int) -> Iterator[Found | Finding]:
        """Each with the place of its drawing, in order; threads draw and encode, ``ahead`` of what is written."""
        tasks = (partial(self._painted, each, shown=i < ON_SHEET) for i, each in enumerate(seen))
        video: VideoDrawing | None = None
        current: Path | None = None
        try:
            for painted in in_threads(tasks, ahead=ahead):
                place = painted.found.drawn if isinstance(painted, _Painted) else None
                if video and place != current:
                    video = video.finish()
                if isinstance(painted, Finding):
                    yield painted
                    continue
                if painted.pixels is not None:
                    video = video or VideoDrawing(place, painted.rate / self._every, painted.pixels.shape[:2])
                    video.add(painted.pixels)
                    note(self._out, **told(painted.found))
                else:
                    write_drawing(place, painted.jpeg, **told(painted.found))
                current = place
                self._panels += [painted.panel] if painted.panel else []
                yield painted.found
            video = video and video.finish()
        finally:
            if video:
                video.discard()

    def sheet(self, title: str) -> None:
        """A contact sheet, where there are several photos."""
        if len(self._panels) > 1:
            sheet = contact_sheet([(panel,) for panel in self._panels], title=title, row=320)
            write_drawing(self._out / SHEET, images.encode_jpeg(sheet, quality=90))

    def _painted(self, each: tuple[Picture, Found] | Finding, *, shown: bool) -> _Painted | Finding:
        if isinstance(each, Finding):
            return each
        picture, found = each
        objects, scores = found.objects[: self._most], found.scores[: self._most]
        drawn = draw_boxes(picture.pixels, objects, scores=scores, colours=self._colours)
        found = replace(found, drawn=self._places[picture.source], boxes_drawn=len(objects))
        if picture.frame is not None:
            return _Painted(found, picture.rate, b"", drawn, None)
        panel = None
        if shown:
            most, name = self._most, found.image.name
            panel = found_panel(picture.pixels, found.objects, found.scores, name, most=most, colours=self._colours)
        return _Painted(found, picture.rate, images.encode_jpeg(drawn, quality=90), None, panel)


def told(found: Found) -> dict[str, object]:
    """A line of the folder's record, whose drawings lie beside it; a video has a line of its own."""
    facts = found.to_dict()
    facts.pop("drawn", None)
    return facts
