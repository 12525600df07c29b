"""What is printed on cartons, boxes and books."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .light import F, linear, shared_noise

DESIGNS, PACKAGES = 24, 16
DOT = 36  # pixels of print in a centimetre
INKS = ("1d4f9c", "2d8fd0", "1e7d3c", "c3202f", "16244f", "d97a1c", "5a2a7a", "0d8a86", "6fae2f", "b0175a")
KINDS = (
    "WHOLE",
    "SEMI SKIMMED",
    "FRESH",
    "ORGANIC",
    "LONG LIFE",
    "3.5% FAT",
    "1.5% FAT",
    "FARM",
    "ALPINE",
    "LACTOSE FREE",
)
TITLES = ("OATS", "CORN CRISP", "TEA", "RICE", "CRACKERS", "SUGAR", "PASTA", "COCOA")
BOOKS = ("THE SEA", "ATLAS", "POEMS", "HISTORY", "GARDENS", "NOTES", "CHESS", "BREAD")
Sheets = tuple[np.ndarray, ...]


class Ink(NamedTuple):
    """The prints of a carton's faces."""

    front: Sheets
    side: Sheets
    roof: Sheets
    fin: Sheets
    paper: Sheets
    cap: Sheets


class Wrap(NamedTuple):
    """The prints of a box or a book."""

    front: Sheets
    back: Sheets
    side: Sheets
    top: Sheets


def _sheets(image: Image.Image, seed: int) -> Sheets:
    """A drawing as linear light at 1, 1/2, 1/4 ... of its size, with the paper's own unevenness."""
    a = linear(np.asarray(image.convert("RGB"), F) / 255)
    n = np.resize(shared_noise(302, 1.4), a.shape[:2])
    a = np.clip(a * (1 + 0.025 * n)[..., None] * F(0.86) + F(0.004), 0.004, 0.86)
    levels = [np.ascontiguousarray(a, F)]
    while min(levels[-1].shape[:2]) > 8:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return tuple(levels)


def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(max(6, round(size)))


def _text(
    pen: ImageDraw.ImageDraw, x: float, y: float, text: str, width: float, fill, bold: float = 0.0, tall=1e9
) -> float:
    """Text centred at x with its top at y, as large as ``width`` and ``tall`` allow; its height."""
    size = 100.0
    box = pen.textbbox((0, 0), text, font=_font(size), stroke_width=round(size * bold))
    size *= min(width / (box[2] - box[0]), tall / (box[3] - box[1]))
    font, stroke = _font(size), round(size * bold)
    box = pen.textbbox((0, 0), text, font=font, stroke_width=stroke)
    pen.text((x - (box[0] + box[2]) / 2, y - box[1]), text, fill, font=font, stroke_width=stroke, stroke_fill=fill)
    return box[3] - box[1]


def _sideways(image: Image.Image, box: tuple[float, float, float, float], text: str, fill, bold: float) -> None:
    """Text that reads from bottom to top, filling a box."""
    x0, y0, x1, y1 = (round(v) for v in box)
    strip = Image.new("L", (y1 - y0, x1 - x0))
    _text(ImageDraw.Draw(strip), strip.width / 2, 0, text, strip.width, 255, bold, strip.height)
    image.paste(Image.new("RGB", (x1 - x0, y1 - y0), fill), (x0, y0), strip.rotate(90, expand=True))


@lru_cache(maxsize=DESIGNS)
def design(number: int) -> Ink:
    """One of the milk brands. Read only."""
    rng = np.random.default_rng([401, number])
    first, second = (f"#{INKS[i]}" for i in rng.permutation(len(INKS))[:2])
    white = ("#fbfaf5", "#f4f1e6", "#eef4f8")[rng.integers(3)]
    w, h = 7 * DOT, 16 * DOT
    style = number % 6
    front = Image.new("RGB", (w, h), white)
    _background(front, style, first, second, white, rng)
    _title(front, style, first, second, white, rng)
    side = Image.new("RGB", (w, h), white)
    _background(side, style, first, second, white, rng)
    _small_print(side, first, white, rng)
    filled = style in {2, 3}
    roof = Image.new("RGB", (w, 4 * DOT), first if filled or style == 1 else white)
    if not filled:
        ImageDraw.Draw(roof).rectangle((0, 3.3 * DOT, w, 4 * DOT), fill=second if style == 1 else first)
    _text(ImageDraw.Draw(roof), w / 2, 0.35 * DOT, "MILK", w * 0.28, white if filled or style == 1 else first, 0.04)
    fin = Image.new("RGB", (w, 2 * DOT), second if style in {1, 4} else first)
    ImageDraw.Draw(fin).line((0, 1.2 * DOT, w, 1.2 * DOT), fill="#00000030", width=2)
    _text(
        ImageDraw.Draw(fin), w / 2, 0.3 * DOT, f"{rng.integers(1, 29):02d} {rng.integers(1, 13):02d} 25", w * 0.3, white
    )
    paper, cap = (Image.new("RGB", (32, 32), c) for c in ("#d8cdb8", second if rng.random() < 0.6 else "#f2f2f2"))
    return Ink(*(_sheets(sheet, number) for sheet in (front, side, roof, fin, paper, cap)))


