"""Round things that nobody labels: mugs, plates, balls, bottles, cans."""

from __future__ import annotations

import numpy as np

from .light import F, mix, rgb, sample, shared_noise, step
from .solids import Look, Part, Solid, disc, revolved, turn

GLAZES = ("f2efe8", "2f4f6f", "6e8f7a", "c9b79c", "34383c", "b5654a", "e7c873", "8fa9bf")


def _plain(colour: str, gloss: float, seed: int = 501):
    base, n = rgb(colour), shared_noise(seed, 1.5)

    def look(p: np.ndarray, normals: np.ndarray) -> Look:
        tone = sample(n, p[0] * 0.08, p[1] * 0.08 + p[2] * 0.05)
        return Look(base * (1 + 0.03 * tone)[:, None], np.full(p.shape[1], gloss, F))

    return look


def mug(rng: np.random.Generator, place: np.ndarray) -> Solid:
    """A mug with a handle, coffee in it or not."""
    r, h = rng.uniform(3.6, 4.6), rng.uniform(7.5, 10.5)
    taper = rng.uniform(0.82, 1.0)
    wall = 0.35
    outline = [(0, 0), (r * taper - 0.3, 0), (r * taper, 0.4), (r, h), (r - wall, h), (r * taper - wall, 0.9), (0, 0.9)]
    colour = GLAZES[rng.integers(len(GLAZES))]
    inner, coffee, level = rgb("f2efe8"), rgb("2a1509"), h * rng.uniform(0.6, 0.85)
    band, ink = rng.uniform(0.2, 0.6) * h, rgb(GLAZES[rng.integers(len(GLAZES))])
    striped = rng.random() < 0.5
    outer = _plain(colour, 0.75)
    cup = revolved(np.array(outline), 0.08)
    drink = (
        revolved(np.array([(0, 0.5), (r * 0.8, 0.5), (r - wall, level), (0, level)])) if rng.random() < 0.5 else None
    )

    def body(p: np.ndarray) -> np.ndarray:
        return cup(p) if drink is None else np.minimum(cup(p), drink(p))

    def look(p: np.ndarray, n: np.ndarray) -> Look:
        found = outer(p, n)
        albedo = found.albedo
        if striped:
            albedo = mix(albedo, ink, step(0.1, 0, np.abs(p[1] - band) - 0.5))
        inside = np.hypot(p[0], p[2]) < r * (taper + (1 - taper) * p[1] / h) - 0.2
        deep = np.clip(p[1] / h, 0.25, 1)
        albedo = np.where((inside & (p[1] < h - 0.02))[:, None], inner * deep[:, None], albedo)
        if drink is not None:
            albedo = np.where((inside & (p[1] < level + 0.1))[:, None], coffee, albedo)
        return Look(albedo, found.gloss)

    ring, bar = r * 0.62, rng.uniform(0.42, 0.6)

    def handle(p: np.ndarray) -> np.ndarray:
        x, y = p[0] - r * 0.92, (p[1] - h * 0.52) / 1.15
        off = np.hypot(np.hypot(x, y) - ring, p[2])
        outside = r * (taper + (1 - taper) * p[1] / h) - F(0.12) - np.hypot(p[0], p[2])
        return np.maximum(off - bar, outside) * F(0.85)

    pose = turn(y=rng.uniform(0, 6.3))
    parts = (Part(body, look, pose, place), Part(handle, outer, pose, place))
    centre = place + pose @ np.array([r * 0.3, h / 2, 0], F)
    bulk = Part(revolved(np.array([(0, 0), (r * taper, 0), (r, h), (0, h)]), 0.08), look, pose, place)
    return Solid(
        "", parts, centre.astype(F), float(np.hypot(r * 1.45, h / 2) + 0.3), disc(centre, r * 1.3), (bulk, parts[1])
    )


def plate(rng: np.random.Generator, place: np.ndarray) -> Solid:
    """A plate, or a bowl."""
    deep = rng.random() < 0.4
    r, h = (rng.uniform(6, 8), rng.uniform(4, 6)) if deep else (rng.uniform(8, 12), rng.uniform(1.2, 2.0))
    foot = r * 0.55
    outline = [(0, 0), (foot, 0), (r, h), (r - 0.25, h + 0.15), (foot - 0.2, 0.5), (0, 0.5)]
    glaze = _plain(GLAZES[rng.integers(len(GLAZES))], 0.6)
    rim, has_rim = rgb(GLAZES[rng.integers(len(GLAZES))]), rng.random() < 0.5

    def look(p: np.ndarray, n: np.ndarray) -> Look:
        found = glaze(p, n)
        albedo = found.albedo * (0.78 + 0.22 * np.clip(np.hypot(p[0], p[2]) / r, 0, 1))[:, None]
        if has_rim:
            albedo = mix(albedo, rim, step(0.86 * r, 0.87 * r, np.hypot(p[0], p[2])))
        return Look(albedo, found.gloss)

    part = Part(revolved(np.array(outline), 0.12), look, np.eye(3, dtype=F), place)
    bulk = Part(revolved(np.array([(0, 0), (foot, 0), (r, h), (0, h)]), 0.12), look, np.eye(3, dtype=F), place)
    return Solid(
        "", (part,), place + np.array([0, h / 2, 0], F), float(np.hypot(r, h / 2) + 0.4), disc(place, r), (bulk,)
    )


