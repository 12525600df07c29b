"""Other converters of Pascal VOC XML, each in its shortest use: read a folder, write the table that it can write.

    build/bench/peers/bin/python tests/bench/peers.py NAME FOLDER OUTPUT

FOLDER holds Annotations, ImageSets and labelmap.txt, as `inputs.xml` makes it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def labelformat(folder: Path, out: Path) -> None:
    """To COCO JSON: it writes no CSV."""
    from labelformat.formats import COCOObjectDetectionOutput, PascalVOCObjectDetectionInput

    names = (folder / "labelmap.txt").read_text().replace(":::", "").split()
    source = PascalVOCObjectDetectionInput(folder / "Annotations", ",".join(names))
    COCOObjectDetectionOutput(out).save(source)


def globox(folder: Path, out: Path) -> None:
    """To the CSV of Open Images."""
    from globox import AnnotationSet

    AnnotationSet.from_pascal_voc(folder / "Annotations").save_openimage(out)


def datumaro(folder: Path, out: Path) -> None:
    """To its own JSON."""
    from datumaro import Dataset

    Dataset.import_from(str(folder), "voc_detection").export(str(out), "datumaro", save_media=False)


PEERS: dict[str, Callable[[Path, Path], None]] = {
    function.__name__: function for function in (labelformat, globox, datumaro)
}

if __name__ == "__main__":
    PEERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
