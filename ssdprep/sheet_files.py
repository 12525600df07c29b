"""A contact sheet as a file, for `preview` and `augment`: where it may lie, which earlier file it may replace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ssdprep import images
from ssdprep.disk import free_name, is_there, require_place
from ssdprep.draw import Pixels
from ssdprep.files import write_new
from ssdprep.letters import lacking
from ssdprep.record import Finding, Severity, SsdprepError
from ssdprep.wording import counted, quoted

NO_FONT = "SHT001"

_SOFTWARE = "ssdprep"  # by which an earlier sheet is known: PNG's own keyword for the program that made a file
_MARK = b"tEXtSoftware\0" + _SOFTWARE.encode()
_HEAD = 256  # bytes; the mark stands in front of the pixels


def check_place(out: Path, folders: Sequence[Path], *, named: Path | None = None) -> None:
    """`SsdprepError` where a sheet cannot be written, would replace a file that is none, or count as a photo.

    folders: those with photos, outside of which the sheet must lie. named: the folder for it, where --out names that.
    """
    kind = "file" if named is None else "folder"
    named = out if named is None else named if named.name else named.resolve()
    if out.is_dir() or out.suffix.lower() != ".png":
        new = named.with_name(f"{named.name}.png") if named == out else free_name(named)
        message = f"{out} is {'a folder' if out.is_dir() else 'no .png file'}"
        raise SsdprepError(message, f"name a new {'.png file' if named == out else kind}: --out {quoted(new)}")
    for folder in folders:
        if out.resolve().is_relative_to(folder.resolve()):
            beside = free_name(folder.resolve().with_name(named.name))
            message = f"{out} lies in {folder}: from then on it would count as one of the photos there"
            raise SsdprepError(message, f"put it beside the folder: --out {quoted(beside)}")
    require_place(out, named=named)
    if is_there(out) and not _is_sheet(out):
        message = f"{out} exists, and is no contact sheet of ssdprep: it is not replaced"
        raise SsdprepError(message, f"name another {kind}: --out {quoted(free_name(named))}")


def write_sheet(out: Path, sheet: Pixels, folders: Sequence[Path]) -> None:
    """Write a sheet, whole or not at all, with the mark by which it is known; an earlier sheet is replaced.

    The place is looked at once more: drawing takes its time.
    """
    check_place(out, folders)
    write_new(out, images.encode_png(sheet, software=_SOFTWARE))


def of_letters(out: Path, classes: Iterable[str]) -> Iterator[Finding]:
    """A word where names of classes stand on a sheet as code points."""
    if names := lacking(sorted(classes)):
        some = ", ".join(map(repr, names[:3])) + ", ..." * (len(names) > 3)
        message = f"{counted(len(names), 'class name')} with letters that no font here has, written as U+4E2D: {some}"
        remedy = "nothing to do, no label is touched; or install a font that has them, such as Noto Sans CJK"
        yield Finding(NO_FONT, Severity.INFO, out, 0, message, remedy)


def _is_sheet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_HEAD)
    except OSError:
        return False
