"""Photos in, found objects out: what `python -m ssd.predict` does, as one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ssdprep.draw import draw_boxes
from ssdprep.files import write_new

from ssd.data import readable
from ssd.pictures import found_objects
from ssd.pipeline import Example
from ssd.run import Run
from ssdprep import images
from ssdprep.record import Finding, Object, Severity, SsdprepError, Track, untracked
from ssdprep.walk import PHOTOS


@dataclass(frozen=True)
class Prediction:
    """What was found on one photo: objects, best first, each with its score; and where the drawing is."""

    image: Path
    objects: tuple[Object, ...]
    scores: tuple[float, ...]
    drawn: Path

    def to_dict(self) -> dict[str, Any]:
        """JSON types; boxes in pixels of the upright photo."""
        return {
            "image": str(self.image),
            "drawn": str(self.drawn),
            "objects": [
                {"name": thing.name, "score": score, **thing.box._asdict()}
                for thing, score in zip(self.objects, self.scores, strict=True)
            ],
        }


@dataclass(frozen=True)
class Predictions:
    """What was found on all photos."""

    folder: Path
    photos: tuple[Prediction, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 where a photo could not be read."""
        return int(any(f.severity is Severity.ERROR for f in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "photos": [photo.to_dict() for photo in self.photos],
            "findings": [f.to_dict() for f in self.findings],
        }


def predict_photos(
    run: Path, photos: Sequence[Path], out: Path, *, threshold: float = 0.5, track: Track = untracked
) -> Predictions:
    """Find objects on photos (folders stand for the photos in them) and draw them into ``out``.

    A photo that cannot be read becomes a finding. Raises `SsdprepError` where there is no run or no photo at all.
    """
    detector = Run.load(run)
    examples, findings = _examples(_photos_in(photos))
    found = detector.detect(examples, score=threshold, track=track)
    out.mkdir(parents=True, exist_ok=True)
    names = _distinct_names([Path(e.source) for e in examples])
    predictions = []
    for example, rows, name in zip(examples, found, names, strict=True):
        objects, scores = found_objects(detector, rows, threshold)
        drawn = draw_boxes(example.image(), objects, scores=scores)
        write_new(out / name, images.encode_jpeg(drawn, quality=90))
        predictions.append(Prediction(Path(example.source), objects, scores, out / name))
    return Predictions(out, tuple(predictions), findings)


def _photos_in(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise SsdprepError(f"{path} does not exist", "name photos, or folders of photos")
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in PHOTOS) if path.is_dir() else [path]
        found += inside
    if not found:
        raise SsdprepError(f"no photo in {', '.join(map(str, paths))}", "name photos, or folders of photos")
    return found


def _examples(photos: Sequence[Path]) -> tuple[tuple[Example, ...], tuple[Finding, ...]]:
    """Photos as examples without labels, in their upright sizes; those that cannot be read as findings."""
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    unsized = [Example(str(photo), (0, 0), *nothing) for photo in photos]
    examples, findings = readable(unsized)
    return tuple(replace(example, size=example.image().shape[:2]) for example in examples), findings


def _distinct_names(photos: Sequence[Path]) -> list[str]:
    """A file name for each drawing; equal stems are numbered."""
    taken: dict[str, int] = {}
    names = []
    for photo in photos:
        taken[photo.stem] = n = taken.get(photo.stem, 0) + 1
        names.append(f"{photo.stem}.jpg" if n == 1 else f"{photo.stem}_{n}.jpg")
    return names
