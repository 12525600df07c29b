"""The floor and what is behind it, with the shadows and the mirror images of what stands there."""

from __future__ import annotations

import cv2
import numpy as np

from . import surfaces
from .backdrops import backdrop
from .darkroom import lay
from .light import F
from .shading import contact, shade, shadow
from .stage import Stage


def scenery(stage: Stage, bodies: list, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Linear RGB (h, w, 3), and the distance of each pixel (h, w). ``k``: how much finer than the final picture."""
    camera = stage.camera
    h, w = camera.height, camera.width
    rays = camera.rays(np.arange(w, dtype=F), np.arange(h, dtype=F))
    eye, tilt = camera.eye, F(stage.tilt)
    t_floor = np.where(rays[1] < -1e-3, -eye[1] / np.minimum(rays[1], F(-1e-3)), F(1e6))
    towards_edge = -rays[2] - tilt * rays[0]
    ahead = F(stage.edge) + eye[2] + tilt * eye[0]
    t_wall = np.where(towards_edge > 1e-3, ahead / np.maximum(towards_edge, F(1e-3)), F(1e6))
    on_floor = t_floor < t_wall
    last_wall = int(np.flatnonzero(~on_floor.all(1)).max(initial=-1)) + 1
    first_floor = int(np.flatnonzero(on_floor.any(1)).min(initial=h))
    picture = np.zeros((h, w, 3), F)
    depth = np.where(on_floor, t_floor, F(400))
    if last_wall:
        colour, far = _wall(stage, rays[:, :last_wall], t_wall[:last_wall])
        picture[:last_wall] = colour
        if not far:
            depth = np.where(on_floor, t_floor, t_wall)
    if first_floor < h:
        part = slice(first_floor, h)
        floor = _floor(stage, rays[:, part], np.minimum(t_floor[part], 1e3), on_floor[part], bodies, k)
        cover = cv2.blur(on_floor[part].astype(F), (2, 2))[..., None]
        picture[part] += (floor - picture[part]) * cover
    return picture, depth


def _floor(stage: Stage, rays: np.ndarray, t: np.ndarray, on_floor: np.ndarray, bodies: list, k: int) -> np.ndarray:
    """The lit floor of the rows that show it."""
    camera, lamp = stage.camera, stage.lamp
    x, z = camera.eye[0] + rays[0] * t, camera.eye[2] + rays[2] * t
    colour = _texture(stage, x, z)
    stride = max(2, round(camera.width / 240))
    rows, columns = (slice(min(stride // 2, n - 1), None, stride) for n in x.shape)
    px, pz, there = x[rows, columns], z[rows, columns], on_floor[rows, columns]
    points = np.stack([px[there], np.zeros(there.sum(), F), pz[there]])
    key, sky = np.ones(px.shape, F), np.ones(px.shape, F)
    key[there], sky[there] = shadow(lamp, points, bodies), contact(points, bodies)
    fall = 1 / (1 + (px * px + pz * pz) / F(170**2))  # the lamp is not infinitely far away
    light = (key * fall)[..., None] * (lamp.colour * lamp.towards[1]) + sky[..., None] * (lamp.sky * F(0.9))
    colour *= cv2.resize(light, x.shape[::-1])
    if stage.polish > 0.01:
        top = camera.height - x.shape[0]
        _mirror(stage, colour, rays, top, bodies, k)
    return colour


def _texture(stage: Stage, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    camera = stage.camera
    middle = camera.focal / np.linalg.norm(camera.eye)  # pixels in a centimetre
    mip = int(np.clip(np.round(np.log2(surfaces.SIDE / 60 / middle)), 0, 4))
    c, s = F(np.cos(stage.spin) / 60), F(np.sin(stage.spin) / 60)
    return surfaces.floor(*stage.floor, mip, c * x - s * z + stage.shift[0], s * x + c * z + stage.shift[1])


def _mirror(stage: Stage, colour: np.ndarray, rays: np.ndarray, top: int, bodies: list, k: int) -> None:
    """What a polished floor shows of the things on it: drawn from below, blurred, stronger at a flat angle."""
    shrink = 2
    camera = stage.camera.mirrored(shrink)
    h, w = colour.shape[:2]
    backlight = stage.lamp.sky * F(0.8)
    layer = np.empty((camera.height, camera.width, 3), F)
    layer[:] = backlight
    for body in sorted(bodies, key=lambda b: -float(np.linalg.norm(b.centre - camera.eye))):
        seen = body.see(camera)
        if seen is not None:
            lay(layer, seen, shade(seen, stage.lamp, camera, []), 0)
    layer = cv2.GaussianBlur(layer, (0, 0), 0.004 * camera.height + 0.6 * k)
    whole = cv2.resize(layer, (layer.shape[1] * shrink, layer.shape[0] * shrink))[top : top + h, :w]
    steep = -rays[1] / np.sqrt((rays * rays).sum(0))  # cosine of the angle to the floor's normal
    share = (F(stage.polish) * (F(0.35) + F(2.6) * (1 - np.clip(steep, 0, 1)) ** 3))[..., None]
    colour *= 1 - share
    colour += share * whole


def _wall(stage: Stage, rays: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, bool]:
    """What is behind the table, lit, and whether it is far away."""
    kind, variant = stage.behind
    eye, lamp = stage.camera.eye, stage.lamp
    t = np.minimum(t, F(1000))
    x, y = eye[0] + rays[0] * t, eye[1] + rays[1] * t
    if kind == "plain":  # seamless paper: the floor goes on upwards
        colour = _texture(stage, x, -F(stage.edge) - np.maximum(y, 0) * F(0.4))
        light = lamp.colour * F(0.8 * lamp.towards[1]) + lamp.sky * F(0.9)
        return colour * light * (1 / (1 + (x * x + y * y) / F(170**2)))[..., None], False
    if kind in surfaces.FLOORS:
        mip = 1 if stage.camera.focal / np.linalg.norm(stage.camera.eye) < 14 else 0
        colour = surfaces.floor(kind, variant, mip, x / F(60) + stage.shift[2], stage.shift[3] - y / F(60))
        facing = max(float(lamp.towards[2]), 0.12)
        corner = F(0.55) + F(0.45) * np.sqrt(np.clip(y / 6, 0, 1))  # the corner takes light away
        fall = 1 / (1 + ((x - F(40 * lamp.towards[0])) ** 2 + y * y) / F(150**2))
        return colour * (lamp.colour * F(facing) + lamp.sky * F(0.7)) * (corner * fall)[..., None], False
    return _backdrop(stage, rays, x, y), kind != "shop"


def _backdrop(stage: Stage, rays: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    kind, variant = stage.behind
    image = backdrop(kind, variant)
    h, w = image.shape[:2]
    if kind == "shop":
        u, v = x / F(150) + stage.shift[2], F(0.63) - y / F(75)
    else:  # far away: only the direction counts
        ahead = -np.minimum(rays[2], F(-0.2))
        u, v = rays[0] / ahead * F(0.55) + stage.shift[2], np.clip(F(0.45) - rays[1] / ahead * F(1.1), 0, F(0.99))
    u = np.abs((u % 2) - 1)  # mirrored at its ends
    found = cv2.remap(image, u * (w - 1), v * (h - 1), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    bright = stage.lamp.colour * F(0.3) + stage.lamp.sky * F(0.7)
    return found * (bright * F(0.7) if kind == "evening" else bright)
