"""Endless batches for ``model.fit``, as document 004's data wrangler makes them: pictures drawn anew, encoded targets.

For models in the form of the Keras port (`ssd.build_model`); `ssd.train` has a faster pipeline of its own.
"""

from __future__ import annotations

import math
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ssd.encoder import SSDInputEncoder
from ssdprep import image_augmentation, read_csv, xml_to_csv
from ssdprep.record import SsdprepError

Batch = tuple[np.ndarray, np.ndarray]
BATCH = 20  # document 004's


def image_batch_generator(
    img_dir: Path | str,
    csv_data: Sequence[Sequence[Any]],
    steps_per_epoch: int,
    batch_size: int,
    label_encoder: SSDInputEncoder,
    img_sz: int = 224,
    translate: float = 0,
    rotate: float = 0,
    scale: float = 0,
    shear: float = 0,
    hor_flip: bool = False,
    ver_flip: bool = False,
    applyfilter: bool = False,
    *,
    classes: Sequence[str] | None = None,
    seed: int = 0,
) -> Iterator[Batch]:
    """Batches without end: pictures, float32 (batch_size, img_sz, img_sz, 3), RGB in 0..255, and targets, float32.

    csv_data: rows of `ssdprep.read_csv`, of photos in ``img_dir``. label_encoder makes targets (batch_size, n_boxes,
    C + 12) and must be for pictures of img_sz. The photos are shuffled anew every steps_per_epoch batches; the other
    arguments are those of `ssdprep.image_augmentation`. The same seed gives the same batches. `ValueError` where
    sizes do not fit, `SsdprepError` where there is no photo.
    """
    if label_encoder.image_size != (img_sz, img_sz):
        raise ValueError(f"label_encoder is for pictures of {label_encoder.image_size}, not of {(img_sz, img_sz)}")
    if steps_per_epoch < 1 or batch_size < 1:
        raise ValueError(f"steps_per_epoch and batch_size must be at least 1, not {steps_per_epoch} and {batch_size}")
    names = sorted({str(row[0]) for row in csv_data})
    if not names:
        raise SsdprepError(f"the table names no photo of {img_dir}", "write it anew: ssdprep xml2csv")
    known = list(classes) if classes is not None else sorted({str(row[-1]) for row in csv_data if row[-1]})
    by_name: dict[str, list[Sequence[Any]]] = {name: [] for name in names}
    for row in csv_data:
        by_name[str(row[0])].append(row)

    def drawn(name: str, epoch: int, place: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), epoch, place // len(names)])
        return image_augmentation(
            name, by_name[name], img_dir, img_sz, translate, rotate, scale, shear, hor_flip, ver_flip, applyfilter,
            classes=known, rng=rng,
        )  # fmt: skip

    def batches() -> Iterator[Batch]:
        for epoch in count():
            order = np.random.default_rng([seed, epoch]).permutation(len(names))
            for begin in range(0, steps_per_epoch * batch_size, batch_size):
                places = range(begin, begin + batch_size)
                pairs = [drawn(names[order[place % len(names)]], epoch, place) for place in places]
                pictures = np.stack([picture for picture, _ in pairs]).astype(np.float32)
                yield pictures, label_encoder([labels for _, labels in pairs]).astype(np.float32)

    return batches()


def data_generator(
    img_dir: Path | str,
    xml_dir: Path | str,
    label_encoder: SSDInputEncoder,
    batch_size: int | None = None,
    steps_per_epoch: int | None = None,
    img_sz: int = 224,
    translate: float = 0,
    rotate: float = 0,
    scale: float = 0,
    shear: float = 0,
    hor_flip: bool = False,
    ver_flip: bool = False,
    applyfilter: bool = False,
    *,
    classes: Sequence[str] | None = None,
    seed: int = 0,
) -> Iterator[Batch]:
    """The batches of `image_batch_generator`, from photos and LabelImg's XML; nothing is written.

    batch_size: by default 20, or all photos where there are fewer. steps_per_epoch: by default as many as show every
    photo.
    """
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "labels.csv"
        xml_to_csv(xml_dir, table, negatives=True)
        rows = read_csv(table)
    photos = len({row.filename for row in rows})
    batch = batch_size or max(1, min(BATCH, photos))
    steps = steps_per_epoch or max(1, math.ceil(photos / batch))
    return image_batch_generator(
        img_dir, rows, steps, batch, label_encoder, img_sz, translate, rotate, scale, shear, hor_flip, ver_flip,
        applyfilter, classes=classes, seed=seed,
    )  # fmt: skip
