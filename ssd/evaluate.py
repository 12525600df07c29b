"""`python -m ssd.evaluate RUN DATA`: how well a trained detector finds what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssd.options import Data, RunFolder
from ssdprep import console
from ssdprep.options import Debug, Json, Quiet

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def evaluate(
    run: RunFolder,
    data: Data = Path("data"),
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="train, val, test or all. val: what the run set aside, where its own data has no such split.",
            show_default="test where there is one, else val of its own data, else all",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="PAGE", help="One page of it all, with charts and the worst photos.", show_default=False),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a detector on labelled photos as COCO and VOC do, and say what goes wrong.

    Which errors cost most, what is taken for what, and whether labels or photos look wrong.
    """
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.evaluation.measuring import evaluate_folder
    from ssd.evaluation.table import evaluation_report

    report = evaluate_folder(run, data, split, html=html, track=console.track)
    console.show(report, evaluation_report)


if __name__ == "__main__":
    console.run(app)
