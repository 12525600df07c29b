"""`python -m ssd.predict RUN IMAGE...`: draw what a trained detector sees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssdprep import console
from ssdprep.options import Debug, Json, Quiet

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that ssd.train left.", show_default=False)],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Photos, or folders of photos.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where drawings go, in place of those of the last call.")
    ] = Path("predictions"),
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Show boxes from this score on.")] = 0.5,
    most: Annotated[int, typer.Option(min=1, help="Draw no more boxes than this on a photo, the best.")] = 20,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find objects on photos, draw their boxes, and print them."""
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.prediction import predict_photos
    from ssd.tables import prediction_report

    report = predict_photos(run, images, out, threshold=threshold, most=most, track=console.track)
    console.show(report, prediction_report)


if __name__ == "__main__":
    console.run(app)
