"""The folder that predict draws into: an earlier run's drawings make room for the new ones, and nothing else does.

``predictions.jsonl`` tells them apart: what was found, a JSON line a picture, and the checksum of each drawing, that is
put down before the drawing is; of a video also that it is begun. What a run that was interrupted left is therefore
known too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
    recorded, begun = _recorded(folder / RECORD)
    seen = {*recorded, _UNFINISHED}  # whatever their names begin with
    there = sorted(path for path in folder.iterdir() if not path.name.startswith(".") or path.name in seen)
    drawn = [path for path in there if path.name in (RECORD, begun) or _is_ours(path, recorded)]
    if foreign := [path.name for path in there if path not in drawn]:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise SsdprepError(
            f"{folder} holds what ssd.predict did not draw: {foreign[0]}{more}",
            "name another folder with --out, or take that out of it",
        )
    return drawn


def clear(folder: Path, *, drawings: bool = True) -> None:
    """Remove what `earlier` names, the record last; without ``drawings`` only what the record tells of pictures.

    It still tells then whose the drawings are, so that a later run may remove them.
    """
    there = sorted(earlier(folder), key=lambda path: path.name == RECORD)
    for path in there:
        if drawings or path.name == _UNFINISHED:
            path.unlink()
    if there and not drawings:
        kept = [{"drawn": name, "sha256": sha256} for name, sha256 in _recorded(folder / RECORD)[0].items()]
        write_new(folder / RECORD, "".join(map(_line, kept)).encode())


def note(folder: Path, **facts: Any) -> None:
    """Add a line to the folder's record."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RECORD).open("a", encoding="utf-8") as record:
        record.write(_line(facts))


def write_drawing(path: Path, data: bytes, **facts: Any) -> None:
    """Record a drawing and write it."""
    note(path.parent, drawn=path.name, sha256=hashlib.sha256(data).hexdigest(), **facts)
    write_new(path, data)


class VideoDrawing:
    """A video of drawn frames, as MP4. It appears, and is recorded, when it is whole."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        """rate: frames a second; size: height, width of a frame. `SsdprepError` where OpenCV cannot write it."""
        self._path, self._waiting, self._size = path, path.with_name(_UNFINISHED), size[::-1]
        note(path.parent, begun=_UNFINISHED)
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


def _recorded(record: Path) -> tuple[dict[str, str], str | None]:
    """Name and checksum of each drawing, and the name of a video that is begun; a line that was cut short has none."""
    found: dict[str, str] = {}
    begun: str | None = None
    for line in record.read_text(encoding="utf-8", errors="replace").splitlines() if record.is_file() else ():
        try:
            told = json.loads(line)
            begun = _UNFINISHED if told.get("begun") == _UNFINISHED else begun
            found[str(told["drawn"])] = str(told["sha256"])
            begun = None  # what comes after a video is drawn when that is finished
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found, begun


def _line(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False) + "\n"
