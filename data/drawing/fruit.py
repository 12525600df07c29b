"""Apples and bananas."""

from __future__ import annotations

import numpy as np

from .light import F, mix, rgb, sample, shared_noise, step
from .solids import Look, Part, Solid, capsule, disc, turn

# skin in the shade, skin in the sun, streaks, share of the skin that the sun reached
VARIETIES = (
    ("c9b53a", "a5101c", "7c0a14", 0.85),  # Gala
    ("a01420", "860c18", "5a0710", 0.90),  # Red Delicious
    ("86a33c", "97ad4a", "a9bd62", 0.25),  # Granny Smith
    ("d6c24a", "d98a3a", "c9a53a", 0.30),  # Golden Delicious
    ("b7bd45", "c0202a", "a01620", 0.55),  # Braeburn
    ("d8c35a", "d0323a", "b51f2c", 0.70),  # Pink Lady
    ("a9c048", "b8242c", "981a22", 0.35),  # McIntosh
)


def apple(rng: np.random.Generator, place: np.ndarray) -> Solid:
    """An apple of 3.2 to 4.4 cm radius on the floor, more or less upright; a stem, sometimes a leaf."""
    size = rng.uniform(3.2, 4.4)
    tilt = rng.uniform(0, 0.5) if rng.random() < 0.75 else rng.uniform(0.5, 2.6)
    pose = turn(y=rng.uniform(0, 6.3)) @ turn(z=tilt) @ turn(y=rng.uniform(0, 6.3))
    squash, taper, lobes = rng.uniform(0.86, 1.0), rng.uniform(0.02, 0.09), rng.uniform(0, 0.04)
    skew = rng.uniform(0, 0.04)

    def body(p: np.ndarray) -> np.ndarray:
        x, y, z = p[0], p[1] / F(squash), p[2]
        r = np.sqrt(x * x + y * y + z * z) + F(1e-6)
        c = y / r
        flat = 1 - c * c
        wave = (x * x - z * z) / (r * r) * skew
        if lobes > 0.01:  # five bumps around the blossom's end
            a, under = x / r, np.square(np.minimum(c - 0.2, 0))
            a2 = a * a
            wave = wave + lobes * a * (16 * a2 * a2 - 20 * a2 * flat + 5 * flat * flat) * under
        want = 1 - 0.40 * np.exp((c - 1) * 11) - 0.22 * np.exp((-c - 1) * 14) + taper * c + wave
        return (r - want) * F(0.72)

    skin = _skin(rng)
    grid = np.stack(np.meshgrid(*[np.linspace(-1.1, 1.1, 24)] * 3)).reshape(3, -1).astype(F)
    lowest = (pose @ grid[:, body(grid) < 0.03])[1].min()
    centre = place + np.array([0, -lowest * size, 0], F)
    parts = [Part(body, skin, pose, centre, size)]
    lean = rng.uniform(-0.18, 0.18, 2)
    if rng.random() < 0.9:
        stem = capsule((0, 0.5 * squash, 0), (lean[0], 1.02 * squash + 0.08, lean[1]), 0.035, 0.06)
        parts.append(Part(stem, _stick("5b4023", "7a6a3a"), pose, centre, size))
        if rng.random() < 0.35:
            parts.append(_leaf(rng, pose, centre, size, np.array([lean[0] * 0.7, 0.9 * squash, lean[1] * 0.7], F)))
    return Solid("apple", tuple(parts), centre, size * (1.45 if len(parts) > 2 else 1.2), disc(place, size * 0.97))


