"""Photos in, found objects out: what `python -m ssd.predict` does, as one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd.pictures import found_objects, panel
from ssd.pipeline import Example
from ssd.run import Run
from ssdprep import images
from ssdprep.derived import damage, unique
from ssdprep.draw import draw_boxes
from ssdprep.files import write_new
from ssdprep.record import Finding, Object, Severity, SsdprepError, Track, untracked
from ssdprep.sheets import contact_sheet
from ssdprep.walk import walk

SHEET, ON_SHEET = "contact_sheet.jpg", 24


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
    def asked(self) -> int:
        """How many photos were given, the unreadable ones too."""
        return len(self.photos) + len(self.findings)

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

    Of several photos a contact sheet is drawn too. A photo that cannot be read becomes a finding. Raises
    `SsdprepError` where there is no run or no photo at all.
    """
    detector = Run.load(run)
    paths = _photos_in(photos)
    if out.resolve() in {path.resolve().parent for path in paths}:
        raise SsdprepError(f"drawings in {out} would replace the photos there", "name another folder with --out")
    examples, findings = _examples(paths, track)
    found = detector.detect(examples, score=threshold, track=track)
    out.mkdir(parents=True, exist_ok=True)
    names = unique((Path(e.source).stem for e in examples), {Path(SHEET).stem})
    predictions, tiles = [], []
    for example, rows, name in zip(examples, found, names, strict=True):
        objects, scores = found_objects(detector, rows, threshold)
        image = example.image()
        drawn = out / f"{name}.jpg"
        write_new(drawn, images.encode_jpeg(draw_boxes(image, objects, scores=scores), quality=90))
        predictions.append(Prediction(Path(example.source), objects, scores, drawn))
        if len(tiles) < ON_SHEET:
            tiles.append((panel(image, objects, scores, Path(example.source).name),))
    if len(tiles) > 1:
        title = f"{run.name}: found, from score {threshold:g} on"
        write_new(out / SHEET, images.encode_jpeg(contact_sheet(tiles, title=title, row=320), quality=90))
    return Predictions(out, tuple(predictions), findings)


def _photos_in(paths: Sequence[Path]) -> list[Path]:
    """The photos that are meant; one that does not exist is found out when it is read."""
    found: list[Path] = []
    for path in paths:
        found += [path / name for name in walk(path).photos] if path.is_dir() else [path]
    if not found:
        raise SsdprepError(f"no photo in {', '.join(map(str, paths))}", "name photos, or folders of photos")
    return found


def _examples(photos: Sequence[Path], track: Track) -> tuple[list[Example], tuple[Finding, ...]]:
    """Photos as examples without labels, in their upright sizes; those that cannot be read as findings."""
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    examples, findings = [], []
    for photo in track(photos, "Checking photos", len(photos)):
        try:
            width, height = images.upright_bytes(photo).size
        except (images.ImageFault, OSError) as error:
            findings.append(damage(photo, error))
        else:
            examples.append(Example(str(photo), (height, width), *nothing))
    return examples, tuple(findings)
