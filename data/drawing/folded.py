"""Things of flat faces, printed: milk cartons, and the boxes and books that nobody labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from . import print_shop
from .light import Camera, F, Window, sample, shared_noise
from .solids import Look, Seen, turn


@dataclass(frozen=True)
class Face:
    """A flat polygon with a print on it: ``corner`` is the print's upper left, ``across`` and ``down`` its sides."""

    polygon: np.ndarray  # (n, 3) world, counter-clockwise from outside
    corner: np.ndarray  # (3,)
    across: np.ndarray  # (3,)
    down: np.ndarray  # (3,)
    print: tuple[np.ndarray, ...]  # the same picture at 1, 1/2, 1/4 ...: linear float32 (h, w, 3)
    gloss: float = 0.12
    tone: float = 1.0

    @cached_property
    def normal(self) -> np.ndarray:
        a, b, c = self.polygon[:3]
        n = np.cross(b - a, c - a)
        return (n / np.linalg.norm(n)).astype(F)


@dataclass(frozen=True)
class Folded:
    """A thing of faces in groups; each group is convex, and groups are painted in order."""

    name: str
    groups: tuple[tuple[Face, ...], ...]
    walls: tuple[tuple[np.ndarray, np.ndarray], ...]  # normals (n, 3), offsets (n,): convex bodies, for shadows
    centre: np.ndarray
    radius: float
    feet: np.ndarray  # (n, 3) discs on the floor that hold it: x, z, radius

    def distance(self, points: np.ndarray) -> np.ndarray:
        """A lower bound of the distance of world points (3, N)."""
        return np.minimum.reduce([(n @ points - d[:, None]).max(0) for n, d in self.walls])

    blocks = distance

    def see(self, camera: Camera) -> Seen | None:
        window = camera.window_of(self.centre, self.radius, pad=1)
        if window.empty or min(window.shape) < 2:
            return None
        canvas = _Canvas(camera, window)
        for group in self.groups:
            for face in group:
                if face.normal @ (camera.eye - face.polygon[0]) > 0:
                    canvas.paint(face)
            canvas.cover(np.concatenate([face.polygon for face in group]))
        return canvas.seen()


class _Canvas:
    """What the faces of one thing leave in its window."""

    def __init__(self, camera: Camera, window: Window) -> None:
        self.camera, self.window = camera, window
        h, w = window.shape
        self.alpha, self.gloss = np.zeros((h, w), F), np.zeros((h, w), F)
        self.albedo, self.points, self.normals = (np.zeros((h, w, 3), F) for _ in range(3))
        self.known = np.zeros((h, w), bool)

    def cover(self, points: np.ndarray) -> None:
        hull = cv2.convexHull(self._pixels(points))
        np.maximum(self.alpha, _filled(hull, self.alpha.shape), out=self.alpha)

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        seen = self.camera.project(points)[:, :2] - [self.window.x0, self.window.y0]
        return seen.astype(F)

    def paint(self, face: Face) -> None:
        outline = self._pixels(face.polygon)
        low, high = np.floor(outline.min(0)).astype(int) - 2, np.ceil(outline.max(0)).astype(int) + 3
        x0, y0 = np.maximum(low, 0)
        x1, y1 = np.minimum(high, self.alpha.shape[::-1])
        if x1 <= x0 or y1 <= y0:
            return
        cut = slice(y0, y1), slice(x0, x1)
        cover = _filled(outline - [x0, y0], (y1 - y0, x1 - x0))
        x, y = np.arange(x0, x1) + self.window.x0, np.arange(y0, y1) + self.window.y0
        rays = self.camera.rays(x, y)
        n, eye = face.normal, self.camera.eye
        across = np.tensordot(n, rays, 1)
        t = (n @ (face.polygon[0] - eye)) / np.where(np.abs(across) < 1e-4, -1e-4, across)
        points = np.moveaxis(eye[:, None, None] + rays * t, 0, -1)
        colour = self._printed(face, points, outline)
        fresh = (cover > 0) & ~self.known[cut]
        share = np.where(fresh, F(1), cover)[..., None]
        share[cover == 0] = 0
        self.albedo[cut] += (colour - self.albedo[cut]) * share
        mine = (cover > 0.5) | fresh
        self.points[cut][mine], self.normals[cut][mine], self.gloss[cut][mine] = points[mine], n, face.gloss
        self.known[cut] |= cover > 0

    def _printed(self, face: Face, points: np.ndarray, outline: np.ndarray) -> np.ndarray:
        across, down = face.across, face.down
        off = points - face.corner
        u, v = (off @ across) / (across @ across), (off @ down) / (down @ down)
        shown = max(1.0, np.sqrt(cv2.contourArea(cv2.convexHull(outline))))
        level = int(np.clip(np.log2(max(np.sqrt(np.prod(face.print[0].shape[:2])) / shown, 1)) + 0.2, 0, 9))
        image = face.print[min(level, len(face.print) - 1)]
        h, w = image.shape[:2]
        x, y = u.astype(F) * w - F(0.5), v.astype(F) * h - F(0.5)
        return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) * F(face.tone)

    def seen(self) -> Seen | None:
        self.alpha *= self.known
        inside = self.alpha > 0
        if not inside.any():
            return None
        points, normals = (np.ascontiguousarray(a[inside].T) for a in (self.points, self.normals))
        bent = shared_noise(301, 2.0)  # the paper is never quite flat
        normals += F(0.02) * sample(bent, (points[0] + points[2]) / F(40), (points[1] - points[2]) / F(40))
        return Seen(self.window, self.alpha, points, normals, Look(self.albedo[inside], self.gloss[inside]))


