"""The folder that predict draws into: an earlier run's drawings make room for the new ones, and nothing else does.

``predictions.jsonl`` tells them apart: one JSON line for each drawing, with the checksum of its bytes, put down before
the drawing is. What a run that was interrupted left is therefore known too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ssdprep.disk import digest
from ssdprep.files import write_new
from ssdprep.record import SsdprepError

RECORD = "predictions.jsonl"


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
    """Remove what `earlier` names, the record last."""
    for path in sorted(earlier(folder), key=lambda path: path.name == RECORD):
        path.unlink()


def write_drawing(path: Path, data: bytes, **facts: Any) -> None:
    """Record a drawing and write it."""
    line = {"drawn": path.name, "sha256": hashlib.sha256(data).hexdigest(), **facts}
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / RECORD).open("a", encoding="utf-8") as record:
        record.write(json.dumps(line, ensure_ascii=False) + "\n")
    write_new(path, data)


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
