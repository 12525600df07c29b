"""What is to be looked at: photos, folders of photos, videos. Their pixels are read ahead, each photo decoded once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from ssd.pipeline import to_input
from ssdprep import images
from ssdprep.faults import CUT_SHORT, SEVERAL_PICTURES, UNREADABLE, damage
from ssdprep.headers import read_header
from ssdprep.parallel import in_threads
from ssdprep.record import Finding, Severity, SsdprepError
from ssdprep.walk import walk
from ssdprep.wording import counted, quoted

VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".m2ts", ".ts"}
)
PASSED_BY = "PRD005"
SHOWN = 6  # videos in a command that is proposed
RATE = 25.0  # frames a second of a video that does not say
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # a video that cannot be read is a finding, told once


class PhotoOrVideo(NamedTuple):
    """A photo or a video, and its name below the folder that was given (its own name where it was given itself)."""

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        """By its extension."""
        return self.path.suffix.lower() in VIDEOS


class Picture(NamedTuple):
    """A photo or a frame of a video: its upright size, and itself at the network's input."""

    source: PhotoOrVideo
    size: tuple[int, int]  # height, width
    input: np.ndarray  # (h, w, 3) float32 in 0..255
    pixels: np.ndarray | None  # uint8 RGB (H, W, 3), where they are asked for
    frame: int | None = None  # of a video, from 0
    rate: float = RATE  # frames a second of the video


Task = Callable[[], Picture | Finding]


def sources_in(paths: Sequence[Path], run: Path | None = None) -> list[PhotoOrVideo]:
    """The photos and videos that are meant; a folder stands for all photos below it, in the order of their paths.

    One among several that does not exist is found out when it is read. `SsdprepError` where there is nothing at all.
    run: the detector of the command that is named where a folder holds videos only.
    """
    remedy = "name photos, videos, or folders of photos"
    if paths and not any(path.exists() for path in paths):
        rest = f", nor do the other {len(paths) - 1} paths" if len(paths) > 2 else f", nor does {paths[-1]}"
        raise SsdprepError(f"{paths[0]} does not exist{rest if len(paths) > 1 else ''}", remedy)
    found: list[PhotoOrVideo] = []
    for path in paths:
        found += (
            [PhotoOrVideo(path / name, name) for name in walk(path).photos]
            if path.is_dir()
            else [PhotoOrVideo(path, path.name)]
        )
    if not found:
        videos = [video for path in paths for video in videos_below(path)] if run else []
        if run and videos:
            remedy = f"name the videos themselves{_command(run, (), videos)}"
        raise SsdprepError(f"no photo in {', '.join(map(str, paths))}", remedy)
    return list({source.path.resolve(): source for source in reversed(found)}.values())[::-1]  # each once