def _skin(rng: np.random.Generator):
    shade, sun, streak, share = VARIETIES[rng.integers(len(VARIETIES))]
    shade, sun, streak = rgb(shade), rgb(sun), rgb(streak)
    shade, sun = shade * rng.uniform(0.85, 1.15), sun * rng.uniform(0.85, 1.15)
    u0, v0 = rng.random(2)
    side = turn(x=rng.uniform(-0.5, 0.5), y=rng.uniform(0, 6.3))[:, 0]
    stretched, mottled, dots = shared_noise(201, 1.3, 1 / 14), shared_noise(202, 1.8), shared_noise(203, 0.35)
    wax = rng.uniform(0.55, 1.0)

    def look(p: np.ndarray, n: np.ndarray) -> Look:
        around = np.arctan2(p[0], p[2]) / F(2 * np.pi)
        r = np.sqrt((p * p).sum(0))
        c = p[1] / r
        lines = sample(stretched, around * 1 + u0, c * 0.12 + v0)
        patch = sample(mottled, around + u0, c * 0.3 + v0)
        lit = share * 2.2 - 1.1 + 0.8 * (side @ p) / r + 0.42 * patch + 0.22 * lines
        colour = mix(shade, sun, step(-0.6, 0.7, lit))
        colour = mix(colour, streak, np.clip(lines * 0.45 - 0.1, 0, 0.7) * step(-0.9, 0.4, lit))
        pale = sample(dots, around * 2 + v0, c * 0.7 + u0)
        colour = mix(colour, rgb("e8d9a0"), np.clip((pale - 2.1) * 0.9, 0, 0.42))
        colour *= (1 + 0.05 * patch)[:, None]
        rust = step(0.90, 0.985, c + 0.012 * patch) * (np.hypot(p[0], p[2]) < 0.42)
        colour = mix(colour, mix(rgb("7d8a35"), rgb("6b4c22"), step(0.955, 1.0, c)), 0.8 * rust)
        cup = step(-0.93, -0.995, c)
        colour = mix(colour, rgb("3c2a14"), 0.75 * cup)
        return Look(colour, (wax * (1 - 0.8 * rust) * (1 - cup)).astype(F))

    return look


def _stick(dark: str, light: str):
    def look(p: np.ndarray, n: np.ndarray) -> Look:
        tone = sample(shared_noise(204, 1.0), p[0] * 0.6, p[1] * 0.3)
        return Look(mix(rgb(dark), rgb(light), np.clip(0.4 + 0.3 * tone, 0, 1)), np.full(p.shape[1], 0.05, F))

    return look


def _leaf(rng: np.random.Generator, pose: np.ndarray, centre: np.ndarray, size: float, root: np.ndarray) -> Part:
    length, width = rng.uniform(0.75, 1.0), rng.uniform(0.26, 0.34)
    bend, green = rng.uniform(0.2, 0.55), rgb(("3f7a22", "5a8f2a", "35661e")[rng.integers(3)])

    def blade(p: np.ndarray) -> np.ndarray:
        s = p[0] / length
        half = width * np.sqrt(np.clip(s * (1 - s) * 4, 0, 1)) * (1.15 - 0.4 * s)
        lift = p[1] + bend * s * s - 0.35 * np.abs(p[2]) * (1 - s * 0.4)
        out_x = np.maximum(np.maximum(-p[0], p[0] - length), 0)
        out_z = np.maximum(np.abs(p[2]) - half, 0)
        return (np.sqrt(out_x**2 + out_z**2 + np.maximum(np.abs(lift) - 0.012, 0) ** 2) - F(0.008)) * F(0.6)

    def look(p: np.ndarray, n: np.ndarray) -> Look:
        rib = np.exp(-np.abs(p[2]) * 70) + 0.5 * np.exp(-np.abs(((p[0] - np.abs(p[2]) * 0.8) * 9) % 1 - 0.5) * 16)
        mottle = sample(shared_noise(202, 1.8), p[0], p[2])
        return Look(mix(green, rgb("a9c46a"), np.clip(rib * 0.45 + 0.06 * mottle, 0, 1)), np.full(p.shape[1], 0.3, F))

    own = turn(y=rng.uniform(0, 6.3)) @ turn(z=rng.uniform(0.1, 0.7))
    return Part(blade, look, pose @ own, centre + pose @ root * F(size), size)