def _background(image: Image.Image, style: int, first: str, second: str, white: str, rng: np.random.Generator) -> None:
    w, h = image.size
    pen = ImageDraw.Draw(image)
    x = np.linspace(0, w, 60)
    if style == 0:  # waves
        for level, fill in ((0.60, second), (0.68, first)):
            y = h * level + 0.03 * h * np.sin(x / w * 2 * np.pi + level * 9)
            pen.polygon([*zip(x, y, strict=True), (w, h), (0, h)], fill=fill)
    elif style == 1:  # bands
        for low, high, fill in ((0, 0.16, first), (0.18, 0.2, second), (0.72, 0.74, second), (0.76, 1, first)):
            pen.rectangle((0, low * h, w, high * h), fill=fill)
    elif style == 2:  # full colour with a disc
        pen.rectangle((0, 0, w, h), fill=first)
        pen.ellipse((-0.06 * w, 0.22 * h, 1.06 * w, 0.22 * h + 1.12 * w), fill=white)
        pen.rectangle((0, 0.9 * h, w, h), fill=second)
    elif style == 3:  # sky, sun and hills
        pen.rectangle((0, 0, w, h), fill="#8fc7ea")
        pen.ellipse((0.62 * w, 0.06 * h, 0.92 * w, 0.06 * h + 0.3 * w), fill="#f6d13a")
        for level, fill, phase in ((0.62, "#7fb53c", 0.5), (0.72, "#4f9430", 2.6)):
            y = h * level + 0.05 * h * np.sin(x / w * 2 * np.pi + phase)
            pen.polygon([*zip(x, y, strict=True), (w, h), (0, h)], fill=fill)
        pen.rectangle((0, 0.92 * h, w, h), fill=first)
    elif style == 4:  # cow patches
        for cx, cy, rx, ry in rng.random((7, 4)):
            a = np.linspace(0, 2 * np.pi, 40)
            r = 1 + 0.25 * np.sin(3 * a + cx * 9) + 0.12 * np.sin(5 * a + cy * 9)
            px, py = cx * w + (0.1 + 0.16 * rx) * w * r * np.cos(a), cy * h + (0.1 + 0.16 * ry) * w * r * np.sin(a)
            pen.polygon([*zip(px, py, strict=True)], fill="#23262a")
        pen.rectangle((0, 0.34 * h, w, 0.62 * h), fill=first)
        pen.rectangle((0, 0.33 * h, w, 0.345 * h), fill=white)
        pen.rectangle((0, 0.615 * h, w, 0.63 * h), fill=white)
    else:  # slanting stripes
        for i, fill in enumerate((first, second, first)):
            y = h * (0.52 + 0.15 * i)
            pen.polygon([(0, y + 0.16 * h), (w, y), (w, y + 0.08 * h), (0, y + 0.24 * h)], fill=fill)


