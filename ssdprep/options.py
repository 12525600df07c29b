"""The options that every command shares, of `ssdprep` and of `python -m ssd...` alike."""

from pathlib import Path
from typing import Annotated

import typer

from ssdprep import console


def _be_quiet(value: bool) -> None:
    console.quiet = value


def _be_loud(value: bool) -> None:
    console.debug = value


Data = Annotated[Path, typer.Argument(metavar="DATA", help="Folder of photos and LabelImg XML.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.", callback=_be_quiet)]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", callback=_be_loud)]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same result.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Worker processes; 0: one for each core.")]
