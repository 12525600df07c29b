"""A small labelled folder, made of a few real files: photos with a coloured marker under each box, EXIF, splits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from ssdprep import boxes
from ssdprep.formats import voc
from ssdprep.record import Box, Object, Record, Size

MARKER = (250, 10, 10)
SIZE = Size(96, 64)
# Pillow's operation that makes the stored frame of an upright picture, by EXIF orientation.
_STORED = {1: None, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270, 3: Image.Transpose.ROTATE_180}


def marked(size: Size, *found: Box) -> np.ndarray:
    """Grey waves, and in each box the ellipse of pure colour that touches its four sides: uint8 (height, width, 3)."""
    y, x = np.mgrid[: size.height, : size.width] + 0.5
    image = np.repeat((120 + 40 * np.sin(x / 9) * np.cos(y / 7))[..., None], 3, axis=2).astype(np.uint8)
    for box in found:
        across, down = (
            (x * 2 - box.xmin - box.xmax) / (box.xmax - box.xmin),
            (y * 2 - box.ymin - box.ymax) / (box.ymax - box.ymin),
        )
        image[across**2 + down**2 <= 1] = MARKER
    return image


def marker_in(image: np.ndarray) -> np.ndarray:
    """Edges xmin ymin xmax ymax of what is at least half marker."""
    y, x = np.nonzero(image[..., 0].astype(int) - image[..., 1] > 120)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], dtype=float)


def add_photo(
    folder: Path,
    name: str,
    *found: tuple[str, Box],
    size: Size = SIZE,
    orientation: int = 1,
    frame: str = "upright",
    xml: Path | None = None,
) -> Path:
    """Write a picture and its XML. With an orientation, the photo is stored turned and tagged; ``found`` and ``size``
    are upright, and the XML says them in the given frame: "upright", or "stored" (quarter turns only)."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(marked(size, *(box for _, box in found)))
    if (turn := _STORED[orientation]) is not None:
        image = image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if path.suffix in (".jpg", ".jpeg") else {}
    image.save(path, exif=exif if orientation != 1 else b"", **options)
    things = [Object(label, box) for label, box in found]
    if frame == "stored":
        back = {6: 8, 8: 6}[orientation]
        things = [Object(t.name, Box(*boxes.upright([t.box], back, size)[0])) for t in things]
        size = size.swapped
    target = (xml or path.parent) / f"{path.stem}.xml"
    target.write_bytes(voc.dumps(Record(path, None, tuple(things)), folder=folder.name, filename=path.name, size=size))
    return path


def labelled_folder(folder: Path, *, splits: bool = False) -> Path:
    """Eight photos: six with one or two things, an EXIF-turned one, a negative, a photo that nobody labelled."""
    for number in range(6):
        things = [("apple", Box(10 + 3 * number, 8, 40 + 3 * number, 30))]
        things += [("milk carton", Box(50, 34, 80, 60))] * (number % 2)
        add_photo(folder, f"p{number}.{'png' if number == 3 else 'jpg'}", *things)
    add_photo(folder, "turned.jpg", ("apple", Box(20, 10, 50, 40)), size=Size(64, 96), orientation=6)
    add_photo(folder, "negative.jpg")
    Image.fromarray(marked(Size(40, 40))).save(folder / "unlabelled.jpg")
    if splits:
        lists = {"train": ["p0", "p1", "p2", "turned", "negative"], "val": ["p3"], "test": ["p4"]}
        (folder / "ImageSets/Main").mkdir(parents=True)
        for name, stems in lists.items():
            (folder / f"ImageSets/Main/{name}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    return folder


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def boxes_near(one: object, other: object, tolerance: float) -> bool:
    """Whether two lists of boxes agree within some pixels."""
    return bool(np.allclose(boxes.as_boxes(one), boxes.as_boxes(other), atol=tolerance, rtol=0))  # type: ignore[arg-type]
