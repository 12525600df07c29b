"""The pictures of a page: photos behind findings, boxes drawn, and what each class looks like. Small, and not many."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ssdprep import images
from ssdprep.draw import Pixels, draw_boxes
from ssdprep.palette import Colour
from ssdprep.record import Box, Dataset, Finding, Object, Record, Severity, T

_READ = 1400  # pixels of the longer side of a photo as it is read
_SHOT, _CROP = 300, 112  # pixels of the longer side of a picture of a finding, of a class
QUALITY = 76  # of a JPEG
_MOST = 3_000_000  # characters of all pictures
_EACH = 6  # pictures of one kind of finding, and of one class
_SMALL = 0.25  # of the photo's sides; around a smaller box only a part of the photo is shown
_UNDRAWN = "boxes not drawn: their place is in doubt"
PARTS = ("train", "val", "test")


class Picture(NamedTuple):
    """A small JPEG as a data URI, and what it shows."""

    source: str
    width: int
    height: int
    alt: str
    caption: str


class Album:
    """Makes pictures until they would be too many for one page; None from then on, and for what cannot be read."""

    def __init__(self, dataset: Dataset, upright: Dataset, colours: Mapping[str, Colour]) -> None:
        self._colours = colours
        self._seen = {path: record for record in dataset.records for path in _paths(record)}
        self._upright = {path: record for record in upright.records for path in _paths(record)}
        self._part = {record.path: part for part in PARTS for record in dataset.splits.get(part, ())}
        self._left_out = _left_out(dataset)
        self._left = _MOST

    def of_findings(self, findings: Sequence[Finding]) -> list[Picture]:
        """Up to six photos that findings of one kind are about, one a photo, taken from all of them evenly."""
        if findings[0].code.startswith("DUP"):
            return self._of_copies(findings)
        first: dict[Path, Finding] = {}
        for finding in findings:
            if path := self._photo_of(finding.path):
                first.setdefault(path, finding)
        pictures: list[Picture] = []
        most = _EACH if findings[0].severity is not Severity.INFO else _EACH // 2
        for path, finding in _evenly(list(first.items()), most + 2):
            picture = self._of_finding(path, finding) if len(pictures) < most else None
            if picture is not None:
                pictures.append(picture)
        return pictures

    def _photo_of(self, path: Path) -> Path | None:
        """The photo that a path names, or that belongs to the annotation that it names."""
        if record := self._seen.get(path):
            return record.image
        return self._left_out.get(_place(path)) or self._left_out.get((None, path.stem))

    def of_class(self, name: str) -> list[Picture]:
        """Up to six boxes of a class, cut out, taken from all of them evenly."""
        boxes = [
            (record, thing)
            for record in dict.fromkeys(self._upright.values())
            if record.image and record.size
            for thing in record.objects
            if thing.name == name
        ]
        made = (self._crop(record, thing) for record, thing in _evenly(boxes, _EACH))
        return [picture for picture in made if picture is not None]

    def _of_copies(self, findings: Sequence[Finding]) -> list[Picture]:
        """Up to six photos, each beside the copy that its finding names."""
        pictures: list[Picture] = []
        for finding in _evenly(findings, _EACH // 2):
            record = self._seen.get(finding.path)
            others = [
                other.image
                for other in dict.fromkeys(self._seen.values())
                if other.image and other is not record and _names(finding.message, other.image.name)
            ]
            for path in [record.image if record else None, *others[:1]]:
                picture = self._of_finding(path, finding._replace(line=0)) if path else None
                if picture is not None:
                    pictures.append(picture)
        return pictures

    def _of_finding(self, path: Path, finding: Finding) -> Picture | None:
        record = self._upright.get(path)
        objects = record.objects if record else ()
        faulty = next((thing for thing in objects if finding.line and thing.line == finding.line), None)
        caption = path.name + (f" ({self._part[path]})" if path in self._part else "")
        seen = self._seen.get(path)
        if record is None and (seen is None or seen.objects):
            caption += f" ({_UNDRAWN})"
        focus = faulty.box if faulty and record and record.size and _is_small(faulty.box, record) else None
        return self._picture(path, objects, focus, caption, _SHOT)

    def _crop(self, record: Record, thing: Object) -> Picture | None:
        assert record.image is not None
        box, margin = thing.box, 0.08 * max(thing.box.xmax - thing.box.xmin, thing.box.ymax - thing.box.ymin)
        around = Box(box.xmin - margin, box.ymin - margin, box.xmax + margin, box.ymax + margin)
        caption = f"{thing.name} in {record.image.name}"
        return self._picture(record.image, (), around, caption, _CROP)

    def _picture(
        self, path: Path, objects: Iterable[Object], focus: Box | None, caption: str, side: int
    ) -> Picture | None:
        """A photo, or the part around ``focus``. Boxes in pixels of the upright photo."""
        if self._left <= 0:
            return None
        try:
            data = path.read_bytes()
            pixels = images.read_small(data, _READ)
            found = images.probe(data)
        except (images.ImageFault, OSError):
            return None
        full = found.size.swapped if 5 <= found.orientation <= 8 else found.size
        scale = pixels.shape[1] / full.width, pixels.shape[0] / full.height
        x0, y0, x1, y1 = 0, 0, pixels.shape[1], pixels.shape[0]
        if focus is not None:
            x0, x1 = _around(focus.xmin * scale[0], focus.xmax * scale[0], x1, whole=not objects)
            y0, y1 = _around(focus.ymin * scale[1], focus.ymax * scale[1], y1, whole=not objects)
        moved = [_moved(thing, scale, (x0, y0)) for thing in objects]
        made = drawn(pixels[y0:y1, x0:x1], moved, caption, side, self._colours)
        self._left -= len(made.source)
        return made


def drawn(
    pixels: Pixels,
    objects: Sequence[Object],
    caption: str,
    side: int,
    colours: Mapping[str, Colour],
    quality: int = QUALITY,
) -> Picture:
    """A picture whose longer side has ``side`` pixels, with boxes on it, which are in the pixels of what is given."""
    zoom = side / max(pixels.shape[:2])
    wide, high = max(1, round(pixels.shape[1] * zoom)), max(1, round(pixels.shape[0] * zoom))
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(pixels, (wide, high), interpolation=method), np.uint8)
    zoomed = [_moved(thing, (zoom, zoom), (0, 0)) for thing in objects]
    shown = [thing for thing in zoomed if _is_on(thing.box, wide, high)]
    boxed = draw_boxes(small, shown, colours=colours) if shown else small
    source = "data:image/jpeg;base64," + b64encode(images.encode_jpeg(boxed, quality)).decode()
    names = ", ".join(dict.fromkeys(thing.name for thing in shown))
    return Picture(source, wide, high, f"{caption}, with {names}" if names else caption, caption)


def _paths(record: Record) -> list[Path]:
    return [path for path in (record.image, record.annotation) if path is not None]


def _left_out(dataset: Dataset) -> dict[tuple[Path | None, str], Path]:
    """Photos in no record, by folder and stem; by the stem alone where no other photo or annotation can be meant."""
    found: dict[tuple[Path | None, str], Path] = {_place(path): path for path in dataset.left_out}
    photos = Counter(path.stem for path in (*dataset.left_out, *(r.image for r in dataset.records if r.image)))
    beside = {_place(path) for path in {finding.path for finding in dataset.findings} - set(dataset.left_out)}
    lone = (path for path in dataset.left_out if photos[path.stem] == 1 and _place(path) not in beside)
    return found | {(None, path.stem): path for path in lone}


def _place(path: Path) -> tuple[Path, str]:
    return path.parent, path.stem


def _names(message: str, name: str) -> bool:
    """Whether a message names a photo."""
    return name in message and re.search(rf"(?<![^\s,]){re.escape(name)}(?![^\s,])", message) is not None


def _evenly(items: Sequence[T], count: int) -> list[T]:
    places = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))
    return [items[place] for place in places.tolist()]


def _is_small(box: Box, record: Record) -> bool:
    size = record.size
    assert size is not None
    return (box.xmax - box.xmin) < _SMALL * size.width and (box.ymax - box.ymin) < _SMALL * size.height


def _around(low: float, high: float, end: int, *, whole: bool) -> tuple[int, int]:
    """The part of a side to show: the box itself, or three times as much and a fifth of the photo at least."""
    if not whole:
        middle, reach = (low + high) / 2, max(1.5 * (high - low), 0.1 * end)
        low, high = middle - reach, middle + reach
    first = int(min(max(low, 0), end - 1))
    return first, int(min(max(high + 0.999, first + 1), end))


def _moved(thing: Object, scale: tuple[float, float], corner: tuple[int, int]) -> Object:
    (sx, sy), (x, y), box = scale, corner, thing.box
    return replace(thing, box=Box(box.xmin * sx - x, box.ymin * sy - y, box.xmax * sx - x, box.ymax * sy - y))


def _is_on(box: Box, width: int, height: int) -> bool:
    return box.xmin < width and box.ymin < height and box.xmax > 0 and box.ymax > 0
