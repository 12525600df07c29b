"""The command line: each verb parses, calls one library function, and hands the answer to `console`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ssdprep import console
from ssdprep.options import Data, Debug, Jobs, Json, Quiet, Seed
from ssdprep.record import Size

app = typer.Typer(
    name="ssdprep",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class FrameChoice(StrEnum):
    """What --frame takes."""

    AUTO = "auto"
    STORED = "stored"
    UPRIGHT = "upright"


class ImagesChoice(StrEnum):
    """What --images takes."""

    REWRITE = "rewrite"
    KEEP = "keep"


class TurnedChoice(StrEnum):
    """What --turned takes."""

    CW = "cw"
    CCW = "ccw"


class FitChoice(StrEnum):
    """What --fit takes."""

    ELLIPSE = "ellipse"
    CORNERS = "corners"


class FailOnChoice(StrEnum):
    """What --fail-on takes."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


MADE = "Folders above it that are missing are made."  # the same for every verb that writes
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done; change nothing.")]


def _version(wanted: bool) -> None:
    if wanted:
        from ssdprep import __version__

        typer.echo(f"ssdprep {__version__}")
        raise typer.Exit


def _size(text: str) -> Size:
    """Width and height out of 300x300."""
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and 1 <= int(side[:9]) <= 65535 for side in sides):
        raise typer.BadParameter(f"{text!r} is no size such as 300x300", param_hint="--input")
    return Size(int(sides[0]), int(sides[1]))


