"""`python -m ssd.doctor DATA`: what the network will really see, before hours go into training it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssd.options import Data
from ssdprep import console
from ssdprep.options import Debug, Json, Quiet, Seed

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def doctor(
    data: Data = Path("data"),
    weights: Annotated[
        str, typer.Option(metavar="imagenet|none|PATH", help="Where training would start, as ssd.train takes it.")
    ] = "imagenet",
    preset: Annotated[
        str, typer.Option(metavar="NAME|FILE.json", help="The detector: python -m ssd.summary lists them.")
    ] = "mobilenet_v2_ssd_224",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="For batch.png.", show_default="runs/doctor-NAME-OF-DATA"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the test whether eight photos can be learnt by heart.")
    ] = False,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Look at a data set as the network will see it, and name what would keep it from learning.

    Counts per split, anchors against boxes, boxes against pixels, labels against looks, the first batch as a picture,
    the loss at the start, and whether eight photos can be learnt by heart. Trains nothing that is kept.
    """
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.checkup.checking import check_folder
    from ssd.checkup.table import checkup_report

    report = check_folder(data, out, preset_name=preset, weights=weights, seed=seed, quick=quick, track=console.track)
    console.show(report, checkup_report)


if __name__ == "__main__":
    console.run(app)
