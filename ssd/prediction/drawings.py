"""The folder that predict draws into: an earlier run's drawings make room for the new ones, and nothing else does.

``predictions.jsonl`` tells them apart: what was found, a JSON line a picture, and the checksum of each drawing, that is
put down before the drawing is. What a run that was interrupted left is therefore known too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssdprep.disk import digest
from ssdprep.files import write_new
from ssdprep.record import SsdprepError

RECORD = "predictions.jsonl"
_UNFINISHED = ".unfinished.mp4"


def earlier(folder: Path) -> list[Path]:
    """The drawings of earlier runs in a folder, unchanged since, and their record.

    `SsdprepError` where anything else is there, or where ``folder`` is none. Hidden files do not count.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise SsdprepError(f"{folder} is not a folder", "name another one with --out")
    recorded = _recorded(folder / RECORD)
    there = sorted(path for path in folder.iterdir() if not path.name.startswith(".") or path.name in recorded)
    drawn = [path for path in there if path.name == RECORD or _is_ours(path, recorded)]
    if foreign := [path.name for path in there if path not in drawn]:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise SsdprepError(
            f"{folder} holds what ssd.predict did not draw: {foreign[0]}{more}",
            "name another folder with --out, or take that out of it",
        )
    return drawn


def clear(folder: Path) -> None:
    """Remove what `earlier` names, the record last, and a video that a run could not finish."""
    for path in sorted(earlier(folder), key=lambda path: path.name == RECORD):
        path.unlink()
    (folder / _UNFINISHED).unlink(missing_ok=True)


def note(folder: Path, **facts: Any) -> None:
    """Add a line to the folder's record."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RECORD).open("a", encoding="utf-8") as record:
        record.write(json.dumps(facts, ensure_ascii=False) + "\n")


def write_drawing(path: Path, data: bytes, **facts: Any) -> None:
    """Record a drawing and write it."""
    note(path.parent, drawn=path.name, sha256=hashlib.sha256(data).hexdigest(), **facts)
    write_new(path, data)


class VideoDrawing:
    """A video of drawn frames, as MP4. It appears, and is recorded, when it is whole."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        """rate: frames a second; size: height, width of a frame. `SsdprepError` where OpenCV cannot write it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._waiting, self._size = path, path.with_name(_UNFINISHED), size[::-1]
        self._writer = cv2.VideoWriter(str(self._waiting), cv2.VideoWriter.fourcc(*"mp4v"), rate, self._size)
        if not self._writer.isOpened():
            raise SsdprepError(f"{path} cannot be written as MP4 by OpenCV {cv2.__version__}", "--no-draw")

    def add(self, frame: np.ndarray) -> None:
        """A frame, uint8 RGB (height, width, 3); one of another size is brought to that of the first."""
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        self._writer.write(bgr if bgr.shape[1::-1] == self._size else cv2.resize(bgr, self._size))

    def finish(self) -> None:
        """Record the video and put it in its place; nothing can be added any more."""
        self._writer.release()
        note(self._path.parent, drawn=self._path.name, sha256=digest(self._waiting))
        self._waiting.replace(self._path)

    def discard(self) -> None:
        """Leave nothing of it."""
        self._writer.release()
        self._waiting.unlink(missing_ok=True)


def _is_ours(path: Path, recorded: dict[str, str]) -> bool:
    return path.is_file() and not path.is_symlink() and recorded.get(path.name) == digest(path)


def _recorded(record: Path) -> dict[str, str]:
    """Name and checksum of each drawing; a line that was cut short names none."""
    found: dict[str, str] = {}
    for line in record.read_text(encoding="utf-8", errors="replace").splitlines() if record.is_file() else ():
        try:
            told = json.loads(line)
            found[str(told["drawn"])] = str(told["sha256"])
        except (ValueError, KeyError, TypeError):
            continue
    return found
