"""Photo files for tests: a picture with no symmetry, EXIF blocks byte by byte, files of every kind around them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from ssdprep.record import Size
from ssdprep.turn import turn

MAKER = b"MAKER\0" + bytes(range(64))
INVERSE = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
RED = (200, 30, 30)
XMP = b"""<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" tiff:Orientation="%d"
 exif:PixelXDimension="%d" exif:PixelYDimension="%d" exif:GPSLatitude="52,31.2N">
 <exif:GPSLongitude>13,24.5E</exif:GPSLongitude><dc:title xmlns:dc="x">kept</dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""


def scene(size: Size, box: tuple[int, int, int, int] | None = None, seed: int = 0) -> np.ndarray:
    """An upright picture: smooth colours that differ in every corner, and a red marker where ``box`` is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : size.height * 1j, 0 : 1 : size.width * 1j]
    picture = np.stack([60 * x + 40 * y, 90 + 90 * y - 50 * x, 130 + 100 * x * y], axis=2)
    picture += rng.normal(0, 2, (size.height, size.width, 1))
    picture = picture.clip(0, 255).astype(np.uint8)
    if box:
        xmin, ymin, xmax, ymax = box
        picture[ymin:ymax, xmin:xmax] = RED
    return picture


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The pixel array that a camera would have written for an upright picture."""
    return turn(upright, INVERSE[orientation])


def exif_block(
    orientation: int | None,
    *,
    order: str = "<",
    kind: int = 3,
    sides: tuple[int, int] | None = None,
    maker: bytes = b"",
    gps: bool = False,
    thumbnail: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """A TIFF structure as cameras write it, laid out by hand: IFD0, EXIF IFD, GPS IFD, IFD1, thumbnail, ``tail``."""
    code = {1: "B", 3: "H", 4: "I"}
    later: list[tuple[int, bytes]] = []

    def entry(tag: int, type_: int, values: list[int]) -> bytes:
        packed = struct.pack(order + code[type_] * len(values), *values)
        return struct.pack(order + "HHI", tag, type_, len(values)) + packed.ljust(4, b"\0")

    def directory(entries: list[bytes], following: int = 0) -> bytes:
        return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following)

    first = [b""] if orientation is not None else []
    count = len(first) + bool(sides or maker) + gps
    at = 8 + 2 + 12 * count + 4
    main: list[bytes] = []
    if orientation is not None:
        main.append(entry(0x0112, kind, [orientation]))
    if sides or maker:
        main.append(entry(0x8769, 4, [at]))
        inner, size = [], 2 + 12 * (bool(maker) + 2 * bool(sides)) + 4
        if maker:
            inner.append(struct.pack(order + "HHII", 0x927C, 7, len(maker), at + size))
        if sides:
            inner += [entry(0xA002, 4, [sides[0]]), entry(0xA003, 3, [sides[1]])]
        later.append((at, directory(inner) + maker))
        at += size + len(maker)
    if gps:
        main.append(entry(0x8825, 4, [at]))
        size = 2 + 12 * 2 + 4
        latitude = struct.pack(order + "6I", 52, 1, 31, 1, 2, 10)
        inner = [
            struct.pack(order + "HHI", 1, 2, 2) + b"N\0\0\0",
            struct.pack(order + "HHII", 2, 5, 3, at + size),
        ]
        later.append((at, directory(inner) + latitude))
        at += size + len(latitude)
    following = 0
    if thumbnail:
        following, size = at, 2 + 12 * 3 + 4
        inner = [
            entry(0x0112, 3, [6]),
            entry(0x0201, 4, [at + size]),
            entry(0x0202, 4, [len(thumbnail)]),
        ]
        later.append((at, directory(inner) + thumbnail))
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return header + directory(main, following) + b"".join(part for _, part in later) + tail


def jpeg(pixels: np.ndarray, exif: bytes = b"", **options: object) -> bytes:
    """Pixels as JPEG, quality 90 unless told otherwise, with an EXIF block."""
    target = io.BytesIO()
    options = {"quality": 90, **options}
    Image.fromarray(pixels, options.pop("mode", None)).save(
        target, "JPEG", exif=b"Exif\0\0" + exif if exif else b"", **options
    )
    return target.getvalue()


def png(pixels: np.ndarray, exif: bytes = b"", **options: object) -> bytes:
    """Pixels as PNG with an eXIf chunk."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", exif=exif, **options)
    return target.getvalue()


def opened(data: bytes) -> Image.Image:
    """A file's bytes in Pillow."""
    return Image.open(io.BytesIO(data))


def decoded(data: bytes) -> np.ndarray:
    """The pixels as they are stored, any tag ignored."""
    return np.asarray(opened(data))


def segment(marker: int, payload: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """A JPEG file with further segments right behind its start."""
    return data[:2] + b"".join(segments) + data[2:]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """A Pillow image as a file of some kind."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def mpo(pixels: np.ndarray, exif: bytes) -> bytes:
    """A file of three pictures, the second and third half as large."""
    target = io.BytesIO()
    small = Image.fromarray(pixels[::2, ::2])
    Image.fromarray(pixels).save(
        target, "MPO", save_all=True, append_images=[small, small], exif=b"Exif\0\0" + exif, quality=90
    )
    return target.getvalue()


def late_exif(data: bytes, exif: bytes) -> bytes:
    """eXIf behind the pixels, where some tools write it."""
    return data[:-12] + chunk(b"eXIf", exif) + data[-12:]


def chunk(name: bytes, payload: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))
