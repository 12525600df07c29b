"""Pictures for a training generator: read, resized and drawn anew at every call (the data wrangler of document 004)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdprep import images
from ssdprep.augment import Drawn, Pixels, move, retouch, warp
from ssdprep.formats.csv import Row
from ssdprep.record import Box, Object, Size, SsdprepError

MIN_VISIBILITY = 0.3
_ROUNDED = 2  # pixels by which a table's sizes may differ from the photo's


def image_augmentation(
    filename: str,
    data_csv: Sequence[Sequence[Any]] | None = None,
    img_dir: Path | str | None = None,
    img_sz: int = 224,
    translate: float = 0,
    rotate: float = 0,
    scale: float = 1,
    shear: float = 0,
    hor_flip: bool = False,
    ver_flip: bool = False,
    applyfilter: bool = False,
    *,
    classes: Sequence[str] | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[Pixels, NDArray[np.float64]]:
    """One photo at the network's input size, drawn anew, and its boxes.

    filename: the photo, in ``img_dir``. data_csv: all rows that `read_csv` returned. translate: share of the sides.
    rotate, shear: degrees, either way. scale: 2 draws from half to double size; 1, and 0 too, which document 004 uses
    as the default of its generators, leave the size alone. hor_flip, ver_flip: every other picture. applyfilter: blur,
    contrast, brightness and noise. classes: names in the order of their ids, from 1; default: the names in
    ``data_csv``, sorted; labels that are numbers are ids already. rng: default: a fresh one.

    Returns the picture, uint8 RGB (img_sz, img_sz, 3), upright, and (N, 5) float64 rows ``class_id xmin ymin xmax
    ymax`` in its pixels: what `SSDInputEncoder` takes. Boxes that leave the picture are clipped, or dropped where less
    than 30 % of them stays. Raises `SsdprepError` where the table's width and height are not the upright photo's.
    """
    from ssdprep.imgaug_numpy2 import iaa

    table = [Row._make(row) for row in data_csv or ()]
    rows = [row for row in table if row.filename == filename]
    ids = _ids(classes if classes is not None else sorted({str(row.label) for row in table if row.label}))
    photo = images.read_upright(Path(img_dir or ".") / filename)
    size = Size(photo.shape[1], photo.shape[0])
    _check_frame(filename, rows, size)
    random = rng if rng is not None else np.random.default_rng()
    drawn = _draw(random, translate, rotate, scale, shear, hor_flip, ver_flip, applyfilter)

    smaller = img_sz < max(size)
    resize = iaa.Resize({"height": img_sz, "width": img_sz}, interpolation="area" if smaller else "linear", seed=0)
    picture, matrix = warp(resize(image=photo), drawn)
    matrix = matrix * [img_sz / size.width, img_sz / size.height, 1.0]  # first resized, then moved
    kept = move(_objects(rows), matrix, Size(img_sz, img_sz), "ellipse", MIN_VISIBILITY)
    labelled = [(_id_of(thing.name, ids), *thing.box) for thing in kept]
    return retouch(picture, drawn, random), np.array(labelled, dtype=np.float64).reshape(-1, 5)


def _draw(
    rng: np.random.Generator,
    translate: float,
    rotate: float,
    scale: float,
    shear: float,
    hor_flip: bool,
    ver_flip: bool,
    applyfilter: bool,
) -> Drawn:
    if scale < 0:
        raise ValueError(f"scale must not be negative, not {scale}")
    u = rng.uniform(-1.0, 1.0, 11).tolist()
    return Drawn(
        flip_h=hor_flip and u[0] < 0,
        flip_v=ver_flip and u[1] < 0,
        rotate=rotate * u[2],
        shear=shear * u[3],
        scale=scale ** u[4] if scale else 1.0,
        translate_x=translate * u[5],
        translate_y=translate * u[6],
        blur=0.5 * max(u[7], 0.0) * applyfilter,
        contrast=1 + 0.25 * u[8] * applyfilter,
        brightness=1 + 0.2 * u[9] * applyfilter,
        noise=0.05 * abs(u[10]) * applyfilter,
    )


def _objects(rows: Sequence[Row]) -> list[Object]:
    """Rows that hold a box; a photo without any has one row with empty cells. Numbers may be text."""
    found = []
    for row in rows:
        cells: tuple[Any, ...] = (row.xmin, row.ymin, row.xmax, row.ymax)
        if not {None, ""} & set(cells):
            found.append(Object(str(row.label), Box(*map(float, cells))))
    return found


def _ids(classes: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(classes, 1)}


def _id_of(label: str, ids: dict[str, int]) -> int:
    if label.isdecimal():
        return int(label)
    if label not in ids:
        raise ValueError(f"{label!r} is not in classes: {', '.join(ids)}")
    return ids[label]


def _check_frame(filename: str, rows: Sequence[Row], size: Size) -> None:
    """Boxes drawn in another frame than the photo's would be silently wrong: document 004 lost its training to that."""
    for row in rows:
        stated = Size(int(float(row.width or 0)), int(float(row.height or 0)))
        if 0 not in stated and max(abs(a - b) for a, b in zip(stated, size, strict=True)) > _ROUNDED:
            message = f"{filename}: its boxes were drawn on {stated} pixels, but upright the photo has {size}"
            raise SsdprepError(message, "ssdprep fix-exif on the folder, then write the table again")
