"""How each verb's report looks on a terminal: one function a report, each yields rich renderables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ssdprep.console import Next
from ssdprep.record import Severity
from ssdprep.wording import counted, left_out, quoted

_CLASSES = 30  # in a table on the terminal; --json holds all

_STRADDLING = {"SPL012", "DUP003"}  # errors that a new split cures

_VERDICTS = {
    "already_upright": "no tag turns them",
    "stored_frame": "boxes were drawn on the photo as it is stored",
    "upright_frame": "boxes were drawn on the photo as it is seen",
    "no_boxes": "nothing to decide",
    "turned": "boxes were drawn before the photo was turned",
    "unresolved": "the file cannot tell: left as it is",
    "conflict": "the labels do not fit the photo: left as it is",
}

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssdprep.audit import Audit
    from ssdprep.exif import FixReport
    from ssdprep.files import UndoReport
    from ssdprep.formats.csv import CsvReport
    from ssdprep.formats.tfrecord import TfrecordReport
    from ssdprep.previewed import PreviewReport


def audit_report(report: Audit) -> Iterator[RenderableType | Next]:
    """What is in the set, a bar for each class, how much is wrong, and what comes next."""
    from rich.text import Text

    counts = {"photo": report.images, "box": report.boxes, "class": len(report.classes)}
    rest = {"without objects": report.negatives, "not labelled": report.unlabelled, "left out": report.left_out}
    parts = [counted(count, noun) for noun, count in counts.items()]
    parts += [f"{count:,} {name}" for name, count in rest.items() if count]
    if report.without_photo:
        parts.append(f"{counted(report.without_photo, 'annotation')} without photo")
    yield Text.assemble(("audit    ", "bold"), ", ".join(parts))
    if report.classes:
        yield _class_table(report)
        if len(report.classes) > _CLASSES:
            yield Text(f"... and {len(report.classes) - _CLASSES:,} rarer classes (--json lists all)", style="dim")
        yield Text(
            f"balance: {report.imbalance:,.1f} boxes of the most frequent class for one of the rarest", style="dim"
        )
        yield Text(_said_of_small(report), style="dim")
    if report.splits:
        yield Text("lists:   " + ", ".join(f"{name} {count:,}" for name, count in report.splits.items()), style="dim")
    if report.statistics.photo_sizes:
        sizes = [f"{size} ({count:,})" for size, count in list(report.statistics.photo_sizes.items())[:3]]
        more = len(report.statistics.photo_sizes) - len(sizes)
        others = f" and {counted(more, 'other size')}" if more else ""
        yield Text(f"photos:  {', '.join(sizes)}{others}", style="dim")
    if report.page:
        yield Text.assemble("wrote    ", (f"{report.page}", "bold green"))
    severities = Counter(finding.severity.value for finding in report.findings)
    words = {"error": "error", "warning": "warning", "info": "note"}
    found = ", ".join(counted(severities[name], word) for name, word in words.items() if severities[name])
    yield Text.assemble("found    ", (found, "bold") if found else ("nothing wrong", "bold green"))
    yield _after_audit(report)


def _class_table(report: Audit) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    parts = {name: report.statistics.parts[name] for name in ("train", "val", "test") if report.splits.get(name)}
    table = Table(box=_rule(), pad_edge=False, header_style="dim")
    table.add_column("class", max_width=18 if parts else 22, overflow="fold")
    for name in ("boxes", "share"):
        table.add_column(name, justify="right")
    table.add_column("")
    for name in (*(parts or ("photos",)), "median size", "w/h"):
        table.add_column(name, justify="right")
    shown = list(report.classes.items())[:_CLASSES]
    for name, stats in shown:
        size = f"{stats.median_width:.0f} x {stats.median_height:.0f}" if stats.median_width is not None else "?"
        aspect = f"{stats.median_aspect:.2f}" if stats.median_aspect is not None else "?"
        bar = Text(_bar(stats.boxes / shown[0][1].boxes, 6 if parts else 14), style="cyan")
        counts = [part[name].boxes if name in part else 0 for part in parts.values()] or [stats.images]
        numbers = [f"{count:,}" for count in counts]
        table.add_row(Text(name), f"{stats.boxes:,}", f"{stats.share:.1%}", bar, *numbers, size, aspect)
    return table


def _said_of_small(report: Audit) -> str:
    """How many boxes are hard to see at the network's input, and of which class most."""
    found, limit = report.statistics.at_input, 16
    total = sum(each.boxes for each in found.values())
    if not total:
        return "small:   no photo of known size"
    small = sum(each.boxes * each.below[limit] for each in found.values()) / total
    worst = max(found, key=lambda name: found[name].below[limit])
    most = f" ({worst} {found[worst].below[limit]:.1%})" if small and len(found) > 1 else ""
    return f"small:   {small:.1%} of the boxes are below {limit} pixels at {report.statistics.input}{most}"


