"""How well do boxes fit after a rotation? Shapes with known masks, turned by `ssdprep.augment`, against both fits.

    python tests/bench/box_fit.py

For each shape in a box of 3:1 (and a square one), the box of the turned mask is the truth. A figure is the area of the
fitted box over the area of the true one (1.00: exact; above: loose; below: tight), and their IoU in brackets.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ssdprep import boxes
from ssdprep.augment import Drawn, warp
from ssdprep.record import Size

CANVAS = Size(400, 400)
ANGLES = (5, 15, 30, 45)
FITS = {"ellipse": boxes.warp_ellipse, "corners": boxes.warp}


def ellipse(mask: np.ndarray, box: np.ndarray) -> None:
    """A banana's or an apple's rounded outline: the ellipse that touches all four sides."""
    x0, y0, x1, y1 = box
    centre, axes = ((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    mask[((x - centre[0]) / axes[0]) ** 2 + ((y - centre[1]) / axes[1]) ** 2 <= 1] = 255


def rectangle(mask: np.ndarray, box: np.ndarray) -> None:
    """A milk carton seen straight on: fills its box."""
    x0, y0, x1, y1 = box
    mask[y0:y1, x0:x1] = 255


def diamond(mask: np.ndarray, box: np.ndarray) -> None:
    """An object that stands on a corner: touches each side in one point."""
    x0, y0, x1, y1 = box
    middle = ((x0 + x1) // 2, (y0 + y1) // 2)
    cv2.fillPoly(mask, [np.array([(middle[0], y0), (x1 - 1, middle[1]), (middle[0], y1 - 1), (x0, middle[1])])], 255)


def bottle(mask: np.ndarray, box: np.ndarray) -> None:
    """A broad body and a narrow neck, lying."""
    x0, y0, x1, y1 = box
    body, neck = x0 + (x1 - x0) * 2 // 3, (y1 - y0) // 3
    mask[y0:y1, x0:body] = 255
    mask[y0 + neck : y1 - neck, body:x1] = 255


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], None]] = {
    "ellipse": ellipse,
    "rectangle": rectangle,
    "diamond": diamond,
    "bottle": bottle,
}


def box_of(mask: np.ndarray) -> np.ndarray:
    """The smallest box around what is set."""
    y, x = np.nonzero(mask > 127)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], dtype=np.float64)


def measure(shape: str, width: int, height: int, angle: float) -> dict[str, tuple[float, float]]:
    """For each fit: area of the fitted box over the true one's, and their IoU; the mean of both senses of rotation."""
    box = np.array([200 - width // 2, 200 - height // 2, 200 + width // 2, 200 + height // 2])
    mask = np.zeros((CANVAS.height, CANVAS.width, 3), dtype=np.uint8)
    plane = mask[..., 0].copy()
    SHAPES[shape](plane, box)
    mask[...] = plane[..., None]
    found: dict[str, list[tuple[float, float]]] = {fit: [] for fit in FITS}
    for sense in (-1, 1):
        turned, matrix = warp(mask, Drawn(rotate=sense * angle))
        truth = box_of(turned[..., 0])
        for fit, move in FITS.items():
            moved = move([box], matrix)
            found[fit].append((boxes.area(moved)[0] / boxes.area(truth)[0], boxes.iou(moved, truth)[0, 0]))
    return {fit: tuple(np.mean(values, axis=0)) for fit, values in found.items()}


def main() -> None:
    """Print the table that docs/augment.md shows."""
    print("| shape | box | degrees | ellipse | corners |\n|---|---|---|---|---|")
    for shape in SHAPES:
        for width, height in ((240, 80), (160, 160)):
            for angle in ANGLES:
                fits = measure(shape, width, height, angle)
                cells = " | ".join(f"{fits[fit][0]:.2f} ({fits[fit][1]:.2f})" for fit in ("ellipse", "corners"))
                print(f"| {shape} | {width}x{height} | {angle} | {cells} |")


if __name__ == "__main__":
    main()
