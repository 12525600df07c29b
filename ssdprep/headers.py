"""A photo's header, and everything about the photo that can be said without decoding it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ssdprep import faults, sniff
from ssdprep.record import Finding, Severity

Probed = tuple[sniff.Probe | None, tuple[Finding, ...]]

_EXTENSIONS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}


def read_header(path: Path) -> Probed:
    """The header of a photo, None where there is none to trust, and what is wrong with the photo. Never raises.

    A photo that seems to break off is decoded, to be sure; no other one is.
    """
    try:
        probe, cut = sniff.examine(path)
    except (faults.ImageFault, OSError) as error:
        return None, (faults.damage(path, error),)
    return probe, (*_names(path, probe), *_pixels(path, probe), *(_broken_off(path) if cut else ()))


def _names(path: Path, probe: sniff.Probe) -> Iterator[Finding]:
    """What extension and EXIF say, and the file itself does not."""
    fitting = _EXTENSIONS.get(probe.format)
    if fitting and path.suffix.lower() not in fitting:
        message = f"this is a {probe.format} file, not what {path.suffix} says: LabelImg and others cannot open it"
        remedy = f"rename it to {path.stem}{fitting[0]}"
        yield Finding(faults.WRONG_EXTENSION, Severity.WARNING, path, 0, message, remedy)
    if not 1 <= probe.orientation <= 8:
        message = f"EXIF orientation {probe.orientation} is not one of 1..8: taken as upright"
        remedy = "nothing to do: every reader ignores it, and fix-exif writes 1 in its place"
        yield Finding(faults.WRONG_ORIENTATION, Severity.INFO, path, 0, message, remedy)


def _pixels(path: Path, probe: sniff.Probe) -> Iterator[Finding]:
    """Pixels that are not the 8-bit RGB of one picture, which every reader sees alike."""
    if probe.mode == "F":
        yield faults.damage(path, faults.floats())
        return
    grey = probe.mode in {"1", "L", "LA"} or (probe.mode[:1] == "I" and probe.depth == 16)
    if grey:
        message = "a greyscale photo: read as RGB with three equal channels"
        remedy = "nothing to do, if such photos will be looked at later too; else take its colour original"
        yield Finding(faults.GREYSCALE, Severity.INFO, path, 0, message, remedy)
    severity, remedy = Severity.INFO, "nothing to do here; saved as 8-bit RGB, every reader sees the same"
    if probe.mode == "CMYK":
        severity, what = (
            Severity.WARNING,
            "in CMYK, the colours of print: readers disagree on them, and TensorFlow refuses them",
        )
        remedy = "save it as RGB with an image editor"
    elif probe.depth > 8:
        what = f"of {probe.depth} bits a channel: scaled to 8"
    elif probe.mode in {"P", "PA"} and probe.format != "GIF":  # a GIF is nothing else
        what = "of a palette: read as RGB"
    elif probe.mode in {"LA", "RGBA", "RGBa", "La"}:
        what = "with transparency: laid over white; other readers take black, or what lies beneath"
    else:
        what = ""
    if what:
        yield Finding(faults.NOT_RGB, severity, path, 0, f"pixels {what}", remedy)
    if probe.several:
        message = f"this {probe.format} holds several pictures (an animation, or pages): only the first is read"
        remedy = "nothing to do, if the first is the one that was labelled; else save that one alone"
        yield Finding(faults.SEVERAL_PICTURES, Severity.INFO, path, 0, message, remedy)


def _broken_off(path: Path) -> Iterator[Finding]:
    """A photo whose header promises pixels that are not there."""
    from ssdprep import images  # with NumPy and Pillow, which nearly every photo does without here

    try:
        images.read_upright(path)
    except (faults.ImageFault, OSError) as error:
        yield faults.damage(path, error)
