"""A folder -> the names of its photos, annotations and split lists. Opens no file, follows no link out of it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import splitext
from unicodedata import category, normalize

from ssdprep.record import Finding, Severity, SsdprepError

LINK, NO_FILE, BAD_NAME, ODD_NAME = "PAIR005", "PAIR006", "PAIR008", "PAIR009"

# Formats that cannot be read are listed too: such a photo is a finding, not a silence.
PHOTOS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".gif"}
    | {".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm", ".tga"}
)
_MASKS = {"segmentationclass", "segmentationobject"}  # VOC keeps pictures there that are labels, not photos


@dataclass(frozen=True, slots=True)
class Names:
    """What lies below a folder: paths relative to it, with slashes on every system, in an order that all share."""

    photos: list[str] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)  # .../ImageSets/Main/*.txt
    findings: list[Finding] = field(default_factory=list)


def folded(name: str) -> str:
    """A name as a file system sees it that knows no case and one way to write an accent."""
    return normalize("NFC", name).casefold()


def walk(root: Path) -> Names:
    """All names below a folder but hidden ones. `SsdprepError` where ``root`` is no folder that can be read."""
    _require_folder(root)
    names = Names()
    real_root = os.path.realpath(root)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError as error:
            if not folder:
                raise SsdprepError(f"{root} cannot be read: {error.strerror}", f"chmod u+rx {root}") from error
            names.findings.append(_no_file(root / folder, f"the folder cannot be read: {error.strerror}"))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            relative = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False) and entry.name.casefold() not in _MASKS:
                waiting.append(relative)
            _sort_in(names, root, real_root, relative, entry)
    for found in (names.photos, names.annotations, names.lists):
        found.sort(key=lambda name: (folded(name), name))
    names.findings.sort(key=lambda finding: str(finding.path))
    return names


def _sort_in(names: Names, root: Path, real_root: str, relative: str, entry: os.DirEntry[str]) -> None:
    """Put a name where it belongs, or say why it is left out."""
    kind = _kind(names, relative)
    linked = entry.is_symlink()
    if kind is None and not (linked and entry.is_dir()):
        return
    problem = _bad_name(root, relative) or (_bad_link(root, real_root, relative) if linked else None)
    if problem is None and kind is not None and not entry.is_file():
        if entry.is_dir():
            problem = _no_file(root / relative, "a folder with the name of a file: left out", "rename it")
        else:
            message = "a pipe, a socket or a device, no file: left out"
            problem = _no_file(root / relative, message, "take it out of the folder")
    if problem is not None:
        names.findings.append(problem)
    elif kind is not None:
        kind.append(relative)
        if not relative.isprintable() and any(category(character) == "Cc" for character in relative):
            message = "its name holds a line break or another control character: no list and few tools can name it"
            names.findings.append(Finding(ODD_NAME, Severity.WARNING, root / relative, 0, message, "rename it"))


def _kind(names: Names, relative: str) -> list[str] | None:
    """The list that a name belongs to by its extension."""
    extension = splitext(relative)[1].lower()
    if extension in PHOTOS:
        return names.photos
    if extension == ".xml":
        return names.annotations
    if extension == ".txt" and f"/{relative}".rpartition("/")[0].endswith("/ImageSets/Main"):
        return names.lists
    return None


def _require_folder(root: Path) -> None:
    try:
        mode = root.stat().st_mode
    except OSError as error:
        raise SsdprepError(
            f"{root} cannot be read: {error.strerror}", "name the folder that holds your photos"
        ) from error
    if not stat.S_ISDIR(mode):
        raise SsdprepError(f"{root} is not a folder", f"name the folder that it lies in: {root.parent}")


def _bad_name(root: Path, relative: str) -> Finding | None:
    try:
        relative.encode()
    except UnicodeEncodeError:
        shown = root / os.fsencode(relative).decode("utf-8", "backslashreplace")
        return Finding(BAD_NAME, Severity.ERROR, shown, 0, "its name is not UTF-8: left out", "rename it")
    return None


def _bad_link(root: Path, real_root: str, relative: str) -> Finding | None:
    """What is wrong with a link; None for one to a hidden file of the same folder, as git-annex and DVC set them."""
    path = root / relative
    target = Path(os.path.realpath(path))  # Path.resolve raises on a loop
    if not target.exists():
        return Finding(LINK, Severity.ERROR, path, 0, "the link leads nowhere", "delete it, or bring its target back")
    if not target.is_relative_to(real_root):
        remedy = "copy the files here, or run on the folder that holds both"
        return Finding(LINK, Severity.ERROR, path, 0, "the link leads out of the folder: not followed", remedy)
    hidden = any(part.startswith(".") for part in target.relative_to(real_root).parts)
    if target.is_file() and hidden:
        return None
    message = "a link to what is in this folder under its own name: left out"
    return Finding(LINK, Severity.INFO, path, 0, message, "nothing to do")


def _no_file(path: Path, message: str, remedy: str = "make it readable, or take it out of the folder") -> Finding:
    return Finding(NO_FILE, Severity.ERROR, path, 0, message, remedy)
