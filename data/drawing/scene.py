"""A whole picture: a place, a light, things on the table, and the camera that takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from . import surfaces
from .backdrops import backdrop
from .folded import carton, cuboid
from .fruit import apple, bananas
from .light import Camera, F, rgb, sample, step
from .shading import Lamp, film, floor_light, shade
from .solids import Seen
from .tableware import ball, bottle, mug, plate

CLASSES = ("apple", "banana", "milk carton")
NEGATIVES = (mug, mug, plate, ball, bottle, bottle, cuboid, lambda rng, place: cuboid(rng, place, book=True))
SMALLEST, LARGEST = 0.08, 0.70  # of a box's longer side, in the picture's shorter side


class Setting(NamedTuple):
    """Where a picture is taken: floor, backdrop, how far behind the table ends, and how the light may be."""

    floors: tuple[str, ...]
    behind: tuple[str, ...]  # surfaces of a wall at the table's edge, or backdrops far away
    edge: tuple[float, float]  # cm behind the middle
    pitch: tuple[float, float]  # how far the camera looks down, radians
    warmth: tuple[float, float]


SETTINGS = (
    Setting(("wood",), ("room", "evening", "wall", "garden"), (22, 70), (0.25, 0.75), (-0.1, 0.3)),
    Setting(("wood", "marble", "granite"), ("metro", "tiles", "concrete"), (12, 40), (0.25, 0.7), (-0.1, 0.25)),
    Setting(("cloth", "linen"), ("room", "garden", "wall"), (25, 70), (0.3, 0.8), (-0.1, 0.25)),
    Setting(
        ("wood", "cloth", "linen", "marble", "granite", "tiles", "concrete"),
        ("wall",),
        (200, 300),
        (0.9, 1.45),
        (-0.1, 0.2),
    ),
    Setting(("grass",), ("garden",), (60, 140), (0.35, 1.2), (-0.15, 0.15)),
    Setting(("steel",), ("shop",), (10, 16), (0.05, 0.3), (-0.2, 0.1)),
    Setting(("plain",), ("plain",), (25, 60), (0.15, 0.6), (-0.1, 0.1)),
    Setting(("concrete", "granite"), ("garden", "wall", "room"), (25, 80), (0.3, 0.9), (-0.2, 0.2)),
)
SHARES = np.array([0.22, 0.16, 0.15, 0.14, 0.07, 0.10, 0.08, 0.08])


@dataclass(frozen=True)
class Stage:
    """All that a scene has but its things."""

    camera: Camera
    lamp: Lamp
    setting: Setting
    floor: tuple[str, int]
    behind: tuple[str, int]
    edge: float
    spin: float  # of the floor's texture and of the table's edge
    tilt: float
    shift: np.ndarray  # (4,)


def draw_scene(
    rng: np.random.Generator,
    size: tuple[int, int],
    classes_weights: Mapping[str, float] | None = None,
    *,
    supersample: int = 1,
    things: tuple[int, int] = (1, 5),
) -> tuple[np.ndarray, list[tuple[str, tuple[int, int, int, int], bool, bool]]]:
    """One picture: uint8 RGB (height, width, 3), and its objects as (name, (xmin, ymin, xmax, ymax), truncated, difficult).

    ``size`` is (width, height). ``classes_weights`` says how often each class is drawn; classes without a weight are not.
    ``things``: how many labelled objects are tried, at least and at most. Boxes are pixel edges, tight around what is
    visible; ``truncated`` where the box touches the border, ``difficult`` where less than half is visible.
    ``supersample`` draws the scene at so many times the size: finer edges and textures, slower.
    """
    w, h = size[0] * supersample, size[1] * supersample
    stage = _stage(rng, w, h)
    wanted = _wanted(rng, classes_weights, things)
    solids = _arrange(rng, stage, wanted)
    shown = _visible(stage.camera, solids)
    picture = _expose(rng, stage, shown, supersample)
    objects = [(s.name, _scaled(box, supersample), truncated, hard) for s, _, box, truncated, hard in shown if s.name]
    return picture, objects


def _scaled(box: np.ndarray, k: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return int(x0 // k), int(y0 // k), int(-(-x1 // k)), int(-(-y1 // k))


def _wanted(rng, weights, things: tuple[int, int]) -> list[str]:
    weights = dict.fromkeys(CLASSES, 1.0) if weights is None else weights
    if unknown := set(weights) - set(CLASSES):
        raise ValueError(f"unknown classes {sorted(unknown)}; there are {CLASSES}")
    share = np.array([weights.get(name, 0.0) for name in CLASSES])
    count = int(rng.integers(things[0], things[1] + 1))
    if not share.sum() or not count:
        return []
    return [CLASSES[i] for i in rng.choice(len(CLASSES), count, p=share / share.sum())]


def _stage(rng: np.random.Generator, w: int, h: int) -> Stage:
    setting = SETTINGS[rng.choice(len(SETTINGS), p=SHARES)]
    pitch = rng.uniform(*setting.pitch)
    distance = np.exp(rng.uniform(np.log(32), np.log(105)))
    focal = max(w, h) * rng.uniform(1.0, 1.5)
    aim = np.array([0, rng.uniform(2, 8) * np.cos(pitch), 0])
    camera = Camera.at(aim, distance, pitch, rng.normal(0, 0.03), focal, w, h)
    floor = setting.floors[rng.integers(len(setting.floors))], int(rng.integers(surfaces.VARIANTS))
    kind = setting.behind[rng.integers(len(setting.behind))]
    behind = (
        kind,
        floor[1] if kind == "plain" else int(rng.integers(surfaces.VARIANTS if kind in surfaces.FLOORS else 4)),
    )
    return Stage(
        camera,
        _lamp(rng, setting, floor),
        setting,
        floor,
        behind,
        rng.uniform(*setting.edge),
        rng.uniform(-0.4, 0.4) + rng.integers(2) * np.pi / 2 if kind != "shop" else 0.0,
        rng.normal(0, 0.12) if kind != "shop" else 0.0,
        rng.random(4).astype(F),
    )


def _lamp(rng: np.random.Generator, setting: Setting, floor: tuple[str, int]) -> Lamp:
    side, height = rng.uniform(-1.3, 1.3), rng.uniform(0.6, 1.25)
    towards = np.array([np.sin(side) * np.cos(height), np.sin(height), np.cos(side) * np.cos(height)])
    if rng.random() < 0.25:
        towards[2] *= -0.7  # light from behind
        towards /= np.linalg.norm(towards)
    warm = rng.uniform(*setting.warmth)
    tint = np.array([1 + 0.5 * warm, 1.0, 1 - 0.6 * warm])
    strength = rng.uniform(1.0, 2.2)
    sky = np.array([0.92, 0.97, 1.06]) * rng.uniform(0.55, 0.95)
    ground = surfaces.floor(floor[0], floor[1], 6).mean((0, 1))
    outdoors = setting.floors == ("grass",)
    softness = rng.uniform(0.03, 0.08) if outdoors else rng.uniform(0.08, 0.35)
    bounce = ground * (strength * towards[1] * tint + sky) * 0.75
    colours = (np.asarray(a, F) for a in (towards, strength * tint, sky, bounce))
    return Lamp(*colours, softness, rng.random() < 0.6)


def _arrange(rng: np.random.Generator, stage: Stage, wanted: list[str]) -> list:
    """Things on the floor, none within another, labelled ones of a size worth a box."""
    camera, solids = stage.camera, []
    makers = {"apple": apple, "banana": bananas}
    extras = [
        NEGATIVES[i] for i in rng.integers(len(NEGATIVES), size=rng.choice([0, 0, 1, 1, 2, 3]) + (not wanted) * 2)
    ]
    steep = stage.camera.axes[2, 1] < -0.8
    makes = [makers.get(name, lambda r, p: carton(r, p, top_view=steep)) for name in wanted] + extras
    if stage.floor[0] == "grass":
        makes = [m for m in makes if m is not mug]
    for make in makes:
        for _ in range(14):
            place = _spot(rng, stage)
            if place is None:
                continue
            solid = make(rng, place)
            if _fits(camera, solid, solids, stage):
                solids.append(solid)
                break
    return solids


def _spot(rng: np.random.Generator, stage: Stage) -> np.ndarray | None:
    """A place on the floor that the camera sees, before the table's edge."""
    camera = stage.camera
    x, y = rng.uniform(0.0, 1.0) * camera.width, (0.16 + 0.86 * rng.beta(2.2, 1.6)) * camera.height
    ray = camera.rays(np.array([x]), np.array([y]))[:, 0]
    if ray[1] > -0.02:
        return None
    place = camera.eye - ray * (camera.eye[1] / ray[1])
    beyond = -place[2] - stage.tilt * place[0]
    return np.array([place[0], 0, place[2]], F) if beyond < stage.edge - 5 else None