# where along a banana (-1 blossom .. 1 stalk) it is how thick
_ALONG = np.array([-1.0, -0.97, -0.9, -0.72, -0.4, 0.0, 0.4, 0.62, 0.74, 0.82, 0.95, 1.0])
_THICK = np.array([0.20, 0.27, 0.46, 0.80, 0.97, 1.0, 0.96, 0.78, 0.50, 0.34, 0.27, 0.30])
_FINE = np.linspace(-1, 1, 2048)
_PROFILE = np.interp(_FINE, _ALONG, _THICK)
_PROFILE = np.convolve(np.pad(_PROFILE, 60, mode="edge"), np.ones(121) / 121, "valid").astype(F)


def bananas(rng: np.random.Generator, place: np.ndarray) -> Solid:
    """One banana, or a hand of two to five, on the floor; 15 to 20 cm long."""
    count = int(rng.choice([1, 1, 1, 2, 3, 4, 5]))
    length, thick = rng.uniform(15, 20), rng.uniform(1.55, 1.95)
    half = rng.uniform(0.55, 0.85)  # of the arc, radians
    ripeness = rng.uniform(0, 1)
    heading = turn(y=rng.uniform(0, 6.3))
    parts: list[Part] = []
    if count == 1:
        flat = rng.uniform(1.25, 1.5) * rng.choice([-1, 1]) if rng.random() < 0.8 else rng.uniform(-0.3, 0.3)
        parts.append(_banana(rng, length, thick, half, ripeness, heading @ turn(x=flat), np.zeros(3, F)))
    else:
        lying = rng.random() < 0.5
        for i in range(count):
            spread = (i - (count - 1) / 2) * rng.uniform(0.16, 0.22)
            own = turn(y=spread) @ turn(x=spread * 0.9 + rng.normal(0, 0.03))
            whole = turn(x=1.2) if lying else turn(x=rng.uniform(-0.15, 0.15))
            arc = length / (2 * half)
            stalk = np.array([arc * np.sin(half), arc * np.cos(half) - arc, 0], F) * 0.97
            pose = whole @ own
            aside = whole @ np.array([0, 0, -(i - (count - 1) / 2) * 0.55 * thick], F)
            parts.append(
                _banana(
                    rng,
                    length * rng.uniform(0.93, 1.05),
                    thick,
                    half,
                    ripeness,
                    heading @ pose,
                    heading @ (aside - pose @ stalk),
                )
            )
    lowest = min(_reach(part, length, half, thick)[:, 1].min() for part in parts)
    middle = np.concatenate([_reach(part, length, half, 0) for part in parts])
    centre = (middle.min(0) + middle.max(0)) / 2
    shift = place + np.array([-centre[0], -lowest, -centre[2]], F)
    moved = tuple(Part(p.distance, p.look, p.turn, (p.place + shift).astype(F), p.scale) for p in parts)
    radius = np.linalg.norm(middle - centre, axis=1).max() + thick * 1.15
    feet = np.concatenate([_reach(part, length, half, 0)[::9] for part in moved])[:, [0, 2, 1]]
    feet[:, 2] = thick
    return Solid("banana", moved, (centre + shift).astype(F), float(radius), feet.astype(F))


def _reach(part: Part, length: float, half: float, thick: float) -> np.ndarray:
    """World points (64, 3) along the middle line, lowered by the thickness there."""
    a = np.linspace(-1, 1, 64) * half
    arc = length / (2 * half)
    line = np.stack([arc * np.sin(a), arc * np.cos(a) - arc, 0 * a])
    points = (part.turn @ line).T * part.scale + part.place
    return points - np.array([0, 1, 0]) * (thick * np.interp(a / half, _FINE, _PROFILE))[:, None]


