"""What repair starts from: every annotation of a folder as it stands, with its photo."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ssdprep import images
from ssdprep.cures import Items
from ssdprep.formats import voc
from ssdprep.formats.voc_edit import items
from ssdprep.formats.xml_root import LIMIT
from ssdprep.pairing import pair
from ssdprep.record import Record, SsdprepError, Track
from ssdprep.recovery import refuse_half_done
from ssdprep.walk import walk


class Labelled(NamedTuple):
    """One annotation as it stands."""

    data: bytes
    items: Items
    record: Record  # with its photo, and the objects that can be trained on
    speaks: bool  # whether it is the annotation of its photo: its spellings count


def read_labelled(root: Path, track: Track) -> list[Labelled]:
    """Every annotation that can be read, with its photo. `SsdprepError` where there is none to read."""
    names = walk(root)
    refuse_half_done(root)
    if not names.annotations:
        raise SsdprepError(f"no XML below {root}", "name the folder that holds your annotations")
    found: dict[str, tuple[bytes, voc.Annotation]] = {}
    for name in track(names.annotations, "Reading annotations", len(names.annotations)):
        data = _bytes(root / name)
        annotation = voc.parse(data)[0] if data is not None else None
        if data is not None and annotation is not None:
            found[name] = data, annotation
    filenames = {name: voc.base_name(annotation.filename) for name, (_, annotation) in found.items()}
    pairing = pair(names.photos, names.annotations, filenames)
    sources = []
    for name, (data, annotation) in track(found.items(), "Reading headers", len(found)):
        photo = pairing.photo_of.get(name)
        probe = _probe(root / photo) if photo else None
        record = Record(
            image=root / photo if photo else None,
            annotation=root / name,
            objects=annotation.objects,
            stored_size=probe.size if probe else None,
            orientation=probe.orientation if probe else 1,
            labelled_size=annotation.labelled_size,
            filename=annotation.filename,
        )
        sources.append(Labelled(data, items(data), record, photo is not None or name not in pairing.settled))
    return sources


def _bytes(path: Path) -> bytes | None:
    """None for what is too large or cannot be opened: the audit says so."""
    try:
        return path.read_bytes() if path.stat().st_size <= LIMIT else None
    except OSError:
        return None


def _probe(path: Path) -> images.Probe | None:
    try:
        return images.probe(path)
    except (images.ImageFault, OSError):
        return None
