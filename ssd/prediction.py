"""Photos in, found objects out: what `python -m ssd.predict` does, as one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd.drawings import clear, write_drawing
from ssd.pictures import MOST, found_objects, found_panel
from ssd.pipeline import Example
from ssd.run import Run
from ssdprep import images
from ssdprep.derived import damage, unique
from ssdprep.draw import draw_boxes
from ssdprep.faults import UNREADABLE
from ssdprep.palette import palette
from ssdprep.record import Finding, Object, Report, Severity, SsdprepError, Track, untracked
from ssdprep.sheets import contact_sheet
from ssdprep.walk import walk

SHEET, ON_SHEET = "contact_sheet.jpg", 24
AT_ONCE = 32  # photos whose bytes are in memory together


@dataclass(frozen=True)
class Prediction:
    """What was found on one photo: objects, best first, each with its score; and how many are drawn where."""

    image: Path
    objects: tuple[Object, ...]
    scores: tuple[float, ...]
    drawn: Path
    boxes_drawn: int

    def to_dict(self) -> dict[str, Any]:
        """JSON types; boxes in pixels of the upright photo."""
        return {
            "image": str(self.image),
            "drawn": str(self.drawn),
            "boxes_drawn": self.boxes_drawn,
            "objects": [
                {"name": thing.name, "score": score, **thing.box._asdict()}
                for thing, score in zip(self.objects, self.scores, strict=True)
            ],
        }


@dataclass(frozen=True)
class Predictions(Report):
    """What was found on all photos."""

    folder: Path
    photos: tuple[Prediction, ...]
    findings: tuple[Finding, ...]

    @property
    def asked(self) -> int:
        """How many photos were given, the unreadable ones too."""
        return len(self.photos) + len(self.findings)

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "photos": [photo.to_dict() for photo in self.photos],
        }


def predict_photos(
    run: Path,
    photos: Sequence[Path],
    out: Path,
    *,
    threshold: float = 0.5,
    most: int = MOST,
    track: Track = untracked,
) -> Predictions:
    """Find objects on photos (folders stand for the photos in them) and draw the ``most`` likely into ``out``.

    Of several photos a contact sheet is drawn too. What an earlier call drew into ``out`` is removed, and only that. A
    photo that cannot be read becomes a finding. Raises `SsdprepError` where there is no run, no photo at all, or
    something else in ``out``.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, not {most}")
    detector = Run.load(run)
    paths = _photos_in(photos)
    if out.resolve() in {path.resolve().parent for path in paths}:
        raise SsdprepError(f"drawings in {out} would be among the photos there", "name another folder with --out")
    clear(out)
    taken = {Path(SHEET).stem, *(path.stem.casefold() for path in (out.iterdir() if out.is_dir() else ()))}
    predictions, findings, tiles = [], [], []
    colours = palette(detector.labels.names)
    for seen in track(_look(detector, paths, threshold), "Finding objects", len(paths)):
        if isinstance(seen, Finding):
            findings.append(seen)
            continue
        example, rows = seen
        path, image = Path(example.source), example.image()
        objects, scores = found_objects(detector, rows, threshold)
        drawn = out / f"{unique([path.stem], taken)[0]}.jpg"
        prediction = Prediction(path, objects, scores, drawn, min(most, len(objects)))
        picture = draw_boxes(image, objects[:most], scores=scores[:most], colours=colours)
        write_drawing(drawn, images.encode_jpeg(picture, quality=90), **{**prediction.to_dict(), "drawn": drawn.name})
        predictions.append(prediction)
        if len(tiles) < ON_SHEET:
            tiles.append((found_panel(image, objects, scores, path.name, most=most, colours=colours),))
    if len(tiles) > 1:
        title = f"{run.name}: found, from score {threshold:g} on"
        write_drawing(out / SHEET, images.encode_jpeg(contact_sheet(tiles, title=title, row=320), quality=90))
    return Predictions(out, tuple(predictions), tuple(findings))


def _photos_in(paths: Sequence[Path]) -> list[Path]:
    """The photos that are meant; one among several that does not exist is found out when it is read."""
    if paths and not any(path.exists() for path in paths):
        rest = f", nor do the other {len(paths) - 1} paths" if len(paths) > 2 else f", nor does {paths[-1]}"
        raise SsdprepError(
            f"{paths[0]} does not exist{rest if len(paths) > 1 else ''}", "name photos, or folders of photos"
        )
    found: list[Path] = []
    for path in paths:
        found += [path / name for name in walk(path).photos] if path.is_dir() else [path]
    if not found:
        raise SsdprepError(f"no photo in {', '.join(map(str, paths))}", "name photos, or folders of photos")
    return found


def _look(detector: Run, photos: Sequence[Path], threshold: float) -> Iterator[tuple[Example, np.ndarray] | Finding]:
    """Each photo in order with what is found on it, rows as `Run.detect` yields them; a finding where it is damaged.

    A few at a time, so that their bytes need not be read and checked again.
    """
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(photos), AT_ONCE):
            read = list(threads.map(_example, photos[start : start + AT_ONCE]))
            examples = [each for each in read if isinstance(each, Example)]
            found = detector.detect(examples, score=threshold)
            for each in read:
                yield (each, next(found)) if isinstance(each, Example) else each


def examples_of(folder: Path) -> tuple[tuple[Example, ...], tuple[Finding, ...]]:
    """The photos of a folder without labels; a finding for each that cannot be read. `SsdprepError` without any."""
    with ThreadPoolExecutor() as threads:
        read = list(threads.map(_example, _photos_in([folder])))
    return tuple(e for e in read if isinstance(e, Example)), tuple(f for f in read if isinstance(f, Finding))


def _example(photo: Path) -> Example | Finding:
    """A photo without labels, in its upright size."""
    try:
        upright = images.upright_bytes(photo)
    except FileNotFoundError:
        return Finding(UNREADABLE, Severity.ERROR, photo, 0, "does not exist", "correct the path")
    except (images.ImageFault, OSError) as error:
        return damage(photo, error)
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    return Example(str(photo), (upright.size.height, upright.size.width), *nothing, data=upright.data)
