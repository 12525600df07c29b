"""One CSV of all boxes, as the xml_to_csv script that everyone copies writes it; document 004's is read too."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ssdprep.disk import free_name, require_place
from ssdprep.files import write_new
from ssdprep.formats.voc import base_name
from ssdprep.record import Box, Finding, Record, Report, Severity, Size, SsdprepError, Track, untracked
from ssdprep.walk import PHOTOS
from ssdprep.wording import counted, quoted

COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
OWN_SIZE, NO_SIZE, OWN_NAME = "CSV001", "CSV002", "CSV003"
SAME_NAME, FRACTIONS, NOT_WRITTEN, NAME_TAKEN = "CSV004", "CSV005", "CSV006", "CSV007"


class Row(NamedTuple):
    """One box as document 004 orders it. A photo without boxes has the label ``""`` and None for its edges."""

    filename: str
    width: int
    height: int
    depth: int
    xmin: int | float | None
    xmax: int | float | None
    ymin: int | float | None
    ymax: int | float | None
    label: str


@dataclass(frozen=True)
class CsvReport(Report):
    """What was written, and what was not."""

    path: Path
    images: int  # photos with boxes
    boxes: int
    negatives: int  # photos that were labelled and show nothing
    negatives_written: bool
    unlabelled: int  # photos without annotation: never written
    unusable: int  # photos that are missing or damaged: their boxes are written all the same
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        names = ("images", "boxes", "negatives", "negatives_written", "unlabelled", "unusable")
        return {
            "csv": str(self.path),
            **{name: getattr(self, name) for name in names},
        }


def xml_to_csv(
    data: Path | str, out: Path | str | None = None, *, negatives: bool = False, track: Track = untracked
) -> CsvReport:
    """Write every box below a folder to one CSV; ``DATA/labels.csv`` unless ``out`` says otherwise.

    Columns `COLUMNS`, one row a box, photos in the order of their paths whatever the case, boxes as in the XML.
    Numbers stand as in the XML, whole (fractions are cut off, as by ``int``); its width and height too, or the photo's
    own where it has none. Boxes stay in the frame they were drawn in. ``filename`` is the photo's name; without a photo
    what the XML says, without folders. With ``negatives`` each photo without boxes has a row with its name and size
    only.

    `SsdprepError` where the folder cannot be read, or ``out`` exists and is no such table.
    """
    from ssdprep.orient import to_upright
    from ssdprep.scan import scan_folder

    dataset = scan_folder(Path(data), track=track)
    target = Path(out) if out is not None else dataset.root / "labels.csv"
    annotated = [record for record in dataset.records if record.annotation is not None]
    lost = _lost(annotated)
    nowhere = set(lost)
    labelled = [record for record in annotated if record not in nowhere]
    empty = [record for record in labelled if not record.objects]
    written = labelled if negatives else [record for record in labelled if record.objects]
    require_table(target)
    write_new(target, _table(written))
    findings = (*to_upright(dataset).findings, *map(_name_taken, lost), *_said_once(dataset.root, written))
    if empty and not negatives:
        findings += (_left_out(target, len(empty)),)
    return CsvReport(
        path=target,
        images=len(labelled) - len(empty),
        boxes=sum(len(record.objects) for record in labelled),
        negatives=len(empty),
        negatives_written=negatives,
        unlabelled=len(dataset.records) - len(annotated),
        unusable=sum(_is_unusable(record, dataset.damaged) for record in written),
        findings=findings,
    )


def read_csv(xml_path: Path | str, filename: str | None = None) -> list[Row]:
    """The rows of a table of boxes: a file, or a file of that name in a folder.

    Reads what `xml_to_csv` and the script that everyone copies write, by the names in the first line, in any order, and
    document 004's table without a header: filename, width, height, depth, xmin, xmax, ymin, ymax, label.
    `SsdprepError` for any other table; ``OSError`` passes through.
    """
    import pandas as pd

    path = Path(xml_path, filename) if filename else Path(xml_path)
    try:
        table = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise SsdprepError(f"{path} is no table: {error}", "write it anew: ssdprep xml2csv") from error
    names = [str(name).strip().lower() for name in table.iloc[0]]
    if set(COLUMNS) <= set(names):
        table = table.iloc[1:].set_axis(names, axis=1).rename(columns={"class": "label"})
    elif len(names) == len(Row._fields):
        table = table.set_axis(Row._fields, axis=1)
    else:
        remedy = f"name its columns {','.join(COLUMNS)} in its first line"
        raise SsdprepError(f"{path} has {len(names)} columns, not those of a table of boxes", remedy)
    if "depth" not in table:
        table = table.assign(depth="3")
    try:
        return [_row(values) for values in table[list(Row._fields)].itertuples(index=False, name=None)]
    except ValueError as error:
        raise SsdprepError(
            f"{path} has other things than numbers: {error}", "write it anew: ssdprep xml2csv"
        ) from error


def _row(values: Sequence[str]) -> Row:
    name, *numbers, label = values
    width, height, depth, xmin, xmax, ymin, ymax = (_number(text) for text in numbers)
    return Row(name, int(width or 0), int(height or 0), int(depth or 0), xmin, xmax, ymin, ymax, label)


def _number(text: str) -> int | float | None:
    if not text.strip():
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return int(value) if value.is_integer() else value


def _table(records: Sequence[Record]) -> bytes:
    """The rows as pandas would write them, without waiting for pandas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        writer.writerows(_rows(record))
    return text.getvalue().encode()