def fix_report(report: FixReport) -> Iterator[RenderableType | Next]:
    """How the files were decided, what was changed and where the originals are, and what comes next."""
    from rich.table import Table
    from rich.text import Text

    dry = ", a dry run: nothing is changed" if report.dry_run else ""
    yield Text.assemble(("fix-exif  ", "bold"), counted(len(report.files), "photo"), (dry, "dim"))
    table = Table(box=_rule(), pad_edge=False, header_style="dim")
    table.add_column("photos", justify="right")
    table.add_column("verdict")
    table.add_column("", style="dim")
    for verdict, count in report.verdicts.items():
        if count:
            colour = "bold red" if verdict in {"unresolved", "conflict"} else "green"
            what = _VERDICTS["turned" if report.turned and verdict == "stored_frame" else verdict]
            table.add_row(f"{count:,}", Text(verdict.replace("_", " "), style=colour), what)
    yield table
    changed = report.changed_images + report.changed_annotations
    what = f"{counted(report.changed_images, 'photo')} and {counted(report.changed_annotations, 'annotation')}"
    yield Text(f"changed  {'would be ' * report.dry_run}{what if changed else 'nothing'}")
    if report.lossless or report.reencoded:
        lossy = "encoded again (sides that cut coded blocks, lossy WebP)"
        kinds = {"without loss": report.lossless, lossy: report.reencoded}
        kinds["only their metadata corrected"] = report.changed_images - report.lossless - report.reencoded
        yield Text("turned   " + ", ".join(f"{count:,} {how}" for how, count in kinds.items() if count))
    if report.recovered:
        ending = "completed" if report.recovered.forward else "taken back"
        tense = "would be" if report.dry_run else "was"
        yield Text(f"before   a run that was interrupted ({report.recovered.when}) {tense} {ending}", style="yellow")
    data = quoted(report.root)
    if changed and not report.dry_run:
        yield Text.assemble("backup   ", (f"{report.root / '.ssdprep'}", "bold green"))
        yield Text.assemble(("undo:    ", "dim"), (f"ssdprep undo {data}", "cyan"))
    if report.advice:
        yield Text(f"frames   {report.advice.said}")
        yield Next(report.advice.command)
    else:
        again = changed and report.dry_run
        note = "once the errors above are cured" if report.exit_code and not again else ""
        yield Next(f"ssdprep {'fix-exif' if again else 'audit'} {data}", note)


def undo_report(report: UndoReport) -> Iterator[RenderableType | Next]:
    """What was brought back, or why nothing was."""
    from rich.text import Text

    data = quoted(report.root)
    if report.recovered:
        verb, when, count, is_new = report.recovered
        ending = f"completed: {counted(count, 'file')}" if is_new else "taken back: every file is as it was"
        tense = "would be" if report.dry_run else "is now"
        yield Text(f"before   {verb} of {when} was interrupted; it {tense} {ending}", style="yellow")
    if report.verb is None:
        is_done = report.recovered is not None and report.recovered.verb == "undo"
        yield Text.assemble(("undo     ", "bold"), "done" if is_done else f"nothing to undo in {report.root}")
        return
    done = "would bring back" if report.dry_run else "brought back" if report.is_undone else "refused"
    what = f"{counted(len(report.files), 'file')} as before {report.verb} of {report.when}"
    yield Text.assemble(("undo     ", "bold"), f"{done}: {what}")
    if report.dry_run:
        for path in report.files[:_CLASSES]:
            yield Text(f"         {path}", style="dim")
        if len(report.files) > _CLASSES:
            yield Text(f"... and {len(report.files) - _CLASSES:,} more (--json lists all)", style="dim")
    if not report.findings:
        yield Next(f"ssdprep {'undo' if report.dry_run else 'audit'} {data}")


