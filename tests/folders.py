"""Small real data sets for tests: photos with real headers, annotations as LabelImg writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image

Labelled = tuple[str, float, float, float, float]  # class, xmin, ymin, xmax, ymax


def photo(
    path: Path,
    size: tuple[int, int] = (64, 48),
    *,
    orientation: int | None = None,
    kind: str | None = None,
    seed: int | None = None,
) -> Path:
    """A photo on disk; ``kind`` overrules what its extension says. Photos of different seeds do not look alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    if seed is not None:
        patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        ramp = np.asarray(Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    default = {".png": "PNG", ".bmp": "BMP"}.get(path.suffix.lower(), "JPEG")
    Image.fromarray(ramp).save(path, kind or default, exif=exif)
    return path


def annotation(
    path: Path, boxes: Sequence[Labelled] = (), *, size: tuple[int, int] | None = (64, 48), filename: str | None = None
) -> Path:
    """An annotation on disk; its ``<filename>`` is the stem with .jpg unless given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n"
        f"\t\t<difficult>0</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>{xmin}</xmin>\n\t\t\t<ymin>{ymin}</ymin>\n"
        f"\t\t\t<xmax>{xmax}</xmax>\n\t\t\t<ymax>{ymax}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        for name, xmin, ymin, xmax, ymax in boxes
    )
    width, height = size or (0, 0)
    filename = f"{path.stem}.jpg" if filename is None else filename
    path.write_text(
        f"<annotation>\n\t<folder>x</folder>\n\t<filename>{filename}</filename>\n"
        f"\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n\t\t<depth>3</depth>\n\t</size>\n"
        f"\t<segmented>0</segmented>\n{objects}</annotation>\n",
        encoding="utf-8",
    )
    return path


APPLE: Labelled = ("apple", 10, 10, 30, 40)


def pair(folder: Path, stem: str, boxes: Sequence[Labelled] = (APPLE,)) -> None:
    """A photo and its annotation, side by side."""
    photo(folder / f"{stem}.jpg", seed=crc32(stem.encode()))
    annotation(folder / f"{stem}.xml", boxes)