def _rows(record: Record) -> Iterator[tuple[object, ...]]:
    name, size = csv_name(record), csv_size(record)
    for thing in record.objects:
        yield (name, *size, thing.name, *map(int, thing.box))
    if not record.objects:
        yield (name, *size, None, None, None, None, None)


def csv_name(record: Record) -> str:
    """The photo's name; without a photo what ``<filename>`` says, never a path: who joins it would leave the folder."""
    if record.image is None:
        return base_name(record.filename) or record.path.stem
    return record.image.name


def csv_size(record: Record) -> Size:
    """The XML's ``<size>``, else the photo's in the frame that holds all its boxes, else 0x0."""
    from ssdprep.checks import frames, inside

    if record.labelled_size:
        return record.labelled_size
    known = frames(record)
    fitting = (size for size in known if all(inside(thing.box, size) for thing in record.objects))
    return next(fitting, known[0] if known else Size(0, 0))


def require_table(target: Path, option: str = "--out", *, further: Sequence[str] = ()) -> None:
    """`SsdprepError` where a table of boxes cannot be written, would replace another file, or be called a photo or XML.

    option: with which the user names another place. further: columns that a table may have behind `COLUMNS`.
    """
    if target.suffix.lower() in PHOTOS | {".xml"}:
        raise SsdprepError(f"{target} is no name for a table", f"name a .csv: {option} {quoted(_other_name(target))}")
    require_place(target, option)
    if target.exists():
        if not target.is_file():
            other = target / "labels.csv" if target.is_dir() else _other_name(target)
            raise SsdprepError(f"{target} is no file that can be replaced", f"name a file: {option} {quoted(other)}")
        with target.open("rb") as file:
            start = file.readline(200).rstrip()
        if start and start not in {",".join(names).encode() for names in (COLUMNS, (*COLUMNS, *further))}:
            remedy = f"name another file: {option} {quoted(_other_name(target))}"
            raise SsdprepError(f"{target} exists and is no table of boxes", remedy)


def _other_name(target: Path) -> Path:
    """A .csv in the same folder that is not there yet."""
    return free_name(target.with_suffix(".csv"))


def _said_once(root: Path, written: Sequence[Record]) -> Iterator[Finding]:
    """What the table says otherwise than the XML, or cannot say: one finding a kind, with its count."""
    unsized = [record for record in written if record.labelled_size is None]
    unknown = sum(1 for record in unsized if record.stored_size is None)
    names = [csv_name(record) for record in written]
    renamed = sum(1 for record, name in zip(written, names, strict=True) if name != record.filename)
    shared = sorted(name for name, count in Counter(names).items() if count > 1)
    which = ", ".join(shared[:3]) + ", ..." * (len(shared) > 3)
    cut = sum(1 for record in written for thing in record.objects if not _is_whole(thing.box))
    info, warning, error = Severity.INFO, Severity.WARNING, Severity.ERROR
    each = "run it on each folder"
    fix = f"ssdprep fix-exif {quoted(root)}"
    said = (
        (OWN_SIZE, info, len(unsized) - unknown, "annotation", "without <size>: the photo's own is written", fix),
        (NO_SIZE, error, unknown, "annotation", "without <size> and photo: 0 is written", "bring the photos back"),
        (OWN_NAME, info, renamed, "annotation", "with another <filename>: the photo's own is written", "nothing to do"),
        (SAME_NAME, warning, len(shared), "name", f"in several folders: {which}: rows get mixed up", each),
        (FRACTIONS, info, cut, "box", "with fractions: cut off, as by int()", "nothing to do"),
    )
    for code, severity, count, noun, message, remedy in said:
        if count:
            yield Finding(code, severity, root, 0, f"{counted(count, noun)} {message}", remedy)


def _lost(annotated: Sequence[Record]) -> list[Record]:
    """Annotations without photo that the table would give to a photo of that name, which has another annotation."""
    names = {csv_name(record).casefold() for record in annotated if record.image}
    return [record for record in annotated if record.image is None and csv_name(record).casefold() in names]


def _name_taken(record: Record) -> Finding:
    message = f"is of a photo that is not here, but another {csv_name(record)} is: not in the table"
    remedy = "bring its photo back under a name of its own, or move it out of the folder"
    return Finding(NAME_TAKEN, Severity.WARNING, record.path, 0, message, remedy)


def _is_unusable(record: Record, damaged: Container[Path]) -> bool:
    """Whether the rows of a record are about a photo that nothing can be trained on."""
    return record.image is None or record.image in damaged


def _is_whole(box: Box) -> bool:
    return tuple(map(int, box)) == box


def _left_out(target: Path, count: int) -> Finding:
    message = f"{counted(count, 'photo')} without boxes not in the table"
    return Finding(NOT_WRITTEN, Severity.INFO, target, 0, message, "--negatives keeps them")
