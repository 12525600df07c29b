"""The arguments that several commands of `ssd` share; what all commands share is in `ssdprep.options`."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="Folder of photos and LabelImg XML, or what ssdprep tfrecord wrote.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that ssd.train left.", show_default=False)]
