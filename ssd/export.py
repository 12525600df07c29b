"""`python -m ssd.export RUN`: a trained detector as a file for other runtimes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ssd.options import RunFolder
from ssdprep import console
from ssdprep.options import Debug, Json, Quiet

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class FormatName(StrEnum):
    """The keys of `ssd.exports.exporting.FORMATS`, which is too heavy to import for --help."""

    ONNX = "onnx"
    TFLITE = "tflite"
    TFLITE_FP16 = "tflite-fp16"
    TFLITE_INT8 = "tflite-int8"
    SAVEDMODEL = "savedmodel"
    PB = "pb"


@app.command()
def export(
    run: RunFolder,
    format: Annotated[FormatName, typer.Option("--format", "-f", help="Of the file.")] = FormatName.ONNX,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where it goes.", show_default="RUN/exports")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="DATA",
            help="Photos to check it on, labelled or not; int8 is calibrated on their training part.",
            show_default="the validation photos of the run",
        ),
    ] = None,
    nms: Annotated[
        bool,
        typer.Option(
            "--nms", help="Suppress overlapping boxes inside the file: onnx, tflite, tflite-fp16, savedmodel."
        ),
    ] = False,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            "-t",
            metavar="SCORE|CLASS=SCORE|FILE",
            help="Told in the file: boxes count from this score on; as in ssd.predict.",
            show_default="0.5",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an export that is already there.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a trained detector as a file for other runtimes, run it there, and compare it with Keras.

    Labels, input size, preprocessing and thresholds are in the file, and in a JSON beside it, with a script to run it.
    What does not agree with Keras is not written.
    """
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.exports.exporting import export_run
    from ssd.exports.table import export_report

    report = export_run(
        run, format.value, out, nms=nms, threshold=threshold or (), data=data, force=force, track=console.track
    )
    console.show(report, export_report)


if __name__ == "__main__":
    console.run(app)