def _title(image: Image.Image, style: int, first: str, second: str, white: str, rng: np.random.Generator) -> None:
    w, h = image.size
    pen = ImageDraw.Draw(image)
    kind = KINDS[rng.integers(len(KINDS))]
    if style == 5 and rng.random() < 0.7:
        _sideways(image, (0.08 * w, 0.06 * h, 0.62 * w, 0.52 * h), "MILK", first, 0.05)
        _sideways(image, (0.70 * w, 0.06 * h, 0.82 * w, 0.4 * h), kind, second, 0.01)
    else:
        top, ink, width = {
            0: (0.16, first, 0.84),
            1: (0.32, first, 0.84),
            2: (0.38, first, 0.78),
            3: (0.24, white, 0.84),
            4: (0.40, white, 0.84),
            5: (0.16, first, 0.84),
        }[style]
        y = top * h
        y += _text(pen, w / 2, y, "MILK", width * w, ink, 0.05) + 0.03 * h
        _text(pen, w / 2, y, kind, width * w * 0.8, second if style not in {3, 4} else ink, 0.015, 0.05 * h)
    base = 0.84 * h if style != 4 else 0.80 * h
    pen.ellipse((0.68 * w, base, 0.92 * w, base + 0.24 * w), fill=white, outline=second, width=3)
    _text(pen, 0.80 * w, base + 0.07 * w, "1 L", 0.13 * w, second, 0.03)
    _text(pen, 0.30 * w, base + 0.05 * h, "pasteurised", 0.40 * w, white if style != 4 else first)


def _small_print(image: Image.Image, first: str, white: str, rng: np.random.Generator) -> None:
    """The side that nobody reads: a table, a bar code, lines of text."""
    w, h = image.size
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0.10 * w, 0.08 * h, 0.90 * w, 0.60 * h), 12, fill=white, outline=first, width=2)
    _text(pen, w / 2, 0.10 * h, "MILK", 0.42 * w, first, 0.04)
    for i in range(13):
        y = (0.21 + 0.028 * i) * h
        end = rng.uniform(0.45, 0.84)
        pen.line((0.16 * w, y, end * w, y), fill="#55585c", width=3 if i % 5 == 0 else 2)
        if i < 7:
            pen.line((0.70 * w, y, 0.84 * w, y), fill="#55585c", width=2)
    pen.rectangle((0.2 * w, 0.80 * h, 0.8 * w, 0.92 * h), fill="#ffffff")
    x = 0.24 * w
    while x < 0.75 * w:
        bar = rng.integers(1, 5)
        pen.rectangle((x, 0.81 * h, x + bar - 1, 0.90 * h), fill="#111111")
        x += bar + rng.integers(1, 5)


@lru_cache(maxsize=2 * PACKAGES)
def package(number: int, book: bool) -> Wrap:
    """One of the boxes or books. Read only."""
    rng = np.random.default_rng([402, number, book])
    palette = ("7a3b2e", "2f4858", "d9a441", "394a2f", "8c2f39", "3b3b58", "b08968", "506d84", "e3d5b8", "2d2d2d")
    first, second = (f"#{palette[i]}" for i in rng.permutation(len(palette))[:2])
    front = Image.new("RGB", (14 * DOT, 18 * DOT), first)
    pen = ImageDraw.Draw(front)
    w, h = front.size
    pen.rectangle((0.07 * w, 0.06 * h, 0.93 * w, 0.94 * h), outline=second, width=8)
    title = (BOOKS if book else TITLES)[rng.integers(8)]
    if book:
        pen.rectangle((0.07 * w, 0.55 * h, 0.93 * w, 0.94 * h), fill=second)
    else:
        pen.ellipse((0.16 * w, 0.42 * h, 0.84 * w, 0.42 * h + 0.68 * w), fill=second)
    _text(pen, w / 2, 0.14 * h, title, 0.7 * w, "#f6efdf", 0.04, 0.16 * h)
    _text(pen, w / 2, 0.34 * h, "500 g" if not book else "a novel", 0.2 * w, "#f6efdf")
    plain = Image.new("RGB", (8 * DOT, 8 * DOT), first)
    if not book:
        pen = ImageDraw.Draw(plain)
        for i in range(12):
            pen.line((60, 40 + i * 18, rng.uniform(150, 240), 40 + i * 18), fill=second, width=4)
        return Wrap(_sheets(front, number), _sheets(front, number), _sheets(plain, number), _sheets(plain, number))
    pages = np.full((64, 512, 3), 232, np.uint8)
    pages[::3] = 205
    pages[:5], pages[-5:] = (np.array(Image.new("RGB", (1, 1), first))[0, 0] for _ in range(2))
    leaves = _sheets(Image.fromarray(pages), number)
    spine = Image.new("RGB", (512, 64), first)
    _text(ImageDraw.Draw(spine), 256, 14, title, 300, "#f6efdf", 0.02, 36)
    cover = front.rotate(90, expand=True)
    return Wrap(leaves, _sheets(spine, number), leaves, _sheets(cover, number))