def _filled(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Coverage 0..1 of a convex polygon given in pixels (pixel (0, 0) spans 0..1)."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, np.round((outline - 0.5) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    return mask.astype(F) / 255


def _quad(corners, sheet, gloss: float = 0.12, tone: float = 1.0) -> Face:
    """Corners: upper left, lower left, lower right, upper right as one looks at the print."""
    a, b, c, d = (np.array(p, F) for p in corners)
    return Face(np.stack([a, b, c, d]), a, d - a, b - a, sheet, gloss, tone)


def _placed(faces, pose: np.ndarray, place: np.ndarray) -> list[Face]:
    return [
        Face(
            (f.polygon @ pose.T + place).astype(F),
            f.corner @ pose.T + place,
            f.across @ pose.T,
            f.down @ pose.T,
            f.print,
            f.gloss,
            f.tone,
        )
        for f in faces
    ]


def _walls(faces) -> tuple[np.ndarray, np.ndarray]:
    normals = np.stack([f.normal for f in faces])
    return normals, np.array([f.normal @ f.polygon[0] for f in faces], F)


class Brand(NamedTuple):
    """What all cartons of a batch have in common: sides in cm, and the print."""

    width: float
    depth: float
    body: float
    roof: float
    fin: float
    cap: bool
    design: int
    yaw: float

    @staticmethod
    def drawn(rng: np.random.Generator) -> Brand:
        w = rng.uniform(6.6, 7.6)
        return Brand(
            w,
            w * rng.uniform(0.92, 1.0),
            w * rng.uniform(1.9, 2.7),
            w * rng.uniform(0.42, 0.55),
            rng.uniform(1.3, 1.9),
            bool(rng.random() < 0.5),
            int(rng.integers(print_shop.DESIGNS)),
            rng.normal(0, 0.6) if rng.random() < 0.75 else rng.uniform(0, 6.3),
        )


def carton(rng: np.random.Generator, place: np.ndarray, brand: Brand, *, steep: bool = False) -> Folded:
    """A gable-top milk carton, upright or, more often where the camera looks down steeply, lying; 18 to 25 cm tall."""
    w, d, h, roof, fin, *_ = brand
    ink = print_shop.design(brand.design)
    x, z, top = w / 2, d / 2, h + roof
    lean = roof * 0.12
    body = [
        _quad([(-x, h, z), (-x, 0, z), (x, 0, z), (x, h, z)], ink.front),
        _quad([(x, h, -z), (x, 0, -z), (-x, 0, -z), (-x, h, -z)], ink.front),
        _quad([(x, h, z), (x, 0, z), (x, 0, -z), (x, h, -z)], ink.side),
        _quad([(-x, h, -z), (-x, 0, -z), (-x, 0, z), (-x, h, z)], ink.side),
        _quad([(-x, 0, z), (-x, 0, -z), (x, 0, -z), (x, 0, z)], ink.paper),
    ]
    gussets = []
    for side in (1, -1):
        apex = (side * (x - roof * 0.62), top, 0)
        ends = [(side * x, h, side * z), (side * x, h, -side * z)]
        low = np.array([ends[0], ends[1], apex], F)
        gussets.append(Face(low, low[0], low[1] - low[0], np.array([0, -roof, 0], F), ink.roof, 0.1, 0.86))
    slopes = [
        _quad([(-x, top, lean * 0), (-x, h, z), (x, h, z), (x, top, 0)], ink.roof),
        _quad([(x, top, 0), (x, h, -z), (-x, h, -z), (-x, top, 0)], ink.roof),
    ]
    t = 0.14
    ridge = [
        _quad([(-x, top + fin, t), (-x, top - 0.2, t), (x, top - 0.2, t), (x, top + fin, t)], ink.fin),
        _quad([(x, top + fin, -t), (x, top - 0.2, -t), (-x, top - 0.2, -t), (-x, top + fin, -t)], ink.fin),
        _quad([(x, top + fin, t), (x, top - 0.2, t), (x, top - 0.2, -t), (x, top + fin, -t)], ink.paper),
        _quad([(-x, top + fin, -t), (-x, top - 0.2, -t), (-x, top - 0.2, t), (-x, top + fin, t)], ink.paper),
        _quad([(-x, top + fin, -t), (-x, top + fin, t), (x, top + fin, t), (x, top + fin, -t)], ink.paper),
    ]
    cap = _cap(ink, h, roof, z, x) if brand.cap else []
    lies = rng.random() < (0.45 if steep else 0.07)
    if lies:
        onto, rise = (turn(x=-np.pi / 2), z) if rng.random() < 0.6 else (turn(z=np.pi / 2), x)
        pose = turn(y=rng.uniform(0, 6.3)) @ onto
        cap = [] if rise == z and rng.random() < 0.5 else cap
        place = place + np.array([0, rise, 0], F) - pose @ np.array([0, (h + roof) / 2, 0], F) * [1, 0, 1]
    else:
        pose = turn(y=brand.yaw + rng.normal(0, 0.06))
    hull = _placed([*body, *slopes], pose, place)
    body, gussets, slopes, ridge, cap = (_placed(f, pose, place) for f in (body, gussets, slopes, ridge, cap))
    # The roof's overhanging panels hide the gussets' upper edges, so they come last within the body.
    groups = (tuple(gussets + body + slopes), tuple(ridge), tuple(cap))
    middle = np.array([0, (top + fin) / 2, 0], F)
    ball = np.linalg.norm([x, (top + fin) / 2, z])
    walls = (_walls(hull), _walls([*ridge, _under(ridge[4], fin + 0.2)]))
    axis = np.linspace(x, top + fin - x, 6) if lies else np.zeros(1)
    feet = _feet(pose, place, np.stack([0 * axis, axis, 0 * axis]), 0.56 * w)
    return Carton("milk carton", groups, walls, (pose @ middle + place).astype(F), float(ball), feet)


class Carton(Folded):
    """Its roof's front tells in which order cap, body and fin hide each other."""

    def see(self, camera: Camera) -> Seen | None:
        body, fin, cap = self.groups
        front = body[7]
        faces_us = front.normal @ (camera.eye - front.polygon[0]) > 0
        order = (body, fin, cap) if faces_us else (cap, body, fin)
        return Folded(self.name, tuple(g for g in order if g), self.walls, self.centre, self.radius, self.feet).see(
            camera
        )


def _feet(pose: np.ndarray, place: np.ndarray, points: np.ndarray, radius: float) -> np.ndarray:
    """Discs under points (3, n) of a thing's own frame."""
    x, _, z = pose @ points + place[:, None]
    return np.stack([x, z, np.full(x.shape, radius)], 1).astype(F)


def _under(lid: Face, depth: float) -> Face:
    moved = lid.polygon[::-1] - lid.normal * F(depth)
    return Face(moved, lid.corner, lid.across, lid.down, lid.print)


def _cap(ink, h: float, roof: float, z: float, x: float) -> list[Face]:
    """A screw cap in the middle of the roof's front."""
    n = 20
    slope = np.array([0, roof, -z]) / np.hypot(roof, z)
    out = np.array([0, z, roof]) / np.hypot(roof, z)
    centre, side, r, tall = np.array([0, h + roof / 2, z / 2]), np.array([1.0, 0, 0]), min(1.35, x * 0.38), 1.2
    a = np.arange(n) / n * 2 * np.pi
    ring = centre + r * (np.cos(a)[:, None] * side + np.sin(a)[:, None] * slope)
    lid = ring + tall * out
    wall = [
        _quad([lid[i], ring[i], ring[(i + 1) % n], lid[(i + 1) % n]], ink.cap, 0.3, 0.9 + 0.1 * (i % 2))
        for i in range(n)
    ]
    top = lid.astype(F)
    return [*wall, Face(top, top[0], F(r) * side.astype(F), F(r) * slope.astype(F), ink.cap, 0.35)]


def cuboid(rng: np.random.Generator, place: np.ndarray, *, book: bool = False) -> Folded:
    """A printed box, or a book lying flat: nobody labels them."""
    if book:
        w, h, d = rng.uniform(13, 22), rng.uniform(1.4, 4.5), rng.uniform(10, 15)
    else:
        w, h, d = rng.uniform(8, 18), rng.uniform(10, 26), rng.uniform(3.5, 8)
    ink = print_shop.package(int(rng.integers(print_shop.PACKAGES)), book)
    x, z = w / 2, d / 2
    faces = [
        _quad([(-x, h, z), (-x, 0, z), (x, 0, z), (x, h, z)], ink.front),
        _quad([(x, h, -z), (x, 0, -z), (-x, 0, -z), (-x, h, -z)], ink.back),
        _quad([(x, h, z), (x, 0, z), (x, 0, -z), (x, h, -z)], ink.side),
        _quad([(-x, h, -z), (-x, 0, -z), (-x, 0, z), (-x, h, z)], ink.side),
        _quad([(-x, h, -z), (-x, h, z), (x, h, z), (x, h, -z)], ink.top, 0.2),
        _quad([(-x, 0, z), (-x, 0, -z), (x, 0, -z), (x, 0, z)], ink.side),
    ]
    pose = turn(y=rng.uniform(0, 6.3) if book else rng.normal(0, 0.7))
    faces = _placed(faces, pose, place)
    centre = place + np.array([0, h / 2, 0], F)
    along = np.linspace(-x + z, x - z, 4)
    feet = _feet(pose, place, np.stack([along, 0 * along, 0 * along]), z * 1.1)
    return Folded("", (tuple(faces),), (_walls(faces),), centre, float(np.linalg.norm([x, h / 2, z])), feet)
