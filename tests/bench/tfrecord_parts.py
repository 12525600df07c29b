"""Where the time of tfrecord goes, a photo: each of its steps by itself, and what could be left out.

python tests/bench/tfrecord_parts.py [FOLDER OF UPRIGHT JPEG]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import inputs
from timing import ROOT

from ssdprep import images, jpeg
from ssdprep.disk import sha256
from ssdprep.formats.records import read_entries, write_entry
from ssdprep.formats.tfexample import serialise
from ssdprep.images import Encoded
from ssdprep.labels import LabelMap
from ssdprep.record import Box, Object

T = TypeVar("T")
THINGS = [Object("apple", Box(10, 20, 300, 400))] * 3


def timed(name: str, kind: str, photos: int, step: Callable[[], Iterable[T]]) -> list[T]:
    """Print a row: milliseconds of CPU a photo."""
    start = time.process_time()
    found = list(step())
    print(f"| {name} | {kind} | {(time.process_time() - start) / photos * 1000:.2f} |")
    return found


def main() -> None:
    """Print the table."""
    build = ROOT / "build" / "bench"
    build.mkdir(parents=True, exist_ok=True)
    source = ROOT / "data" / "photos"
    folder = inputs.photos(build, 100, tagged=False, source=source)
    paths = 3 * sorted(Path(sys.argv[1] if len(sys.argv) > 1 else folder).glob("*.jpg"))
    labels, shard = LabelMap(("apple",)), build / "parts.tfrecord"
    count = len(paths)
    [images.probe(path) for path in paths]  # the system has them in memory from here on

    def append(target: Path, entries: Iterable[bytes]) -> Iterable[int]:
        with target.open("wb") as file:
            return [file.write(entry) for entry in entries]

    def write(entries: Iterable[bytes]) -> Iterable[int]:
        with shard.open("wb") as file:
            return [write_entry(file, entry) for entry in entries]

    print("| step | what for | CPU ms a photo |\n|---|---|---|")
    data = timed("read the photo", "floor", count, lambda: map(Path.read_bytes, paths))
    timed("append it to a file", "floor", count, lambda: append(build / "out.bytes", data))
    timed("check every coded block", "verification", count, lambda: map(jpeg.verify, data))
    sums = timed("SHA-256 of the photo", "its key", count, lambda: map(sha256, data))
    size = images.probe(paths[0]).size
    entries = timed(
        "make the entry",
        "format",
        count,
        lambda: (
            serialise("a.jpg", Encoded(photo, "JPEG", size, "passed through"), known, THINGS, labels)
            for photo, known in zip(data, sums, strict=True)
        ),
    )
    timed("write it, CRC-32C", "format", count, lambda: write(entries))
    timed("read it back, CRC-32C", "verification", count, lambda: (begin for begin, _, _ in read_entries(shard)))
    shard.unlink()


if __name__ == "__main__":
    main()