def csv_report(report: CsvReport) -> Iterator[RenderableType | Next]:
    """How many rows, what has none, where the table is."""
    from rich.text import Text

    yield Text.assemble(("xml2csv  ", "bold"), f"{counted(report.boxes, 'box')} of {counted(report.images, 'photo')}")
    if report.negatives:
        kept = "one row each, without a class" if report.negatives_written else "left out; --negatives keeps them"
        yield Text(f"{counted(report.negatives, 'photo')} without boxes: {kept}")
    if report.unlabelled:
        yield Text(f"{counted(report.unlabelled, 'photo')} without annotation: left out")
    if report.unusable:
        lost = "missing or damaged: the boxes are in the table all the same"
        yield Text(f"{counted(report.unusable, 'photo')} {lost}", style="yellow")
    yield Text.assemble("wrote    ", (f"{report.path}", "bold green"))


def tfrecord_report(report: TfrecordReport) -> Iterator[RenderableType | Next]:
    """What is in each split, how it was checked, and what comes next."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=_rule(), pad_edge=False, header_style="dim")
    for column in ("split", "photos", "negatives", "boxes", "shards", "MB"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for name, part in report.splits.items():
        size = sum(shard["bytes"] for shard in part["shards"]) / 1e6
        counts = (part["images"], part["negatives"], part["boxes"], len(part["shards"]))
        table.add_row(name, *(f"{count:,}" for count in counts), f"{size:,.1f}")
    yield Text("tfrecord", style="bold")
    yield table
    yield Text("labels:  " + ", ".join(f"{number} {name}" for name, number in report.labels.items()), style="dim")
    yield Text("photos:  " + ", ".join(f"{count:,} {how}" for how, count in report.how.items()), style="dim")
    total = sum(report.how.values())
    yield Text(f"checked  {counted(total, 'photo')} to the last block; every record read back and compared")
    lost = {"unusable": report.unusable, "without annotation": report.unlabelled, "in no split": report.unlisted}
    if any(lost.values()):
        yield Text(left_out(lost), style="yellow")
    yield Text.assemble("wrote    ", (f"{report.out}", "bold green"))
    if report.labels:
        yield Next(f"python -m ssd.train {quoted(report.out)}")


def preview_report(report: PreviewReport) -> Iterator[RenderableType | Next]:
    """What is on the sheet, where it is, and what comes next."""
    from rich.text import Text

    data = quoted(report.root)
    if report.out is None:
        yield Text.assemble(("preview  ", "bold"), "the frame of every photo is known: no sheet is drawn")
        yield Next(f"ssdprep audit {data}")
        return
    what = {
        "boxes": "",
        "before and after": ", before and after",
        "unresolved": " whose frame is unknown, both readings",
    }
    shown = (
        f"{len(report.tiles):,} of {counted(report.photos, 'photo')}{what[report.mode]}, {counted(report.boxes, 'box')}"
    )
    yield Text.assemble(("preview  ", "bold"), shown)
    yield Text.assemble("wrote    ", (f"{report.out}", "bold green"))
    if report.mode == "unresolved":
        yield Next(f"ssdprep fix-exif {data} --frame stored    (or upright: the side where boxes lie on their objects)")


def _bar(share: float, width: int = 14) -> str:
    """A bar in eighths of a letter; what is more than nothing shows."""
    eighths = max(round(share * width * 8), 1)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _after_audit(report: Audit) -> Next:
    """What cures most: fix-exif, a new split where copies straddle it, repair; else the next verb of the line."""
    from ssdprep.repair_plan import CURES

    data = quoted(report.root)
    found = {finding.code for finding in report.findings if finding.severity is not Severity.INFO}
    grave = {finding.code for finding in report.findings if finding.severity is Severity.ERROR}
    if any(code.startswith("ORI") for code in found):
        return Next(f"ssdprep fix-exif {data}")
    if grave and grave <= _STRADDLING:
        return Next(f"ssdprep split {data} --force")
    if found & CURES.keys():
        return Next(f"ssdprep repair {data}")
    if grave:
        return Next(f"ssdprep audit {data}", "once the errors above are cured")
    if "AUD008" in found:
        return Next(f"ssdprep split {data} --add")
    return Next(f"ssdprep {'xml2csv' if report.splits else 'split'} {data}")


def _rule() -> Any:
    from rich import box

    return box.SIMPLE_HEAD
