"""Photos and videos in, found objects out: what `python -m ssd.predict` does, as one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ssd.pictures import MOST, found_objects
from ssd.prediction.drawings import clear, note
from ssd.prediction.found import Found
from ssd.prediction.illustration import Illustration, told
from ssd.prediction.labelling import KEPT, Labelled, no_annotation, require_places, write_annotations, write_table
from ssd.prediction.limits import Limits
from ssd.prediction.sources import (
    PASSED_BY,
    PhotoOrVideo,
    Picture,
    pictures,
    several_pictures,
    sources_in,
    videos_passed_by,
)
from ssd.run import Run
from ssdprep.disk import in_plain_words
from ssdprep.palette import palette
from ssdprep.record import Finding, Report, Size, SsdprepError, Track, untracked

OF_FOLDERS = {KEPT, PASSED_BY}  # findings that are about no picture
BATCH, BATCH_KEPT = 8, 4  # pictures that the network looks at together; with their pixels in memory, which may be many


@dataclass(frozen=True)
class Predictions(Report):
    """What was found on all photos, and on the frames of all videos."""

    folder: Path
    photos: tuple[Found, ...]
    videos: Mapping[Path, tuple[Found, ...]]  # the frames that were looked at
    findings: tuple[Finding, ...]
    drawn: bool = True
    table: Path | None = None
    labelled: Labelled | None = None

    @property
    def asked(self) -> int:
        """How many photos and videos were given, the unreadable ones too."""
        seen = {str(photo.image) for photo in self.photos} | {str(path) for path in self.videos}
        return len(seen | {str(finding.path) for finding in self.findings if finding.code not in OF_FOLDERS})

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        labelled = self.labelled and {
            "folder": str(self.labelled.folder),
            "written": self.labelled.written,
            "kept": [str(path) for path in self.labelled.kept],
            "nothing_found": self.labelled.nothing_found,
        }
        return {
            "photos": [photo.to_dict() for photo in self.photos],
            "videos": [
                {"video": str(path), "frames": [frame.to_dict() for frame in frames]}
                for path, frames in self.videos.items()
            ],
            "table": self.table and str(self.table),
            "annotations": labelled,
        }


def predict_photos(
    run: Path,
    photos: Sequence[Path],
    out: Path,
    *,
    threshold: float | Sequence[str] = (),
    most: int = MOST,
    every: int = 1,
    draw: bool = True,
    to_csv: Path | None = None,
    to_xml: Path | None = None,
    force: bool = False,
    track: Track = untracked,
) -> Predictions:
    """Find objects on photos and videos (folders stand for the photos in them), and draw the ``most`` likely.

    threshold: a score, or words as `Limits.parse` takes them. every: of a video, one frame in so many. Drawings and
    ``predictions.jsonl`` go into ``out``, in place of those of an earlier call and of nothing else (without ``draw``
    its drawings stay); of several photos a contact sheet too. to_csv, to_xml: see `ssd.prediction.labelling`;
    ``force`` lets them replace what is there. A photo that cannot be read becomes a finding. Raises `SsdprepError`
    where there is no run, no photo, or something in the way.
    """
    if min(most, every) < 1:
        raise ValueError(f"most and every must be at least 1, not {most} and {every}")
    require_places(to_csv, to_xml, out, force=force)
    detector = Run.load(run)
    words = [str(threshold)] if isinstance(threshold, float | int) else threshold
    limits = Limits.parse(words, detector.labels)
    sources = sources_in(photos, run)
    folders = {path.resolve() for path in photos if path.is_dir()}
    if out.resolve() in {source.path.resolve().parent for source in sources} or folders & {*out.resolve().parents}:
        raise SsdprepError(
            f"what is drawn into {out} would be among the photos there", "name another folder with --out"
        )
    total = None if any(source.is_video for source in sources) else len(sources)
    with in_plain_words(out, "written", "--out"):
        clear(out, drawings=draw)
        seen = _look(detector, sources, limits, every=every, keep=draw)
        drawings = Illustration(out, sources, palette(detector.labels.names), most=most, every=every)
        results = drawings.draw(seen, ahead=BATCH_KEPT) if draw else _noted(out, seen)
        every_one = list(track(results, "Finding objects", total))
        drawings.sheet(f"{run.name}: found, from score {limits} on")
    found = [each for each in every_one if isinstance(each, Found)]
    of_photos = tuple(each for each in found if each.frame is None)
    if to_csv is not None:
        write_table(to_csv, found)
    labelled = None if to_xml is None else write_annotations(to_xml, of_photos, force=force)
    videos = groupby((each for each in found if each.frame is not None), lambda each: each.image)
    of_videos = {path: tuple(frames) for path, frames in videos}
    return Predictions(
        out,
        of_photos,
        of_videos,
        (
            *(each for each in every_one if isinstance(each, Finding)),
            *several_pictures(sources),
            *videos_passed_by(photos, sources, run),
            *(labelled.findings if labelled else ()),
            *((no_annotation(run, video) for video in of_videos) if labelled else ()),
        ),
        draw,
        to_csv,
        labelled,
    )


def _look(
    detector: Run, sources: Sequence[PhotoOrVideo], limits: Limits, *, every: int, keep: bool
) -> Iterator[tuple[Picture, Found] | Finding]:
    """Each picture in order with what is found on it; a finding where one cannot be read.

    While the network looks at a batch, threads read the next.
    """
    batch = BATCH_KEPT if keep else BATCH
    waiting: list[Picture | Finding] = []
    for picture in pictures(sources, detector.config.image_size, ahead=batch, every=every, keep=keep):
        waiting.append(picture)
        if len(waiting) == batch:
            yield from _seen(detector, waiting, limits)
            waiting = []
    yield from _seen(detector, waiting, limits)


def _seen(
    detector: Run, waiting: Sequence[Picture | Finding], limits: Limits
) -> Iterator[tuple[Picture, Found] | Finding]:
    readable = [each for each in waiting if isinstance(each, Picture)]
    batches = [np.stack([each.input for each in readable])] if readable else []
    rows = detector.detect_pictures(batches, [p.size for p in readable], score=limits.of_all(detector.labels))
    for each in waiting:
        if isinstance(each, Finding):
            yield each
            continue
        objects, scores = found_objects(detector, next(rows))
        seconds = None if each.frame is None else round(each.frame / each.rate, 3)
        yield (
            each,
            Found(each.source.path, each.source.name, Size(*each.size[::-1]), objects, scores, each.frame, seconds),
        )


def _noted(out: Path, seen: Iterable[tuple[Picture, Found] | Finding]) -> Iterator[Found | Finding]:
    """Each recorded, and not drawn."""
    for each in seen:
        if isinstance(each, Finding):
            yield each
        else:
            note(out, **told(each[1]))
            yield each[1]