def ball(rng: np.random.Generator, place: np.ndarray) -> Solid:
    """A tennis ball, a striped ball, or a football."""
    kind = int(rng.integers(3))
    r = (3.3, rng.uniform(3.5, 6), rng.uniform(6, 9))[kind]
    pose = turn(*rng.uniform(0, 6.3, 3))
    fuzz, colours = shared_noise(502, 0.6), [rgb(c) for c in ("1f5fae", "f2f0ea", "e0b020", "2c8c84")]
    corners = _icosahedron()

    def sphere(p: np.ndarray) -> np.ndarray:
        return np.sqrt((p * p).sum(0)) - F(r)

    def look(p: np.ndarray, n: np.ndarray) -> Look:
        u = p / F(r)
        if kind == 0:
            seam = u[1] - 0.62 * (u[0] ** 2 - u[2] ** 2) * np.sign(1)
            felt = rgb("b9cf2a") * (1 + 0.12 * sample(fuzz, u[0], u[1] + u[2]))[:, None]
            return Look(mix(felt, rgb("eceadf"), np.exp(-((seam * 16) ** 2))), np.full(p.shape[1], 0.02, F))
        if kind == 1:
            slot = np.floor((np.arctan2(u[0], u[2]) / (2 * np.pi) + 0.5) * 6).astype(int) % 2
            return Look(np.where((slot == 0)[:, None], colours[0], colours[1]), np.full(p.shape[1], 0.5, F))
        black = step(0.902, 0.91, (corners @ u).max(0))
        return Look(mix(rgb("efede8"), rgb("1a1a1c"), black), np.full(p.shape[1], 0.35, F))

    centre = (place + np.array([0, r, 0])).astype(F)
    return Solid("", (Part(sphere, look, pose, centre),), centre, float(r * 1.02), disc(place, r))


def _icosahedron() -> np.ndarray:
    g = (1 + 5**0.5) / 2
    points = [(0, a, b * g) for a in (-1, 1) for b in (-1, 1)]
    points = [np.roll(p, k) for p in points for k in range(3)]
    return (np.array(points) / np.hypot(1, g)).astype(F)


def bottle(rng: np.random.Generator, place: np.ndarray) -> Solid:
    """A bottle with a label, or a tin can."""
    can = rng.random() < 0.4
    if can:
        r, h = rng.uniform(3.2, 4.2), rng.uniform(8, 12)
        outline = [(0, 0), (r, 0), (r, h), (r - 0.25, h), (r - 0.25, h - 0.3), (0, h - 0.3)]
        low, high = 0.05 * h, 0.94 * h
    else:
        r, h = rng.uniform(2.8, 3.8), rng.uniform(20, 27)
        neck = rng.uniform(1.1, 1.4)
        outline = [(0, 0), (r, 0), (r, h * 0.58), (neck, h * 0.78), (neck, h), (0, h)]
        low, high = 0.12 * h, 0.48 * h
    glass = rgb(("b9bcbf", "1f3a22", "4a2a12", "20242a", "8a2f24", "d8d2c4")[0 if can else rng.integers(1, 6)])
    paper, ink = (
        rgb(c) for c in np.array(("efe6d0", "20405c", "8a6d3b", "3d5a40", "f4f2ec", "5c3350"))[rng.permutation(6)[:2]]
    )
    cap = rgb(("b8902f", "222428", "c9c9c9")[rng.integers(3)])

    def look(p: np.ndarray, n: np.ndarray) -> Look:
        a = np.arctan2(p[0], p[2])
        label = step(low, low + 0.1, p[1]) * step(high, high - 0.1, p[1]) * (np.hypot(p[0], p[2]) > r * 0.9)
        y = (p[1] - low) / (high - low)
        print_ = step(0.10, 0.08, np.abs(y - 0.62)) * step(0.7, 0.65, np.abs(a)) + step(0.02, 0.01, np.abs(y - 0.3))
        print_ += step(0.06, 0.05, np.minimum(np.abs(y - 0.04), np.abs(y - 0.96)))
        albedo = mix(np.broadcast_to(glass, (p.shape[1], 3)), mix(paper, ink, np.clip(print_, 0, 1)), label)
        if not can:
            albedo = mix(albedo, cap, step(0.915 * h, 0.92 * h, p[1]))
        return Look(albedo, (0.15 + 0.7 * (1 - label)).astype(F))

    part = Part(revolved(np.array(outline), 0.1), look, turn(y=rng.normal(0, 0.6)), place)
    return Solid(
        "", (part,), (place + np.array([0, h / 2, 0])).astype(F), float(np.hypot(r, h / 2) + 0.2), disc(place, r)
    )