@app.callback()
def ssdprep(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """LabelImg photos in, a data set that a detector can be trained on out."""


@app.command("fix-exif")
def fix_exif(
    data: Data = Path("data"),
    dry_run: DryRun = False,
    frame: Annotated[
        FrameChoice, typer.Option(help="Frame of the boxes where the file itself cannot tell.")
    ] = FrameChoice.AUTO,
    images: Annotated[
        ImagesChoice, typer.Option(help="Make the photos upright, or move only the boxes.")
    ] = ImagesChoice.REWRITE,
    turned: Annotated[
        TurnedChoice | None, typer.Option(help="Which way photos without a tag were turned after labelling.")
    ] = None,
    strip_gps: Annotated[
        bool, typer.Option("--strip-gps", help="Remove the place from the EXIF of all photos.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make photos and boxes agree on which way is up, whatever the reader does with EXIF. Can be undone."""
    from ssdprep.exif import fix_exif
    from ssdprep.tables import fix_report

    report = fix_exif(
        data,
        dry_run=dry_run,
        frame=frame.value,
        images=images.value,
        turned=turned.value if turned else None,
        strip_gps=strip_gps,
        track=console.track,
        jobs=0,
    )
    console.show(report, fix_report)


@app.command()
def undo(
    data: Data = Path("data"), dry_run: DryRun = False, json: Json = False, quiet: Quiet = False, debug: Debug = False
) -> None:
    """Bring back every byte that the last change of this folder replaced."""
    from ssdprep.files import undo
    from ssdprep.tables import undo_report

    console.show(undo(data, dry_run=dry_run, track=console.track), undo_report)


@app.command()
def audit(
    data: Data = Path("data"),
    network_input: Annotated[
        str, typer.Option("--input", metavar="WxH", help="Of the network: how large will boxes be there?")
    ] = "300x300",
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="PAGE", help=f"Write it all as a page with charts and photos. {MADE}"),
    ] = None,
    fail_on: Annotated[FailOnChoice, typer.Option(help="Leave with exit code 1 where this was found.")] = (
        FailOnChoice.ERROR
    ),
    no_pixels: Annotated[
        bool,
        typer.Option("--no-pixels", help="Do not look for damage, copies, dark or blurred photos: it takes longest."),
    ] = False,
    jobs: Jobs = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Count images, boxes and classes, and find every fault in labels, photos and splits."""
    from ssdprep.audit import audit_folder
    from ssdprep.tables import audit_report

    report = audit_folder(
        data,
        network_input=_size(network_input),
        html=html,
        fail_on=fail_on.value,
        pixels=not no_pixels,
        jobs=jobs,
        track=console.track,
    )
    console.show(report, audit_report)


@app.command()
def repair(
    data: Data = Path("data"),
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CODE", help="Cure the findings of this code; again, or A,B, for more; or all."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--rename",
            metavar="OLD=NEW",
            help="Call a class otherwise; again for more, all at once: two can be exchanged.",
        ),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Cure labels where that is safe. Without --only and --rename: say what could be cured. Can be undone."""
    from ssdprep.renames import renames_of
    from ssdprep.repair import repair_folder
    from ssdprep.repair_table import repair_report

    names = renames_of(rename or ())
    report = repair_folder(data, only=only or (), renames=names, dry_run=dry_run, track=console.track)
    console.show(report, repair_report)


@app.command()
def xml2csv(
    data: Data = Path("data"),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="CSV", help=f"Where to write. {MADE}", show_default="DATA/labels.csv"),
    ] = None,
    negatives: Annotated[
        bool, typer.Option("--negatives", help="Keep images without boxes, as rows without a class.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write all boxes as one CSV, with the columns and integers of the xml_to_csv script that everyone copies."""
    from ssdprep.formats.csv import xml_to_csv
    from ssdprep.tables import csv_report

    console.show(xml_to_csv(data, out, negatives=negatives, track=console.track), csv_report)


@app.command()
def split(
    data: Data = Path("data"),
    val: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of the photos for validation.", show_default="0.1; --add: as it is"),
    ] = None,
    test: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of the photos for the test.", show_default="0.2; --add: as it is"),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help=f"Where to write. {MADE}", show_default="DATA/ImageSets/Main"),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace a split that is already there, with its lists of folds (fold1_train.txt ...)."
        ),
    ] = False,
    add: Annotated[
        bool,
        typer.Option(
            "--add",
            help="Keep the split that is there, and share out the photos that are in no part."
            " Lists of folds go, as with --force.",
        ),
    ] = False,
    no_group: Annotated[
        bool, typer.Option("--no-group", help="Do not look for copies and bursts, which else stay in one part.")
    ] = False,
    kfold: Annotated[
        int, typer.Option("--kfold", metavar="K", help="Share what is not test out K times, too: fold1_train.txt ...")
    ] = 0,
    jobs: Jobs = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Share the photos out into train, val and test, every class in its proportion."""
    if kfold < 0 or kfold == 1:
        raise typer.BadParameter(f"{kfold} is not a number from 2 on", param_hint="--kfold")
    if add and (force or out is not None):
        raise typer.BadParameter(f"not together with {'--force' if force else '--out'}", param_hint="--add")
    from ssdprep.split import split_folder
    from ssdprep.split_table import split_report

    report = split_folder(
        data,
        val=val,
        test=test,
        seed=seed,
        out=out,
        force=force,
        add=add,
        group=not no_group,
        kfold=kfold,
        jobs=jobs,
        track=console.track,
    )
    console.show(report, split_report)


@app.command()
def augment(
    data: Data = Path("data"),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help=f"A new folder. {MADE}", show_default="DATA-augmented"),
    ] = None,
    copies: Annotated[int, typer.Option(min=0, help="New pictures drawn from each photo; 0 with --balance only.")] = 1,
    balance: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="RATIO",
            help="Draw more from photos of rare classes, until no class has more than RATIO boxes for one of another.",
        ),
    ] = None,
    at_most: Annotated[
        int | None, typer.Option(min=1, help="With --balance: pictures of one photo at most.", show_default="10")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Write only DATA-augmented.png, which shows what would be drawn.")
    ] = False,
    rotate: Annotated[float, typer.Option(min=0, max=180, help="Turn by up to so many degrees, either way.")] = 0.0,
    shear: Annotated[float, typer.Option(min=0, max=60, help="Shear by up to so many degrees, either way.")] = 0.0,
    scale: Annotated[float, typer.Option(min=0, max=0.9, help="Zoom by up to this share, in or out.")] = 0.0,
    translate: Annotated[float, typer.Option(min=0, max=0.9, help="Shift by up to this share of the sides.")] = 0.0,
    flip_h: Annotated[bool, typer.Option("--flip-h", help="Mirror every other picture left to right.")] = False,
    flip_v: Annotated[bool, typer.Option("--flip-v", help="Mirror every other picture top to bottom.")] = False,
    noise: Annotated[float, typer.Option(min=0, max=1, help="Gaussian noise, up to this share of white.")] = 0.0,
    blur: Annotated[float, typer.Option(min=0, max=20, help="Gaussian blur, sigma up to so many pixels.")] = 0.0,
    contrast: Annotated[float, typer.Option(min=0, max=0.9, help="Contrast up or down by up to this share.")] = 0.0,
    brightness: Annotated[float, typer.Option(min=0, max=0.9, help="Brightness up or down by up to this share.")] = 0.0,
    min_visibility: Annotated[
        float, typer.Option(min=0, max=1, help="Drop a box of which less than this share stays in the picture.")
    ] = 0.3,
    fit: Annotated[
        FitChoice, typer.Option(help="What a turned box encloses: the ellipse inscribed in it, or its corners.")
    ] = FitChoice.ELLIPSE,
    seed: Seed = 0,
    jobs: Jobs = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw more training pictures from the photos, boxes moved along. Writes a complete new data set."""
    if copies == 0 and balance is None:
        raise typer.BadParameter("0 only with --balance", param_hint="--copies")
    if at_most is not None and balance is None:
        raise typer.BadParameter("only with --balance", param_hint="--at-most")
    most = at_most or 10
    if balance is not None and copies > most:
        raise typer.BadParameter(f"{copies} are more than --at-most {most}: raise that too", param_hint="--copies")
    from ssdprep.augment import Recipe

    recipe = Recipe(
        rotate=rotate,
        shear=shear,
        scale=scale,
        translate=translate,
        flip_h=flip_h,
        flip_v=flip_v,
        noise=noise,
        blur=blur,
        contrast=contrast,
        brightness=brightness,
        min_visibility=min_visibility,
        fit=fit.value,
    )
    if preview:
        from ssdprep.augment_sheet import preview_augmentation
        from ssdprep.augment_table import augment_sheet_report

        sheet = preview_augmentation(
            data, out, recipe, copies=copies, balance=balance, at_most=most, seed=seed, track=console.track
        )
        console.show(sheet, augment_sheet_report)
        return
    from ssdprep.augment_table import augment_report
    from ssdprep.augmented import augment_folder

    report = augment_folder(
        data, out, recipe, copies=copies, balance=balance, at_most=most, seed=seed, jobs=jobs, track=console.track
    )
    console.show(report, augment_report)


@app.command()
def tfrecord(
    data: Data = Path("data"),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help=f"A new folder. {MADE}", show_default="DATA-tfrecord"),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", help="labels.txt or label_map.pbtxt that gives the ids.", show_default="names, sorted"
        ),
    ] = None,
    shards: Annotated[int, typer.Option(min=0, help="Files for each split; 0: one for each 200 MB.")] = 0,
    jobs: Jobs = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write TFRecord shards with the keys of the TF object-detection API, then read them back and compare.

    TensorFlow is not needed.
    """
    from ssdprep.formats.tfrecord import write_tfrecords
    from ssdprep.tables import tfrecord_report

    report = write_tfrecords(data, out, labels=labels, shards=shards, track=console.track, jobs=jobs)
    console.show(report, tfrecord_report)


@app.command()
def preview(
    data: Data = Path("data"),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PNG", help=f"Where to write. {MADE}", show_default="DATA-preview.png"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Photos on the sheet.")] = 24,
    before: Annotated[
        Path | None, typer.Option("--before", metavar="DATA", help="The same photos as they were: drawn beside them.")
    ] = None,
    unresolved: Annotated[
        bool, typer.Option("--unresolved", help="Only photos whose frame is unknown, both readings side by side.")
    ] = False,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw the boxes on the photos, as one contact sheet."""
    if before is not None and unresolved:
        raise typer.BadParameter("not together with --before", param_hint="--unresolved")
    from ssdprep.previewed import preview
    from ssdprep.tables import preview_report

    report = preview(data, out, count=count, before=before, unresolved=unresolved, seed=seed, track=console.track)
    console.show(report, preview_report)


def main() -> None:
    """The console script."""
    console.run(app, "ssdprep")


if __name__ == "__main__":
    main()
