"""What messy folders are made of: an annotation with one thing changed, a photo as bytes of any kind."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 96, 64
OBJECT = """\t<object>
\t\t<name>apple</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>10</xmin>
\t\t\t<ymin>12</ymin>
\t\t\t<xmax>50</xmax>
\t\t\t<ymax>44</ymax>
\t\t</bndbox>
\t</object>
"""
SIZE = "\t<size>\n\t\t<width>96</width>\n\t\t<height>64</height>\n\t\t<depth>3</depth>\n\t</size>\n"


def xml(filename: str, *changes: tuple[str, str], objects: str = OBJECT) -> str:
    """An annotation as LabelImg writes it, some of its text replaced. Lines: size 8, object 14, name 15, bndbox 19."""
    text = (
        f"<annotation>\n\t<folder>photos</folder>\n\t<filename>{filename}</filename>\n"
        f"\t<path>/home/me/photos/{filename}</path>\n\t<source>\n\t\t<database>Unknown</database>\n\t</source>\n"
        f"{SIZE}\t<segmented>0</segmented>\n{objects}</annotation>\n"
    )
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def boxed(xmin: object, ymin: object, xmax: object, ymax: object, name: str = "apple") -> str:
    """An <object> with such edges."""
    text = OBJECT.replace("apple", name)
    for side, old, new in (("xmin", 10, xmin), ("ymin", 12, ymin), ("xmax", 50, xmax), ("ymax", 44, ymax)):
        text = text.replace(f"<{side}>{old}<", f"<{side}>{new}<")
    return text


def pixels(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A red ellipse, where the box of `OBJECT` is, on noise that no codec makes small: uint8 RGB."""
    y, x = np.mgrid[:height, :width] + 0.5
    picture = np.random.default_rng(0).integers(90, 160, (height, width, 3), dtype=np.uint8)
    picture[((x - 30) / 20) ** 2 + ((y - 28) / 16) ** 2 <= 1] = (200, 30, 30)
    return picture


def image(mode: str = "RGB") -> Image.Image:
    """`pixels` as a Pillow image of any mode."""
    picture = Image.fromarray(pixels())
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    return picture.convert(mode)


def coded(picture: Image.Image | None = None, kind: str = "JPEG", **options: Any) -> bytes:
    """A picture as the bytes of a file."""
    target = io.BytesIO()
    (picture or image()).save(target, kind, **options)
    return target.getvalue()


def animation(kind: str) -> bytes:
    """Two pictures in one file."""
    return coded(image(), kind, save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT), "blue")])


def deep_png() -> bytes:
    """16 bits in each of three channels, which Pillow cannot write."""
    rows = pixels().astype(">u2") * 257
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def claiming(width: int, height: int) -> bytes:
    """A PNG of some bytes whose header promises any size."""
    data = coded(kind="PNG")
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def put(path: Path, content: bytes | str) -> Path:
    """A file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
