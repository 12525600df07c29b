"""The options that every command shares, of `ssdprep` and of `python -m ssd...` alike."""

from pathlib import Path
from typing import Annotated

import typer

from ssdprep import console

_LARGEST_SEED = 2_000_000_000  # far enough below 2^31 for counters that are added to it


def _be_quiet(value: bool) -> None:
    console.quiet = value


def _be_json(value: bool) -> None:
    console.as_json = value


def _seed(value: int) -> int:
    if not 0 <= value <= _LARGEST_SEED:
        raise typer.BadParameter(f"{value} is not a number from 0 to {_LARGEST_SEED:,}")
    return value


def _be_loud(value: bool) -> None:
    console.debug = value


Data = Annotated[Path, typer.Argument(metavar="DATA", help="Folder of photos and LabelImg XML.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", callback=_be_json)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.", callback=_be_quiet)]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", callback=_be_loud)]
Seed = Annotated[
    int,
    typer.Option("--seed", callback=_seed, help="The same seed gives the same result."),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Worker processes; 0: one for each core.")]
