"""What can be wrong with a photo file: the one exception of `images`, and its codes."""

from __future__ import annotations

from pathlib import Path

from ssdprep.record import Finding, Severity

EMPTY = "IMG001"
NO_IMAGE = "IMG002"
CUT_SHORT = "IMG003"
DAMAGED = "IMG004"
NOT_TURNABLE = "IMG005"
NOT_EIGHT_BIT = "IMG006"
HOLDS_PLACE = "IMG008"
WRONG_EXTENSION = "IMG011"
WRONG_ORIENTATION = "IMG012"
UNREADABLE = "IMG013"  # the system does not open it: an ``OSError``, not an `ImageFault`
GREYSCALE = "IMG014"
NOT_RGB = "IMG015"
SEVERAL_PICTURES = "IMG016"
LEFT_OVER = "IMG017"

_COPY_AGAIN = "copy the photo from its source again, or move it and its annotation out of the folder"


class ImageFault(Exception):  # noqa: N818 - a fault of the file, not of the program
    """A photo that cannot be used: what is wrong with it, and what cures it. Callers make it a `Finding`."""

    def __init__(self, code: str, message: str, remedy: str = _COPY_AGAIN) -> None:
        super().__init__(code, message, remedy)
        self.code = code
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.code} {self.message} - {self.remedy}"


def damage(path: Path, error: ImageFault | OSError) -> Finding:
    """A photo that cannot be used, as a finding."""
    if isinstance(error, ImageFault):
        return Finding(error.code, Severity.ERROR, path, 0, error.message, error.remedy)
    message = f"cannot be read: {error.strerror or error}"
    return Finding(UNREADABLE, Severity.ERROR, path, 0, message, "make it readable, or take it out of the folder")


def doubt(path: Path, left_over: int) -> Finding | None:
    """A word on a photo with so many bytes of pixel data too many; None where there are none."""
    if not left_over:
        return None
    message = f"{left_over:,} bytes of its pixel data are in no block: part of it may be damaged"
    remedy = (
        "look at it: where it is shifted or has wrong colours, copy it from its source again; "
        "else save it anew with an image editor"
    )
    return Finding(LEFT_OVER, Severity.WARNING, path, 0, message, remedy)


def floats() -> ImageFault:
    """The header tells it, and so does decoding: both say the same."""
    return ImageFault(NOT_EIGHT_BIT, "floating-point pixels have no agreed brightness", "save it with 8 or 16 bits")
