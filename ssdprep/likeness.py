"""What photos look like, as numbers small enough to keep for a hundred thousand of them: decoded once, and small.

Sums are of whole numbers, or of floats that hold whole numbers exactly, so that every machine sees the same
likeness. docs/likeness.md says how well this tells copies from other photos of the same kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssdprep import images, jpeg
from ssdprep.crops import Crop, look_at
from ssdprep.faults import ImageFault, damage, doubt
from ssdprep.parallel import in_order, shares
from ssdprep.record import Box, Finding, Track, untracked

THUMB = 32  # side of the small grey picture that photos are compared by
WORKING = 256  # longer side of the picture that everything is measured on: about what a detector of 224 or 300 sees
_FLAT = 5.0  # grey levels; a thumb with less contrast is a wall, a sheet of paper, a covered lens
_EXIF, _TAKEN, _FRACTION = 0x8769, 0x9003, 0x9291


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One photo, upright. Photos of equal ``digest`` are the same file."""

    digest: bytes  # BLAKE2b of the file, 16 bytes
    thumb: bytes = field(repr=False)  # 32x32 grey levels, rows from the top; the photo is squeezed to a square
    brightness: float  # mean grey level, 0..255
    contrast: float  # standard deviation of ``thumb``, in grey levels
    sharpness: float  # variance of the Laplacian at 256 pixels, in squared grey levels
    colour: float  # Hasler and Süsstrunk's colourfulness (2003): 0 grey, 15 slight, 45 fair, 80 high
    taken: float | None = None  # EXIF DateTimeOriginal as seconds of a calendar without time zones
    crops: tuple[Crop, ...] = field(default=(), repr=False)  # of the boxes that were asked for, in their order

    @property
    def is_flat(self) -> bool:
        """Whether there is so little to see that likeness means nothing."""
        return self.contrast < _FLAT


def fingerprint(path: Path, boxes: Sequence[Box] = ()) -> Fingerprint:
    """Read a photo once, and decode it small.

    boxes: in the upright photo, in its pixels; each gives a `Crop`. Raises `ImageFault`; ``OSError`` passes through.
    """
    return _fingerprint(path.read_bytes(), boxes)


def _fingerprint(data: bytes, boxes: Sequence[Box]) -> Fingerprint:
    pixels = images.read_small(data, WORKING)
    picture = Image.fromarray(pixels).convert("L")
    grey = np.asarray(picture).astype(np.int64)
    thumb = np.asarray(picture.resize((THUMB, THUMB), Image.Resampling.BOX))
    crops: tuple[Crop, ...] = ()
    if boxes:
        found = images.probe(data)
        size = found.size.swapped if 5 <= found.orientation <= 8 else found.size
        crops = tuple(look_at(pixels, box, size) for box in boxes)
    return Fingerprint(
        digest=blake2b(data, digest_size=16).digest(),
        thumb=thumb.tobytes(),
        brightness=_mean(grey),
        contrast=_variance(thumb.astype(np.int64)) ** 0.5,
        sharpness=_variance(_laplacian(grey)),
        colour=_colourfulness(pixels.astype(np.int64)),
        taken=_taken(data),
        crops=crops,
    )


def fingerprints(
    photos: Iterable[Path] | Mapping[Path, Sequence[Box]], *, jobs: int = 0, track: Track = untracked
) -> dict[Path, Fingerprint]:
    """The fingerprint of each photo, in the order of the photos; a mapping gives the boxes of each.

    Photos that cannot be read or decoded are left out. jobs: worker processes; 0: one for each core where that is worth
    their start. The result is the same with any number.
    """
    asked = dict(photos) if isinstance(photos, Mapping) else dict.fromkeys(photos, ())
    return _looked_at(asked, jobs, track, verify=False)[0]


def verified_fingerprints(
    photos: Mapping[Path, Sequence[Box]], *, jobs: int = 0, track: Track = untracked
) -> tuple[dict[Path, Fingerprint], tuple[Finding, ...]]:
    """As `fingerprints`; and what is wrong with photos that are not whole to their last block."""
    return _looked_at(photos, jobs, track, verify=True)


def _looked_at(
    photos: Mapping[Path, Sequence[Box]], jobs: int, track: Track, *, verify: bool
) -> tuple[dict[Path, Fingerprint], tuple[Finding, ...]]:
    looks = in_order(partial(_of_one, verify=verify), photos.items(), **shares(photos, jobs)._asdict())
    pairs = list(zip(photos, track(looks, "Looking at photos", len(photos)), strict=True))
    seen = {path: found for path, (found, _) in pairs if found}
    return seen, tuple(fault for _, (_, fault) in pairs if fault)


def _of_one(
    asked: tuple[Path, Sequence[Box]], *, verify: bool
) -> tuple[Fingerprint, Finding | None] | tuple[None, Finding]:
    path, boxes = asked
    try:
        data = path.read_bytes()
        left_over = _verified(data) if verify else 0
        return _fingerprint(data, boxes), doubt(path, left_over)
    except (ImageFault, OSError) as error:
        return None, damage(path, error)


def _verified(data: bytes) -> int:
    """`ImageFault` for a JPEG that is damaged; of another, its bytes too many. Other formats show it when decoded."""
    is_jpeg = images.probe(data).format == "JPEG"
    return 0 if not is_jpeg or jpeg.verify(data) else jpeg.left_over(data)


def _laplacian(grey: NDArray[np.int64]) -> NDArray[np.int64]:
    inner = grey[1:-1, 1:-1]
    return np.asarray(grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner)


def _mean(values: NDArray[np.int64]) -> float:
    return int(values.sum()) / values.size if values.size else 0.0


def _variance(values: NDArray[np.int64]) -> float:
    """Out of two whole sums, so that no rounding depends on their order."""
    n = values.size
    return (n * int((values * values).sum()) - int(values.sum()) ** 2) / n**2 if n else 0.0


def _colourfulness(pixels: NDArray[np.int64]) -> float:
    red, green, blue = (pixels[..., channel] for channel in range(3))
    across, along = red - green, red + green - 2 * blue  # the latter doubled, to stay whole
    spread = _variance(across) + _variance(along) / 4
    mean = _mean(across) ** 2 + _mean(along) ** 2 / 4
    return float(spread**0.5 + 0.3 * mean**0.5)


def _taken(data: bytes) -> float | None:
    """When the shutter was pressed; None where EXIF does not say, or says nothing sensible."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags: Any = Image.open(BytesIO(data)).getexif().get_ifd(_EXIF)
        moment = datetime.strptime(str(tags[_TAKEN]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except Exception:  # EXIF is anything at all, and Pillow says so in many ways
        return None
    fraction = str(tags.get(_FRACTION, "")).strip("\0 ")
    seconds = (moment - datetime(1970, 1, 1)).total_seconds()
    return seconds + (int(fraction[:3].ljust(3, "0")) / 1000 if fraction.isascii() and fraction.isdigit() else 0)
