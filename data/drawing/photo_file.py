"""A picture as a phone's file: pixels stored turned, the EXIF block that says so, LabelImg's XML beside it."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
TURN_BACK = {  # what stores a picture so that the tag's turn shows it upright again
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
Box = tuple[int, int, int, int]


class Phone(NamedTuple):
    """A camera that does not exist."""

    make: str
    model: str
    software: str
    big_endian: bool
    thumbnail: bool
    f_number: float
    focal_length: float


def stored_pixels(upright: np.ndarray, orientation: int) -> Image.Image:
    """The picture as it lies in a file whose EXIF Orientation is ``orientation``."""
    image = Image.fromarray(upright)
    return image.transpose(TURN_BACK[orientation]) if orientation in TURN_BACK else image


def stored_box(box: Box, orientation: int, w: int, h: int) -> Box:
    """A box of the upright picture (w, h), where it lies in the stored pixels."""
    x0, y0, x1, y1 = box
    if orientation in {2, 3, 7, 6}:
        x0, x1 = w - x1, w - x0
    if orientation in {3, 4, 7, 8}:
        y0, y1 = h - y1, h - y0
    return (y0, x0, y1, x1) if orientation >= 5 else (x0, y0, x1, y1)


def jpeg(image: Image.Image, exif: bytes, quality: int) -> bytes:
    """JPEG with 4:2:0 colour, as phones write it."""
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality, subsampling=2, exif=exif, optimize=True)
    return target.getvalue()


def exif_block(
    phone: Phone, orientation: int, size: tuple[int, int], taken: str, iso: int, thumbnail: bytes, place: bool
) -> bytes:
    """An EXIF APP1 payload. ``taken``: "2019:06:14 10:15:30"; ``place``: with the position of Point Nemo."""
    order = ">" if phone.big_endian else "<"
    camera = [
        (0x829A, RATIONAL, [(1, 60)]),
        (0x829D, RATIONAL, [(round(phone.f_number * 10), 10)]),
        (0x8827, SHORT, [iso]),
        (0x9000, UNDEFINED, b"0231"),
        (0x9003, ASCII, taken),
        (0x9004, ASCII, taken),
        (0x9209, SHORT, [16]),
        (0x920A, RATIONAL, [(round(phone.focal_length * 100), 100)]),
        (0xA001, SHORT, [1]),
        (0xA002, LONG, [size[0]]),
        (0xA003, LONG, [size[1]]),
    ]
    gps = [
        (0x0000, 1, b"\x02\x03\x00\x00"),
        (0x0001, ASCII, "S"),
        (0x0002, RATIONAL, [(48, 1), (52, 1), (3180, 100)]),
        (0x0003, ASCII, "W"),
        (0x0004, RATIONAL, [(123, 1), (23, 1), (3330, 100)]),
    ]
    main = [
        (0x010F, ASCII, phone.make),
        (0x0110, ASCII, phone.model),
        (0x0112, SHORT, [orientation]),
        (0x011A, RATIONAL, [(72, 1)]),
        (0x011B, RATIONAL, [(72, 1)]),
        (0x0128, SHORT, [2]),
        (0x0131, ASCII, phone.software),
        (0x0132, ASCII, taken),
        (0x0213, SHORT, [1]),
        (0x8769, LONG, [0]),
        *([(0x8825, LONG, [0])] if place else []),
    ]
    small = [
        (0x0103, SHORT, [6]),
        (0x0112, SHORT, [orientation]),
        (0x011A, RATIONAL, [(72, 1)]),
        (0x011B, RATIONAL, [(72, 1)]),
        (0x0128, SHORT, [2]),
        (0x0201, LONG, [0]),
        (0x0202, LONG, [len(thumbnail)]),
    ]
    at_camera = 8 + len(_directory(order, main, 8, 0))
    at_gps = at_camera + len(_directory(order, camera, at_camera, 0))
    at_small = at_gps + (len(_directory(order, gps, at_gps, 0)) if place else 0)
    at_thumbnail = at_small + len(_directory(order, small, at_small, 0))
    pointers = {0x8769: at_camera, 0x8825: at_gps, 0x0201: at_thumbnail}
    main, small = ([(t, k, [pointers[t]] if t in pointers else v) for t, k, v in d] for d in (main, small))
    block = struct.pack(order + "2sHL", b"MM" if phone.big_endian else b"II", 42, 8)
    block += _directory(order, main, 8, at_small if thumbnail else 0) + _directory(order, camera, at_camera, 0)
    if place:
        block += _directory(order, gps, at_gps, 0)
    if thumbnail:
        block += _directory(order, small, at_small, 0) + thumbnail
    return b"Exif\0\0" + block


def _directory(order: str, entries: Sequence[tuple], at: int, following: int) -> bytes:
    """One IFD that starts at offset ``at``, its longer values behind it."""
    body, tail = struct.pack(order + "H", len(entries)), b""
    tail_at = at + 2 + 12 * len(entries) + 4
    for tag, kind, value in entries:
        data = _value(order, kind, value)
        count = len(value) if kind in {SHORT, LONG, RATIONAL} else len(data)
        if len(data) <= 4:
            field = data.ljust(4, b"\0")
        else:
            field = struct.pack(order + "L", tail_at + len(tail))
            tail += data + b"\0" * (len(data) % 2)
        body += struct.pack(order + "HHL", tag, kind, count) + field
    return body + struct.pack(order + "L", following) + tail


def _value(order: str, kind: int, value) -> bytes:
    if isinstance(value, bytes):
        return value
    if kind == ASCII:
        return value.encode("ascii") + b"\0"
    if kind == RATIONAL:
        return b"".join(struct.pack(order + "LL", *pair) for pair in value)
    return b"".join(struct.pack(order + {SHORT: "H", LONG: "L"}[kind], v) for v in value)


def labelimg_xml(
    path: str,
    size: tuple[int, int],
    objects: Sequence[tuple[str, Box, bool]],
    *,
    canvas: tuple[int, int],
    verified: bool,
) -> bytes:
    """LabelImg's XML. ``size`` as it stands in the file; ``canvas``: where boxes end.

    ``objects``: (name, box, difficult). LabelImg clamps minima to 1 and calls truncated what touches the border.
    """
    folder, _, filename = path.rpartition("\\")
    lines = [
        f"<annotation{' verified=' + chr(34) + 'yes' + chr(34) if verified else ''}>",
        f"\t<folder>{folder.rpartition(chr(92))[2]}</folder>",
        f"\t<filename>{filename}</filename>",
        f"\t<path>{path}</path>",
        "\t<source>",
        "\t\t<database>Unknown</database>",
        "\t</source>",
        "\t<size>",
        f"\t\t<width>{size[0]}</width>",
        f"\t\t<height>{size[1]}</height>",
        "\t\t<depth>3</depth>",
        "\t</size>",
        "\t<segmented>0</segmented>",
    ]
    for name, (xmin, ymin, xmax, ymax), difficult in objects:
        xmin, ymin = max(xmin, 1), max(ymin, 1)
        truncated = int(xmin == 1 or ymin == 1 or xmax == canvas[0] or ymax == canvas[1])
        lines += [
            "\t<object>",
            f"\t\t<name>{name}</name>",
            "\t\t<pose>Unspecified</pose>",
            f"\t\t<truncated>{truncated}</truncated>",
            f"\t\t<difficult>{int(difficult)}</difficult>",
            "\t\t<bndbox>",
            f"\t\t\t<xmin>{xmin}</xmin>",
            f"\t\t\t<ymin>{ymin}</ymin>",
            f"\t\t\t<xmax>{xmax}</xmax>",
            f"\t\t\t<ymax>{ymax}</ymax>",
            "\t\t</bndbox>",
            "\t</object>",
        ]
    return ("\n".join([*lines, "</annotation>"]) + "\n").encode()
