"""What is fuzzed: each takes any bytes and raises only where the code under test broke its word."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from messy import files
from messy.items import ITEMS

from ssdprep.formats import voc
from ssdprep.headers import read_header
from ssdprep.images import ImageFault, probe
from ssdprep.labels import LabelMap, read_label_map
from ssdprep.record import Box, Size, SsdprepError

SECRET = "do-not-read-me"


def annotation(data: bytes, _: Path) -> None:
    """The XML reader never raises, reads nothing but these bytes, and what it reads can be patched or is refused."""
    found, findings = voc.parse(data)
    assert found is not None or findings, "left out in silence"
    assert SECRET not in f"{found}{findings}", "an entity was read from a file"
    if found is not None:
        assert len(found.objects) <= len(found.boxes)
        try:
            patched = voc.patch(data, size=Size(7, 5), boxes=[Box(1, 2, 3, 4)] * len(found.boxes))
        except ValueError:
            return
        again, _ = voc.parse(patched)
        assert again is not None
        assert again.labelled_size == Size(7, 5)


def label_map(data: bytes, folder: Path) -> None:
    """A label map is read, or refused with a cure."""
    for suffix in (".txt", ".pbtxt"):
        path = folder / f"labels{suffix}"
        path.write_bytes(data)
        try:
            labels = read_label_map(path)
        except SsdprepError as error:
            _require(error.remedy)
        else:
            assert labels == LabelMap.from_names(labels.names)
            assert labels.names


def image(data: bytes, folder: Path) -> None:
    """A header is read, or the fault has a code; the findings of a photo never raise."""
    path = folder / "photo.jpg"
    path.write_bytes(data)
    try:
        found = probe(path)
    except ImageFault as fault:
        _require(fault.message and fault.remedy)
    else:
        assert found.size.width > 0
        assert found.size.height > 0
        assert found == probe(data)
        if found.size.width * found.size.height > 4_000_000:
            return  # decoding what looks cut is right, but slow: one such input takes the time of a thousand
    read_header(path)


def _require(said: str) -> None:
    assert said, "a fault without its cure"


TARGETS: dict[str, Callable[[bytes, Path], None]] = {"annotation": annotation, "label_map": label_map, "image": image}


def seeds(target: str, folder: Path) -> list[bytes]:
    """Inputs to begin with: everything that lies in the messy folder, and what tries to reach out of it."""
    if target == "label_map":
        return [
            b"apple\nmilk carton\n",
            b"item { id: 1 name: 'a' }\nitem < id: 2 display_name: \"\\303\\251\\u00e9\" >\n",
            b"\xef\xbb\xbf# none\nitem { keypoints { id: 1 } id: 0 name: 'background' }",
        ]
    xml = target == "annotation"
    known = [content for item in ITEMS for name, content in item.content.items() if name.endswith(".xml") == xml]
    found = [content if isinstance(content, bytes) else content.encode() for content in known]
    return found + (_traps(folder) if xml else [])


def _traps(folder: Path) -> list[bytes]:
    """XML that names a file, and a pipe which blocks for ever whoever opens it."""
    canary, pipe = folder / "canary", folder / "pipe"
    canary.write_text(SECRET)
    if sys.platform != "win32" and not pipe.exists():
        os.mkfifo(pipe)
    text = files.xml("a.jpg", ("apple", "&a;"))
    include = '<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{}" parse="text"/></x>'
    traps = []
    for target in (canary, pipe):
        traps += [
            f'<!DOCTYPE annotation [<!ENTITY a SYSTEM "file://{target}">]>{text}',
            f'<!DOCTYPE annotation [<!ENTITY % a SYSTEM "file://{target}"> %a;]>{text}',
            f'<!DOCTYPE annotation SYSTEM "file://{target}">{files.xml("a.jpg")}',
            files.xml("a.jpg", ("apple", include.format(target))),
            f'<?xml-stylesheet href="file://{target}"?>{files.xml("a.jpg")}',
        ]
    return [trap.encode() for trap in traps]
