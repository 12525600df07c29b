"""What each verb is measured against: the least that could do its work, or the script that everyone copies.

python tests/bench/floors.py NAME INPUT OUTPUT
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def elementtree(folder: Path, out: Path) -> None:
    """XML to CSV as tutorials do it: ElementTree and a data frame, nothing checked."""
    import glob
    import xml.etree.ElementTree as ElementTree

    import pandas as pd

    rows = []
    for path in glob.glob(f"{folder}/*.xml"):  # noqa: PTH207 - as they do it
        root = ElementTree.parse(path).getroot()
        size = root.find("size")
        for thing in root.findall("object"):
            box = thing.find("bndbox")
            edges = [int(box.find(side).text) for side in ("xmin", "ymin", "xmax", "ymax")]
            sides = int(size.find("width").text), int(size.find("height").text)
            rows.append((root.find("filename").text, *sides, thing.find("name").text, *edges))
    columns = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]
    pd.DataFrame(rows, columns=columns).to_csv(out, index=None)


def lxml(folder: Path, out: Path) -> None:
    """The same with lxml and the csv module."""
    import csv

    from lxml import etree

    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"])
        for path in sorted(folder.glob("*.xml")):
            root = etree.parse(str(path)).getroot()
            size = root.find("size")
            for thing in root.findall("object"):
                box = thing.find("bndbox")
                edges = [int(box.findtext(side)) for side in ("xmin", "ymin", "xmax", "ymax")]
                sides = int(size.findtext("width")), int(size.findtext("height"))
                writer.writerow((root.findtext("filename"), *sides, thing.findtext("name"), *edges))


def pillow(folder: Path, out: Path) -> None:
    """Photos upright as answers on the web do it: transposed, saved over; no boxes, no backup, pixels lossy."""
    from PIL import Image, ImageOps

    del out
    for path in sorted(folder.glob("*.jpg")):
        with Image.open(path) as image:
            ImageOps.exif_transpose(image).save(path, quality=90)


def jpegtran(folder: Path, out: Path) -> None:
    """The program jpegtran on each photo, as scripts call it: the turn itself without loss, boxes and tag forgotten."""
    import subprocess

    for path in sorted(folder.glob("*.jpg")):
        command = ["jpegtran", "-copy", "all", "-optimize", "-rotate", "90", "-outfile", str(out), str(path)]
        subprocess.run(command, check=True)
        out.replace(path)


def append(folder: Path, out: Path) -> None:
    """Every photo's bytes read and appended to one file: what a container costs at least."""
    with out.open("wb") as file:
        for path in sorted(folder.glob("*.jpg")):
            file.write(path.read_bytes())


def tensorflow_import(folder: Path, out: Path) -> None:
    """TensorFlow imported as ssdprep does it, and its record writer opened and closed."""
    from ssdprep.tensorflow import import_tensorflow

    del folder
    with import_tensorflow().io.TFRecordWriter(str(out)):
        pass


def tensorflow_writer(folder: Path, out: Path) -> None:
    """TFRecords as tutorials write them: photo and boxes of each XML into an Example, nothing checked or read back."""
    import xml.etree.ElementTree as ElementTree

    from ssdprep.tensorflow import import_tensorflow

    tf = import_tensorflow()
    train = tf.train

    def integers(values: list[int]) -> object:
        return train.Feature(int64_list=train.Int64List(value=values))

    def texts(values: list[bytes]) -> object:
        return train.Feature(bytes_list=train.BytesList(value=values))

    with tf.io.TFRecordWriter(str(out)) as writer:
        for path in sorted(folder.glob("*.xml")):
            root = ElementTree.parse(path).getroot()
            width, height = int(root.find("size/width").text), int(root.find("size/height").text)
            features = {
                "image/height": integers([height]),
                "image/width": integers([width]),
                "image/encoded": texts([path.with_suffix(".jpg").read_bytes()]),
                "image/format": texts([b"jpeg"]),
                "image/object/class/text": texts([name.text.encode() for name in root.findall("object/name")]),
            }
            for side, whole in (("xmin", width), ("ymin", height), ("xmax", width), ("ymax", height)):
                shares = [int(edge.text) / whole for edge in root.findall(f"object/bndbox/{side}")]
                features[f"image/object/bbox/{side}"] = train.Feature(float_list=train.FloatList(value=shares))
            writer.write(train.Example(features=train.Features(feature=features)).SerializeToString())


def bare_help(folder: Path, out: Path) -> None:
    """--help of a program of two commands that has nothing but typer."""
    _bare("--help")


def bare_verb_help(folder: Path, out: Path) -> None:
    """--help of one of its commands, with a path and a number."""
    _bare("hello", "--help")


def _bare(*args: str) -> None:
    import typer

    app = typer.Typer()

    @app.command()
    def hello(path: Path, count: int = 1, loud: bool = False) -> None:
        """Say hello."""

    @app.command()
    def bye(path: Path) -> None:
        """Say goodbye."""

    app(args=list(args))


_ALL = (elementtree, lxml, pillow, jpegtran, append, tensorflow_import, tensorflow_writer, bare_help, bare_verb_help)
FLOORS: dict[str, Callable[[Path, Path], None]] = {function.__name__: function for function in _ALL}

if __name__ == "__main__":
    FLOORS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