def _fits(camera: Camera, solid, others: list, stage: Stage) -> bool:
    x, y, depth = camera.project(solid.centre[None])[0]
    reach = 2 * camera.focal * solid.radius / depth / min(camera.width, camera.height)
    low, high = (SMALLEST * 1.2, LARGEST * 1.3) if solid.name else (0.05, 1.1)
    if not (low < reach < high and depth > 1.5 * solid.radius):
        return False
    margin = 0.04 if solid.name else -0.1
    if not (margin < x / camera.width < 1 - margin and margin < y / camera.height < 1 - margin):
        return False
    if -solid.centre[2] - stage.tilt * solid.centre[0] > stage.edge - 0.6 * solid.radius:
        return False
    for other in others:
        away = np.hypot(*(solid.centre - other.centre)[[0, 2]])
        if away < _foot(solid) + _foot(other):
            return False
    return True


def _foot(solid) -> float:
    """How far a thing reaches along the floor, about."""
    return solid.radius * (0.72 if solid.name != "milk carton" else 0.42)


def _visible(camera: Camera, solids: list) -> list:
    """(solid, seen, box, truncated, difficult) from the farthest to the nearest; what is too hidden to label is gone."""
    looks = [(s, s.see(camera)) for s in sorted(solids, key=lambda s: -np.linalg.norm(s.centre - camera.eye))]
    looks = [(s, seen) for s, seen in looks if seen is not None]
    front = np.zeros((camera.height, camera.width), bool)
    short, kept = min(camera.width, camera.height), []
    for solid, seen in reversed(looks):
        mask = seen.alpha > 0.5
        shown = mask & ~front[seen.window.cut]
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        if not rows.size:
            continue
        x0, y0 = seen.window.x0, seen.window.y0
        box = np.array([columns[0] + x0, rows[0] + y0, columns[-1] + x0 + 1, rows[-1] + y0 + 1])
        sides = (box[2:] - box[:2]) / short
        share = shown.sum() / mask.sum()
        if solid.name and (share < 0.35 or not SMALLEST <= sides.max() <= LARGEST or sides.min() < 0.4 * SMALLEST):
            continue
        edge = bool((box[:2] <= 0).any() or box[2] >= camera.width or box[3] >= camera.height)
        kept.append((solid, seen, box, edge, bool(share < 0.5)))
        front[seen.window.cut] |= mask
    return kept[::-1]


