"""What was found, as labels: LabelImg's XML for a person to correct, and one table of all boxes."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssd.prediction.drawings import RECORD
from ssd.prediction.found import Found
from ssdprep import settled
from ssdprep.boxes import clip
from ssdprep.disk import require_place
from ssdprep.files import transaction, write_new
from ssdprep.formats import voc
from ssdprep.formats.csv import COLUMNS, require_table
from ssdprep.images import probe
from ssdprep.metadata import effective
from ssdprep.record import Box, Finding, Object, Record, Severity, Size, SsdprepError
from ssdprep.walk import folded
from ssdprep.wording import counted, quoted

FURTHER = ("score", "frame")  # columns of the table, behind those of every table of boxes
KEPT, NOT_WRITTEN, SAME_STEM, NO_PHOTO = "PRD001", "PRD002", "PRD003", "PRD004"
_SHOWN = 3  # names of many


@dataclass(frozen=True)
class Labelled:
    """Where annotations were written, how many, and why others were not."""

    folder: Path
    written: int
    nothing_found: int  # photos that have no annotation, for one without boxes would say that they show nothing
    beside: bool  # each beside its photo
    kept: tuple[Path, ...]  # annotations that were there already
    findings: tuple[Finding, ...]


def require_places(table: Path | None, annotations: Path | None, drawings: Path, *, force: bool) -> None:
    """`SsdprepError` where drawings, a table or annotations, None for no such thing, may not be written.

    Neither of the latter among the drawings: their folder has room for nothing else, and the next call would stop at
    it. A table replaces, by ``force``, an earlier table and nothing else.
    """
    for option, place in (("--to-csv", table), ("--to-xml", annotations)):
        if place is not None and drawings.resolve() in (place.resolve(), *place.resolve().parents):
            message = f"{place} would be among the drawings in {drawings}"
            raise SsdprepError(message, f"name a place outside of it: {option} {place.name}")
    if table is not None:
        _require_free(table, force)
    if annotations is not None:
        require_place(annotations / "annotation.xml", "--to-xml", named=annotations)
    require_place(drawings / RECORD, named=drawings)


def _require_free(table: Path, force: bool) -> None:
    require_table(table, "--to-csv", further=FURTHER)
    if table.exists() and not force:
        raise SsdprepError(f"{table} is there already", "name another file with --to-csv, or replace it with --force")


def write_table(path: Path, found: Sequence[Found]) -> None:
    """The columns of ``ssdprep xml2csv``, the score and, of a video, the frame; a row a box, in whole pixels as XML.

    A picture has the name of `Found.name`, or its whole path where pictures of two folders share that.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *FURTHER))
    shared = Counter(name for name, _ in {(picture.name, picture.image) for picture in found})
    for picture in found:
        name = picture.name if shared[picture.name] == 1 else str(picture.image)
        for thing, score in zip(_whole(picture), picture.scores, strict=True):
            row = (name, *picture.size, thing.name, *map(int, thing.box), f"{score:.6f}", picture.frame)
            writer.writerow(row)
    write_new(path, text.getvalue().encode())


def write_annotations(folder: Path, found: Iterable[Found], *, force: bool) -> Labelled:
    """An XML for each photo on which something was found, byte for byte as LabelImg would write it, in one transaction.

    It goes to ``folder``, under the photo's path below the folder that was given: beside the photo, where that is the
    same folder. One that is there already stays, unless ``force``; ``ssdprep undo`` brings it back then, and takes new
    ones away. Boxes are in the upright frame, as LabelImg shows the photo; where its file cannot tell that (a photo
    upside down), a note that `ssdprep` reads says so.
    """
    findings: list[Finding] = []
    kept: list[Path] = []
    fresh: dict[Path, bytes] = {}
    notes: dict[Path, settled.Note] = {}
    taken: dict[str, Path] = {}
    nothing, beside = 0, True
    for picture in found:
        if not picture.objects:
            nothing += 1
            continue
        target = (folder.resolve() / picture.name).with_suffix(".xml")
        made = _annotation(picture, target, taken, force=force)
        if made is None:
            kept.append(folder / target.relative_to(folder.resolve()))
            continue
        if isinstance(made, Finding):
            findings.append(made)
            continue
        fresh[target], note = made
        beside &= target.parent == picture.image.resolve().parent
        if note:
            notes[target] = note
    written = len(fresh)
    for target in fresh:
        target.parent.mkdir(parents=True, exist_ok=True)
    if notes:
        fresh[settled.place(folder.resolve())] = settled.merged(folder.resolve(), notes)
    if fresh:
        with transaction(folder, "predict") as change:
            for target, data in fresh.items():
                change.replace(target, data)
    if kept:
        some = ", ".join(path.name for path in kept[:_SHOWN]) + ", ..." * (len(kept) > _SHOWN)
        message = f"{counted(len(kept), 'annotation')} there already, left as before: {some}"
        findings.append(Finding(KEPT, Severity.INFO, folder, 0, message, "nothing to do; --force writes them anew"))
    return Labelled(folder, written, nothing, beside, tuple(kept), tuple(findings))


def no_annotation(run: Path, video: Path) -> Finding:
    """That a video has none, and how its frames get some."""
    frames = Path(f"{video.stem}-frames")
    message = "LabelImg labels photos: no annotation is written for a video"
    remedy = (
        f"make photos of its frames, two a second, with ffmpeg (https://ffmpeg.org, where it is not installed):"
        f" mkdir {quoted(frames)} && ffmpeg -i {quoted(video)} -vf fps=2"
        f" {quoted(frames / '%05d.jpg')}; then "
        f"python -m ssd.predict {quoted(run)} {quoted(frames)} --to-xml {quoted(frames)} --no-draw"
    )
    return Finding(NO_PHOTO, Severity.WARNING, video, 0, message, remedy)


def _annotation(
    picture: Found, target: Path, taken: dict[str, Path], *, force: bool
) -> tuple[bytes, settled.Note | None] | Finding | None:
    """The bytes of an annotation and, where a tag turns its photo, a note on its frame; or why there can be none.

    None where one is there, which stays.
    """
    photo = picture.image
    other = taken.setdefault(folded(str(target)), photo)
    if other != photo:
        message = f"{other} has the annotation {target.name}: no second one is written"
        return Finding(SAME_STEM, Severity.ERROR, photo, 0, message, "rename one of the two photos")
    if target.exists() and not force:
        return None
    header = probe(photo)
    record = Record(photo, target, tuple(_whole(picture)))
    depth = 1 if header.mode == "L" else 3
    try:
        data = voc.dumps(
            record, folder=photo.resolve().parent.name, filename=photo.name, size=picture.size, depth=depth
        )
    except ValueError as error:
        message = f"no annotation can be written: {error}"
        return Finding(NOT_WRITTEN, Severity.ERROR, photo, 0, message, "rename the photo, or the class")
    is_turned = effective(header.orientation) != 1
    return data, settled.written(data, header.orientation, header.size, None) if is_turned else None


def _whole(picture: Found) -> Iterator[Object]:
    """The objects with edges in whole pixels, at least one apart, inside the picture."""
    width, height = picture.size
    for thing in picture.objects:
        (box,) = clip([thing.box], Size(width, height)).round().tolist()
        x0, y0 = min(box[0], width - 1), min(box[1], height - 1)
        yield replace(thing, box=Box(x0, y0, max(box[2], x0 + 1), max(box[3], y0 + 1)))
