"""`python -m ssd.predict RUN SOURCE...`: what a trained detector sees, drawn and listed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssd.options import RunFolder
from ssdprep import console
from ssdprep.options import Debug, Json, Quiet

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def predict(
    run: RunFolder,
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="Photos, videos, or folders of photos.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Where drawings and predictions.jsonl go, in place of the last call's."
        ),
    ] = Path("predictions"),
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            "-t",
            metavar="SCORE|CLASS=SCORE|FILE",
            help="Show boxes from this score on; milk=0.3 for one class; a FILE of ssd.evaluate --json for each. "
            "May be given several times.",
            show_default="0.5",
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Draw no more boxes than this on a picture, the best.")] = 20,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Of a video, look at one frame in N.")] = 1,
    draw: Annotated[bool, typer.Option("--draw/--no-draw", help="Draw the pictures with their boxes.")] = True,
    to_csv: Annotated[
        Path | None,
        typer.Option(
            "--to-csv", metavar="FILE", help="A table of all boxes too: columns as labels.csv, and the score."
        ),
    ] = None,
    to_xml: Annotated[
        Path | None,
        typer.Option(
            "--to-xml",
            metavar="DIR",
            help="LabelImg XML too, to be corrected there; the photos' own folder puts each beside its photo.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="--to-csv replaces a table of boxes, --to-xml annotations.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find objects on photos and videos, draw their boxes, and list them."""
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.prediction.predicting import predict_photos
    from ssd.tables import prediction_report

    report = predict_photos(
        run, sources, out, threshold=threshold or (), most=most, every=every, draw=draw,
        to_csv=to_csv, to_xml=to_xml, force=force, track=console.track,
    )  # fmt: skip
    console.show(report, prediction_report)


if __name__ == "__main__":
    console.run(app)
