"""Draws the sample set: `python data/draw_sample.py --seed 7` writes data/photos, the same bytes every time.

No picture is a photo: a small ray tracer (the package `drawing` beside this script) draws them, so that every box is
known to the pixel. The set has the troubles of real sets, on purpose: photos stored in all eight EXIF orientations,
boxes drawn by two versions of LabelImg that disagree about what the tag means, far too many milk cartons,
pictures without objects, and a PNG that calls itself .jpg.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from drawing.arrangement import CLASSES
from drawing.photo_file import Phone, exif_block, jpeg, labelimg_xml, stored_box, stored_pixels
from drawing.scene import draw_scene

__all__ = ["CLASSES", "PHOTOS", "Photo", "draw_photo", "draw_scene", "main"]

HOME = Path(__file__).resolve().parent
SEED, QUALITY = 7, 80
WEIGHTS = {"apple": 0.09, "banana": 0.14, "milk carton": 0.77}  # far too much milk, as in a shop
OLD, NEW = "C:\\Users\\anna\\Desktop\\groceries", "D:\\ben\\labelling\\groceries"  # LabelImg 1.8.3 and 1.8.6
PHONES = (
    Phone("Lumora", "Lumora L7 Pro", "L7P-10.0.14", True, True, 1.8, 3.99),
    Phone("Kestrel", "KX-930F", "KX930FXXU3", False, True, 2.4, 4.3),
    Phone("Halden Optics", "H20", "Ver.1.02", False, False, 4.0, 35.0),
)
LANDSCAPE = ((512, 384), (480, 368), (512, 384), (576, 384), (496, 368), (501, 375), (640, 480), (512, 288))
PORTRAIT = ((384, 512), (368, 480), (384, 512), (384, 576), (375, 500), (480, 640))


@dataclass(frozen=True)
class Photo:
    """One file of the set: how it is stored, and who labelled it."""

    number: int
    name: str
    size: tuple[int, int]  # upright
    orientation: int = 1
    stored_frame: bool = True  # boxes and <size> as LabelImg <= 1.8.3 sees the file; else as >= 1.8.4 does
    negative: bool = False
    png: bool = False
    phone: Phone | None = None  # None: no EXIF, as in pictures from the web

    @property
    def stored_size(self) -> tuple[int, int]:
        return self.size[::-1] if self.orientation >= 5 else self.size


# orientation -> how many photos in the stored frame, and in the upright frame. For 2, 3 and 4 and for square photos
# the file cannot tell: those few are all in the stored frame, so that `fix-exif --frame stored` settles them.
TURNED = {2: (1, 0), 3: (2, 0), 4: (1, 0), 5: (1, 1), 6: (6, 4), 7: (1, 1), 8: (3, 2)}
COUNT = 84
NEGATIVES = frozenset({5, 16, 24, 33, 47, 58, 66, 79})
PNG, SQUARE, TURNED_NEGATIVE = 61, 42, 24


def _photos() -> tuple[Photo, ...]:
    rng = np.random.default_rng(1234)
    turned = [(o, stored) for o, (old, new) in TURNED.items() for stored in [True] * old + [False] * new]
    places = [i for i in range(COUNT) if i not in NEGATIVES | {PNG, SQUARE}]
    places = [TURNED_NEGATIVE, *rng.choice(places, len(turned) - 1, replace=False).tolist()]
    chosen = dict(zip(places, [(6, True), *_without_one(rng.permutation(turned).tolist(), [6, 1])], strict=True))
    return tuple(_photo(i, *chosen.get(i, (1, True)), rng) for i in range(COUNT))


def _without_one(items: list, unwanted) -> list:
    at = items.index(unwanted)
    return items[:at] + items[at + 1 :]


def _photo(number: int, orientation: int, stored: bool, rng: np.random.Generator) -> Photo:
    portrait = orientation >= 5 if orientation > 1 else rng.random() < 0.25
    sizes = PORTRAIT if portrait else LANDSCAPE
    size = sizes[rng.integers(len(sizes))]
    phone = PHONES[rng.choice(3, p=(0.45, 0.4, 0.15))]
    if number == SQUARE:
        size, orientation = (416, 416), 6
    elif number == PNG:
        size, phone = (400, 304), None
    elif orientation == 1 and rng.random() < 0.35:
        phone = None
    negative = number in NEGATIVES
    return Photo(number, _name(number, phone), size, orientation, bool(stored), negative, number == PNG, phone)


def _name(number: int, phone: Phone | None) -> str:
    if phone is PHONES[0]:
        return f"IMG_{2041 + 3 * number}.jpg"
    if phone is PHONES[1]:
        return _taken(number).replace(":", "").replace(" ", "_") + ".jpg"
    if phone is PHONES[2]:
        return f"DSC_{341 + 2 * number:04d}.jpg"
    return f"groceries-{number:02d}.jpg"


def _taken(number: int) -> str:
    """When a photo was taken, as EXIF writes it."""
    month, day, hour = 5 + number // 40, 10 + number % 18, 10 + number % 9
    return f"2019:{month:02}:{day:02} {hour:02}:{7 * number % 60:02}:{13 * number % 60:02}"


PHOTOS = _photos()


def draw_photo(photo: Photo, seed: int = SEED) -> tuple[np.ndarray, list]:
    """The upright pixels of a photo of the set, and its objects as `draw_scene` gives them."""
    for attempt in range(20):
        rng = np.random.default_rng([seed, photo.number, attempt])
        weights = dict.fromkeys(CLASSES, 0.0) if photo.negative else WEIGHTS
        pixels, objects = draw_scene(rng, photo.size, weights, supersample=2, things=(1, 7))
        if photo.negative or objects:
            return pixels, objects
    raise RuntimeError(f"no scene for {photo.name}")


def write_photo(photo: Photo, folder: Path, seed: int) -> Counter[str]:
    """Draw one photo and write it with its XML; how many boxes of each class it has."""
    cv2.setNumThreads(1)
    pixels, objects = draw_photo(photo, seed)
    image = stored_pixels(pixels, photo.orientation)
    (folder / photo.name).write_bytes(_png(image) if photo.png else jpeg(image, _exif(photo, image, seed), QUALITY))
    boxes = [
        (name, stored_box(box, photo.orientation, *photo.size) if photo.stored_frame else box, difficult)
        for name, box, _, difficult in objects
    ]
    canvas = photo.stored_size if photo.stored_frame else photo.size
    path = f"{OLD if photo.stored_frame else NEW}\\{photo.name}"
    verified = photo.negative or photo.number % 13 == 0
    xml = labelimg_xml(path, (0, 0) if photo.png else canvas, boxes, canvas=canvas, verified=verified)
    (folder / photo.name).with_suffix(".xml").write_bytes(xml)
    return Counter(name for name, *_ in objects)


def _png(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.quantize(200, dither=0).save(target, "PNG", optimize=True)
    return target.getvalue()


def _exif(photo: Photo, image: Image.Image, seed: int) -> bytes:
    """The photo's EXIF block; empty where it has none."""
    if photo.phone is None:
        return b""
    rng = np.random.default_rng([seed, photo.number, 999])
    thumbnail = b""
    if photo.phone.thumbnail and rng.random() < 0.5:
        small = image.copy()
        small.thumbnail((160, 120))
        thumbnail = jpeg(small, b"", 60)
    iso = int(rng.choice([50, 100, 160, 320, 640]))
    return exif_block(
        photo.phone, photo.orientation, image.size, _taken(photo.number), iso, thumbnail, place=photo.number % 9 == 4
    )


def _not_ours(folder: Path) -> list[str]:
    """What is in the way: in the repository's own folder what has another name than our files, elsewhere everything."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        return [folder.name]
    ours = {Path(photo.name).with_suffix(end).name for photo in PHOTOS for end in (".jpg", ".xml")}
    return sorted({path.name for path in folder.iterdir()} - (ours if folder.resolve() == HOME / "photos" else set()))


def main() -> None:
    """Draw the whole set into OUT/photos: an empty folder, or the repository's own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HOME, help="folder that gets photos/ [the repository's data/]")
    parser.add_argument("--seed", type=int, default=SEED, help=f"another seed draws another set [{SEED}]")
    arguments = parser.parse_args()
    folder = arguments.out / "photos"
    if strange := _not_ours(folder):
        parser.error(f"{folder} holds what this script did not make, such as {strange[0]}: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    boxes: Counter[str] = Counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        n = len(PHOTOS)
        for counted in pool.map(write_photo, PHOTOS, [folder] * n, [arguments.seed] * n):
            boxes += counted
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{len(PHOTOS)} photos, {size / 1e6:.2f} MB: {dict(boxes)}")


if __name__ == "__main__":
    main()