def videos_below(folder: Path) -> list[Path]:
    """The videos in a folder and those below it, in the order of their paths; hidden ones do not count."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, n) for n in names if Path(n).suffix.lower() in VIDEOS and not n.startswith(".")]
    return sorted(found)


def videos_passed_by(paths: Sequence[Path], sources: Iterable[PhotoOrVideo], run: Path) -> Iterator[Finding]:
    """A finding for each folder among the paths with videos that are no sources: it stands for its photos only."""
    named = {source.path.resolve() for source in sources}
    folders = {path.resolve(): path for path in paths if path.is_dir()}
    for folder in (path for place, path in folders.items() if not folders.keys() & set(place.parents)):
        if videos := [video for video in videos_below(folder) if video.resolve() not in named]:
            message = f"{counted(len(videos), 'video')} in it not looked at: a folder stands for its photos"
            remedy = f"name the videos too{_command(run, paths, videos)}, with the same options"
            yield Finding(PASSED_BY, Severity.WARNING, folder, 0, message, remedy)


def _command(run: Path, paths: Sequence[Path], videos: Sequence[Path]) -> str:
    """The end of a sentence with what looks at these; of very many videos the first."""
    some = f", here the first {SHOWN}" if len(videos) > SHOWN else ""
    return f"{some}: python -m ssd.predict {' '.join(map(quoted, (run, *paths, *videos[:SHOWN])))}"


def pictures(
    sources: Iterable[PhotoOrVideo], size: tuple[int, int], *, ahead: int, every: int = 1, keep: bool = False
) -> Iterator[Picture | Finding]:
    """Each photo, and every ``every``-th frame of each video, in order; a finding for what cannot be read.

    size: height, width of the network's input. ``ahead`` of them are read before they are asked for. keep: with pixels.
    """
    tasks = (task for source in sources for task in _tasks(source, size, every, keep))
    return in_threads(tasks, ahead=ahead)


def several_pictures(sources: Iterable[PhotoOrVideo]) -> Iterator[Finding]:
    """Animations, and files of several pages: only their first picture is looked at."""
    remedy = "to have the others looked at, save each as a photo of its own, or an animation as a video"
    for source in sources:
        told = () if source.is_video else read_header(source.path)[1]
        yield from (finding._replace(remedy=remedy) for finding in told if finding.code == SEVERAL_PICTURES)


def _tasks(source: PhotoOrVideo, size: tuple[int, int], every: int, keep: bool) -> Iterator[Task]:
    if not source.path.exists():
        yield partial(_missing, source)
    elif source.is_video:
        yield from _frames(source, size, every, keep)
    else:
        yield partial(_photo, source, size, keep)


def _missing(source: PhotoOrVideo) -> Finding:
    return Finding(UNREADABLE, Severity.ERROR, source.path, 0, "does not exist", "correct the path")


def _photo(source: PhotoOrVideo, size: tuple[int, int], keep: bool) -> Picture | Finding:
    try:
        pixels = images.upright_pixels(source.path)
    except (images.ImageFault, OSError) as error:
        return damage(source.path, error)
    return _picture(source, pixels, size, keep)


def _frames(source: PhotoOrVideo, size: tuple[int, int], every: int, keep: bool) -> Iterator[Task]:
    """A task for each frame that is looked at; upright, as OpenCV turns what a phone marked."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    video = cv2.VideoCapture(str(source.path))
    try:
        promised, rate = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate < 1000 else RATE
        number = 0
        while video.grab():
            if number % every == 0 and (bgr := video.retrieve()[1]) is not None:
                yield partial(_frame, source, bgr, size, keep, number, rate)
            number += 1
    finally:
        video.release()
    if number < 0.9 * promised - 2 or not number:  # what a video promises is often an estimate
        yield partial(_broken_off, source, number, promised)


def _frame(
    source: PhotoOrVideo, bgr: np.ndarray, size: tuple[int, int], keep: bool, number: int, rate: float
) -> Picture:
    return _picture(source, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), size, keep)._replace(frame=number, rate=rate)


def _broken_off(source: PhotoOrVideo, read: int, promised: float) -> Finding:
    remedy = "copy the video from its source again, or save it as MP4 (H.264) with a video editor"
    if not read:
        return Finding(UNREADABLE, Severity.ERROR, source.path, 0, "no frame of this video can be read", remedy)
    message = f"the video breaks off: {read:,} of about {promised:,.0f} frames can be read"
    return Finding(CUT_SHORT, Severity.ERROR, source.path, 0, message, remedy)


def _picture(source: PhotoOrVideo, pixels: np.ndarray, size: tuple[int, int], keep: bool) -> Picture:
    return Picture(source, pixels.shape[:2], _resampler(size)(pixels).numpy(), pixels if keep else None)


@cache
def _resampler(size: tuple[int, int]) -> Any:
    """`to_input` as a graph, for photos of any size."""
    signature = [tf.TensorSpec((None, None, 3), tf.uint8)]
    return tf.function(lambda image: to_input(image, size), input_signature=signature)