def _expose(rng: np.random.Generator, stage: Stage, shown: list, k: int) -> np.ndarray:
    camera = stage.camera
    bodies = [s for s, *_ in shown]
    picture, depth = _place_behind(stage, bodies, k)
    focus = float(np.median([_depth(camera, s) for s in bodies])) if bodies else 60.0
    aperture = rng.choice([0.0, 0.6, 1.2, 2.2]) * camera.height / 640 * 8
    picture = _out_of_focus(picture, np.abs(1 - focus / depth) * aperture, k)
    for solid, seen, box, *_ in shown:
        colour = shade(
            seen, stage.lamp, camera, [b for b in bodies if b is not solid and _could_shade(stage.lamp, solid, b)]
        )
        blur = abs(1 - focus / _depth(camera, solid)) * aperture * 0.5
        _lay(picture, seen, colour, min(blur, 0.015 * float((box[2:] - box[:2]).max())))
    return _develop(rng, stage, picture, k)


def _depth(camera: Camera, solid) -> float:
    return float(camera.axes[2] @ (solid.centre - camera.eye))


def _could_shade(lamp: Lamp, solid, other) -> bool:
    return float(np.linalg.norm(solid.centre - other.centre)) < 3.5 * (solid.radius + other.radius)


def _place_behind(stage: Stage, bodies: list, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Floor and backdrop, lit: linear RGB (h, w, 3), and how far away each pixel is (h, w)."""
    camera, lamp = stage.camera, stage.lamp
    stride = max(2, round(camera.width / 240))
    h, w = camera.height, camera.width
    rays = camera.rays(*np.meshgrid(np.arange(w), np.arange(h)))
    eye = camera.eye
    t_floor = np.where(rays[1] < -1e-3, -eye[1] / np.minimum(rays[1], -1e-3), F(1e6))
    towards_edge = -rays[2] - F(stage.tilt) * rays[0]  # the edge is a line across the floor
    ahead = stage.edge + eye[2] + stage.tilt * eye[0]
    t_wall = np.where(towards_edge > 1e-3, ahead / np.maximum(towards_edge, 1e-3), F(1e6)).astype(F)
    on_floor = t_floor < t_wall
    x, z = eye[0] + rays[0] * t_floor, eye[2] + rays[2] * t_floor
    floor = _floor(stage, np.where(on_floor, x, 0), np.where(on_floor, z, 0))
    points = np.stack([x, np.where(on_floor, F(0), F(9)), z])[:, stride // 2 :: stride, stride // 2 :: stride]
    key, sky = floor_light(lamp, camera, bodies, np.ascontiguousarray(points), stride)
    key, sky = (cv2.resize(a, (w, h), interpolation=cv2.INTER_LINEAR) for a in (key, sky))
    reach = np.hypot(x, z)
    fall = 1 / (1 + (reach / F(170)) ** 2)  # the lamp is not infinitely far away
    light = key[..., None] * (lamp.colour * lamp.towards[1]) * fall[..., None] + sky[..., None] * lamp.sky * F(0.9)
    wall, far = _wall(stage, rays, t_wall)
    cover = cv2.blur(on_floor.astype(F), (2, 2))[..., None]
    depth = np.where(on_floor, t_floor, np.where(far, F(400), t_wall)).astype(F)
    return np.ascontiguousarray(wall + (floor * light - wall) * cover), depth


def _floor(stage: Stage, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    kind, variant = stage.floor
    camera = stage.camera
    middle = camera.focal / np.linalg.norm(camera.eye)  # pixels in a centimetre
    mip = int(np.clip(np.round(np.log2(surfaces.SIDE / 60 / middle)), 0, 4))
    c, s = F(np.cos(stage.spin)), F(np.sin(stage.spin))
    u, v = (c * x - s * z) / F(60) + stage.shift[0], (s * x + c * z) / F(60) + stage.shift[1]
    return sample(surfaces.floor(kind, variant, mip), u, v)


def _wall(stage: Stage, rays: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, bool]:
    """What is behind the table, lit, and whether it is far away."""
    kind, variant = stage.behind
    eye, lamp = stage.camera.eye, stage.lamp
    near = kind in surfaces.FLOORS
    t = np.minimum(t, 1000)
    x, y = eye[0] + rays[0] * t, eye[1] + rays[1] * t
    if kind == "plain":  # seamless paper: the floor goes on upwards
        z = -stage.edge - np.maximum(y, 0) * 0.4
        colour = _floor(stage, x, z)
        light = lamp.colour * (0.8 * lamp.towards[1]) + lamp.sky * 0.9
        return colour * light * (1 / (1 + (np.hypot(x, y) / 170) ** 2))[..., None], False
    if near:
        mip = 1 if stage.camera.focal / np.linalg.norm(stage.camera.eye) < 14 else 0
        colour = sample(surfaces.floor(kind, variant, mip), x / 60 + stage.shift[2], -y / 60 + stage.shift[3])
        facing = max(float(lamp.towards[2]), 0.12)
        corner = 0.55 + 0.45 * np.clip(y / 6, 0, 1) ** 0.5  # the corner takes light away
        fall = 1 / (1 + ((x - 40 * lamp.towards[0]) ** 2 + y * y) / F(150**2))
        return colour * (lamp.colour * facing + lamp.sky * 0.7) * (corner * fall)[..., None], False
    image = backdrop(kind, variant)
    h, w = image.shape[:2]
    a = rays[0] / -np.minimum(rays[2], -0.2)  # far away: only the direction counts
    b = rays[1] / -np.minimum(rays[2], -0.2)
    if kind == "shop":
        u, v = x / 150 + stage.shift[2], 0.63 - y / 75
    else:
        u, v = a * 0.55 + stage.shift[2], np.clip(0.42 - b * 0.6, 0, 0.99)
    u = np.abs((u % 2) - 1)  # mirrored at its ends
    found = cv2.remap(
        image, (u * (w - 1)).astype(F), (v * (h - 1)).astype(F), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    bright = lamp.colour * 0.35 + lamp.sky * 0.7
    return found * (bright if kind != "evening" else bright * 0.8), kind != "shop"


def _out_of_focus(picture: np.ndarray, circle: np.ndarray, k: int) -> np.ndarray:
    """Blur by each pixel's own circle of confusion: between four blurred pictures."""
    if circle.max() < 0.5:
        return picture
    levels = [picture]
    sigmas = (1.2 * k, 3.0 * k, 7.0 * k)
    for sigma in sigmas:
        small = cv2.resize(picture, None, fx=1 / 2, fy=1 / 2, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / 2)
        levels.append(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    at = np.interp(np.clip(circle / 2, 0, sigmas[-1]), (0, *sigmas), (0, 1, 2, 3)).astype(F)
    return sum(level * np.clip(1 - np.abs(at - i), 0, 1)[..., None] for i, level in enumerate(levels))


def _lay(picture: np.ndarray, seen: Seen, colour: np.ndarray, blur: float) -> None:
    """A thing over the picture, softened a little where it is out of focus."""
    h, w = seen.window.shape
    layer = np.zeros((h, w, 4), F)
    layer[seen.inside, :3], layer[..., 3] = colour * seen.alpha[seen.inside][:, None], seen.alpha
    part = picture[seen.window.cut]
    if blur > 0.4:
        layer = cv2.GaussianBlur(layer, (0, 0), blur, borderType=cv2.BORDER_REPLICATE)
    part *= 1 - layer[..., 3:]
    part += layer[..., :3]


def _develop(rng: np.random.Generator, stage: Stage, picture: np.ndarray, k: int) -> np.ndarray:
    """What the camera makes of the light: exposure, white balance, vignette, noise, 8 bits."""
    if k > 1:
        picture = cv2.resize(picture, None, fx=1 / k, fy=1 / k, interpolation=cv2.INTER_AREA)
    h, w = picture.shape[:2]
    middle = picture[h // 8 :: 4, ::4].mean()
    picture = picture * rng.normal(1, 0.03, 3).astype(F)
    y, x = np.mgrid[0:h, 0:w].astype(F)
    off = ((x / w - 0.5) ** 2 + (y / h - 0.5) ** 2) * 2
    picture *= (1 - F(rng.uniform(0.05, 0.4)) * off)[..., None]
    positive = film(picture, 0.62 / (middle + 0.25) * rng.uniform(0.85, 1.3), rng.uniform(0.1, 0.5))
    grain = rng.uniform(0.004, 0.014)
    luma = rng.standard_normal((h, w, 1), F)
    chroma = cv2.GaussianBlur(rng.standard_normal((h, w, 3), F), (0, 0), 0.8)
    positive = positive + (luma * 0.8 + chroma * 1.2) * F(grain) * (1.2 - positive)
    return (np.clip(positive, 0, 1) * 255 + F(0.5)).astype(np.uint8)


__all__ = ["CLASSES", "draw_scene", "rgb", "step"]