def _banana(rng, length, thick, half, ripeness, pose, place) -> Part:
    arc = F(length / (2 * half))
    half, thick = F(half * rng.uniform(0.96, 1.04)), F(thick)
    phase = rng.uniform(0, 6.3)

    def coordinates(p: np.ndarray) -> tuple[np.ndarray, ...]:
        y = p[1] + arc
        a = np.clip(np.arctan2(p[0], y), -half, half)
        sin, cos = np.sin(a), np.cos(a)
        out, along = p[0] * sin + y * cos - arc, p[0] * cos - y * sin
        return a / half, out, along, p[2]

    def distance(p: np.ndarray) -> np.ndarray:
        s, out, along, side = coordinates(p)
        off = np.sqrt(out * out + side * side) + F(1e-6)
        c, sn = out / off, side / off
        five = _cos5(c, sn, phase)  # the five ridges
        want = _PROFILE[((s + 1) * 1023.5).astype(np.int32)] * thick * (1 + F(0.045) * five)
        return (np.sqrt(off * off + along * along) - want) * F(0.85)

    return Part(distance, _peel(rng, coordinates, ripeness, phase), pose.astype(F), place.astype(F))


def _cos5(c: np.ndarray, s: np.ndarray, phase: float) -> np.ndarray:
    """cos(5 angle + phase) from the angle's cosine and sine, without the angle."""
    c2, s2 = c * c - s * s, 2 * c * s
    c4, s4 = c2 * c2 - s2 * s2, 2 * c2 * s2
    c5, s5 = c4 * c - s4 * s, s4 * c + c4 * s
    return c5 * F(np.cos(phase)) - s5 * F(np.sin(phase))


def _peel(rng: np.random.Generator, coordinates, ripeness: float, phase: float):
    u0, v0 = rng.random(2)
    yellow = rgb(("dcae22", "e2b732", "d6a52c", "dfb944")[rng.integers(4)]) * rng.uniform(0.9, 1.08)
    green, brown, black = rgb("8a9c35"), rgb("553413"), rgb("1c140c")
    mottled, fine, fibres = shared_noise(211, 1.7), shared_noise(212, 0.8), shared_noise(213, 1.1, 9)

    def look(p: np.ndarray, n: np.ndarray) -> Look:
        s, out, _, side = coordinates(p)
        around = np.arctan2(side, out)
        u, v = s * 0.42 + u0, around / F(2 * np.pi) * 0.5 + v0
        patch, grain = sample(mottled, u, v), sample(fine, u * 1.5, v * 3)
        fibre = sample(fibres, u * 0.8, v * 4)
        ends = np.clip(np.abs(s) * 2.2 - 1.35 + 0.22 * patch, 0, 1)
        colour = mix(yellow * (1 + 0.06 * patch + 0.035 * fibre)[:, None], green, ends * (0.9 - 0.75 * ripeness))
        ridge = np.exp((np.cos(5 * around + phase) - 1) * 14) * step(0.92, 0.7, np.abs(s))
        rim = mix(green * 0.75, brown, ripeness)
        colour = mix(colour, rim, np.clip(ridge * (0.34 + 0.22 * fibre), 0, 0.75))
        spots = step(2.15 - 1.1 * ripeness, 2.6 - 1.0 * ripeness, grain + 0.45 * patch)
        bruise = step(1.9 - 0.5 * ripeness, 2.6 - 0.5 * ripeness, patch) * ripeness
        scratch = step(2.1, 2.9, fibre + 0.4 * patch) * (0.3 + 0.5 * ripeness)
        colour = mix(colour, brown, np.clip(0.75 * spots + 0.5 * bruise + 0.6 * scratch, 0, 0.85))
        stalk = step(0.80, 0.90, s + 0.02 * patch)
        colour = mix(colour, mix(rgb("9b9a3a"), rgb("6b5424"), ripeness), 0.75 * stalk)
        colour = mix(colour, brown * 0.6, step(0.965, 0.99, s))
        colour = mix(colour, black, step(-0.90, -0.975, s + 0.015 * patch))
        return Look(colour, (0.26 * (1 - stalk) * (1 - spots)).astype(F))

    return look
