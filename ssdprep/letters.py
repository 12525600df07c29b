"""Text on pictures, in any script: a line as it can be written, cut to a width, and the font that has its letters."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_SHARE = 0.93  # DejaVu is drawn larger than other fonts of the same size
_OTHERS = (  # where our own font lacks a letter: one of the system's, if it is there; Pillow looks where it keeps them
    "NotoSansCJK-Regular.ttc",
    "DroidSansFallbackFull.ttf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "msgothic.ttc",
    "malgun.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "Nirmala.ttf",
)


class Line(NamedTuple):
    """A line of text in its font."""

    text: str
    font: Font
    size: int  # that was asked for

    @property
    def width(self) -> float:
        """Pixels from its start to its end."""
        return self.font.getlength(self.text)

    @property
    def reach(self) -> tuple[float, float]:
        """Top and bottom in pixels below the pen: of its own letters, and at least of a capital and a g."""
        boxes = [self.font.getbbox(text) for text in ("Ag", self.text)]
        return min(box[1] for box in boxes), max(box[3] for box in boxes)

    def draw(
        self, pen: ImageDraw.ImageDraw, place: tuple[float, float], ink: tuple[int, int, int], anchor: str
    ) -> None:
        """Write it; anchor: of Pillow, which point of the line lies on ``place``."""
        pen.text(place, self.text, ink, font=self.font, anchor=anchor)


def line(text: str, size: int, width: float = float("inf")) -> Line:
    """The text in a font of that size, its middle left out where it is wider than ``width`` pixels.

    Letters that no font here has, and those that are no letters, are written as their code points: U+4E2D.
    """
    composed = unicodedata.normalize("NFC", text)  # macOS keeps é in file names as e and an accent
    source = _source(composed)
    coded = set(_lacking(composed, source))
    coded |= {letter for letter in composed if coded and unicodedata.category(letter)[0] == "M"}  # go with a letter
    written = "".join(f" U+{ord(letter):04X} " if letter in coded else letter for letter in composed)
    return _fitted(" ".join(written.split()) if coded else written, source, size, width)


def lacking(texts: Iterable[str]) -> list[str]:
    """Those of the texts that `line` cannot write in full, because no font here has all of their letters."""
    composed = {text: unicodedata.normalize("NFC", text) for text in texts}
    return [text for text, letters in composed.items() if _lacking(letters, _source(letters))]


def _fitted(text: str, source: str, size: int, width: float) -> Line:
    font = _font(source, size)
    if font.getlength(text) <= width:
        return Line(text, font, size)

    def shortened(kept: int) -> str:
        return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"

    kept = bisect_right(range(len(text)), width, key=lambda kept: font.getlength(shortened(kept))) - 1
    return Line(shortened(kept) if kept >= 0 else "", font, size)


def _source(text: str) -> str:
    """The font that lacks fewest of the letters; our own where that lacks none, so that a sheet has one."""
    own = _own()
    return min((own, *_system()), key=lambda font: len(_lacking(text, font))) if _lacking(text, own) else own


def _lacking(text: str, source: str) -> list[str]:
    return [letter for letter in dict.fromkeys(text) if not _has(source, letter)]


@lru_cache(maxsize=4096)
def _has(source: str, letter: str) -> bool:
    """Whether the font draws this letter, and not the box that stands for all that it lacks."""
    if unicodedata.category(letter) == "Cf":  # joiners and directions: nothing to draw
        return True
    return letter.isprintable() and _shape(source, letter) != _shape(source, "\uffff")


def _shape(source: str, letter: str) -> tuple[tuple[int, int], bytes]:
    font = _font(source, 24)
    if isinstance(font, ImageFont.FreeTypeFont):  # letter by letter: shaping would put a lone accent on a circle
        font = font.font_variant(layout_engine=ImageFont.Layout.BASIC)
    mask = font.getmask(letter, mode="L")
    return mask.size, bytes(mask)


@lru_cache(maxsize=1)
def _own() -> str:
    """DejaVu Sans (Latin, Greek, Cyrillic and more), which comes with imgaug; "" (Pillow's own font) without it."""
    spec = find_spec("imgaug")  # looks, and does not import
    path = Path(spec.origin).with_name("DejaVuSans.ttf") if spec and spec.origin else None
    return str(path) if path and path.is_file() else ""


@lru_cache(maxsize=1)
def _system() -> tuple[str, ...]:
    """Those of the other fonts that this system has."""
    return tuple(name for name in _OTHERS if _is_there(name))


def _is_there(name: str) -> bool:
    try:
        ImageFont.truetype(name, 24)
    except OSError:
        return False
    return True


@lru_cache(maxsize=64)
def _font(source: str, size: int) -> Font:
    if not source:
        return ImageFont.load_default(size)
    return ImageFont.truetype(source, max(1, round(size * _SHARE) if source == _own() else size))
