"""What things stand on and before: tileable textures in linear light, drawn once and kept."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from .light import F, mix, noise, rgb, sample, step

SIDE = 1024  # pixels of a texture's side
WOODS = (
    ("b98552", "8a5a30", "4a2c14"),
    ("d9b382", "b98a55", "7d5a35"),
    ("7a4b2a", "553018", "2a170b"),
    ("c9a27a", "a87c50", "6b4a2c"),
    ("a9a08f", "867c6c", "4f483e"),
    ("e2c9a4", "cfae80", "a98b62"),
)
CLOTHS = ("b5202c", "1f4e8c", "2f7d4f", "8c8c8c", "d9a520", "3f3f52")
VARIANTS = 6


def _grid() -> tuple[np.ndarray, np.ndarray]:
    a = (np.arange(SIDE, dtype=F) + 0.5) / SIDE
    return np.meshgrid(a, a)


def wood(variant: int) -> np.ndarray:
    """Planks along x with grain, pores and the odd knot; 60 cm a tile."""
    rng = np.random.default_rng([1, variant])
    light, dark, pore = map(rgb, WOODS[variant % len(WOODS)])
    x, y = _grid()
    planks = int(rng.integers(4, 8))
    index = np.floor(y * planks).astype(int) % planks
    shift = rng.random(planks)[index].astype(F)
    warp = noise(variant + 11, (SIDE, SIDE), slope=2.2, stretch=6, finest=0.06)
    fine = noise(variant + 12, (SIDE, SIDE), slope=0.7, stretch=40)
    broad = noise(variant + 13, (SIDE, SIDE), slope=1.4, stretch=14)
    warp, fine, broad = (sample(n, x + shift * 3.7, y + shift) for n in (warp, fine, broad))
    for _ in range(int(rng.integers(1, 5))):  # a knot bends the rings around it
        kx, ky, size = rng.random(), rng.random(), rng.uniform(0.008, 0.016)
        dx, dy = (x - kx + 0.5) % 1 - 0.5, (y - ky + 0.5) % 1 - 0.5
        near = np.exp(-(((dx / 3) ** 2 + dy**2) / size**2))
        warp = warp + 2.6 * near * (index == index[int(ky * SIDE), int(kx * SIDE)])
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (y * planks * 2.2 + warp * 0.75 + shift * 9))
    tone = 0.45 * rings**1.5 + 0.16 * broad + 0.10 * fine + 0.25
    colour = mix(light, dark, np.clip(tone, 0, 1.2))
    colour = mix(colour, pore, np.clip(fine * 0.5 - 0.75, 0, 0.55))
    colour *= (0.82 + 0.36 * rng.random(planks).astype(F))[index][..., None]
    gap = np.abs((y * planks + 0.5) % 1 - 0.5) / planks
    return colour * (0.25 + 0.75 * step(0.0004, 0.0022, gap))[..., None]


def cloth(variant: int) -> np.ndarray:
    """Checked cotton; 60 cm a tile."""
    rng = np.random.default_rng([2, variant])
    colour, white = rgb(CLOTHS[variant % len(CLOTHS)]), rgb("f3f0e8")
    x, y = _grid()
    n = int(rng.integers(7, 16))

    def stripe(a: np.ndarray) -> np.ndarray:
        return step(0.48, 0.52, np.abs((a * n) % 1 - 0.5) * 2)

    share = 0.5 * (stripe(x) + stripe(y))
    threads = np.sin(2 * np.pi * 256 * x) * np.sin(2 * np.pi * 256 * y)
    share = np.clip(share + 0.06 * threads * share, 0, 1)
    folds = noise(variant + 31, (SIDE, SIDE), slope=2.4, finest=0.012)
    light = 1 + 0.05 * threads + 0.05 * folds + 0.02 * noise(variant + 32, (SIDE, SIDE), slope=0.4)
    return mix(white, colour, share) * light[..., None]


def linen(variant: int) -> np.ndarray:
    """Plain woven cloth; 60 cm a tile."""
    base = rgb(("d8cfbf", "e9e6df", "8d9aa5", "c6b08b", "566573", "b8a5a0")[variant % 6])
    warp = noise(variant + 41, (SIDE, SIDE), slope=0.3, stretch=30)
    weft = noise(variant + 42, (SIDE, SIDE), slope=0.3, stretch=30).T
    folds = noise(variant + 43, (SIDE, SIDE), slope=2.4, finest=0.01)
    return base * (1 + 0.07 * warp + 0.07 * weft + 0.05 * folds)[..., None]


def marble(variant: int) -> np.ndarray:
    """Veined stone; 60 cm a tile."""
    base, vein = (rgb(c) for c in (("eceae6", "8f9094"), ("e8e0d3", "a58c6d"), ("34363a", "b9b3a6"))[variant % 3])
    x, y = _grid()
    bend = noise(variant + 51, (SIDE, SIDE), slope=2.0, finest=0.05)
    field = noise(variant + 52, (SIDE, SIDE), slope=2.2, finest=0.05)
    field = sample(field, x + 0.03 * bend, y + 0.02 * bend)
    other = sample(field, x * 2 + 0.3, y * 2 + 0.1 + 0.02 * bend)
    veins = 0.75 * np.exp(-np.abs(field) * 22) + 0.3 * np.exp(-np.abs(other) * 14)
    veins *= 0.45 + 0.4 * np.clip(noise(variant + 53, (SIDE, SIDE), slope=2.2, finest=0.03) + 0.4, 0, 2)
    cloud = noise(variant + 54, (SIDE, SIDE), slope=1.8)
    return mix(base, vein, np.clip(veins, 0, 1)) * (1 + 0.05 * cloud)[..., None]


def granite(variant: int) -> np.ndarray:
    """Speckled worktop; 60 cm a tile."""
    base = rgb(("6d6a68", "3a3b3f", "b9b1a6", "8a7563", "9aa0a3", "54483f")[variant % 6])
    specks = noise(variant + 61, (SIDE, SIDE), slope=0.6)
    more = noise(variant + 62, (SIDE, SIDE), slope=0.9)
    colour = base * (1 + 0.10 * more)[..., None]
    colour = mix(colour, rgb("e8e4dc"), np.clip(specks - 1.5, 0, 1) * 0.6)
    return mix(colour, rgb("141416"), np.clip(-specks - 1.4, 0, 1) * 0.7)


def tiles(variant: int) -> np.ndarray:
    """Glazed square tiles with grout; 60 cm a tile of the texture."""
    rng = np.random.default_rng([7, variant])
    n = int(rng.choice([4, 5, 6]))
    base = rgb(("e6e3dc", "9fb8bd", "cdbfa6", "7f97a8", "e9e9ea", "b7c4a9")[variant % 6])
    return _glazed(base, (n, n), rng, noise(variant + 71, (SIDE, SIDE), slope=1.8))


def metro(variant: int) -> np.ndarray:
    """Brick-laid wall tiles; 60 cm a tile of the texture."""
    rng = np.random.default_rng([8, variant])
    base = rgb(("f1efea", "dfe6e4", "88a08f", "35566b", "e8ddc8", "c9d3d8")[variant % 6])
    return _glazed(base, (8, 4), rng, noise(variant + 81, (SIDE, SIDE), slope=1.8), brick=0.5)


def _glazed(base: np.ndarray, count: tuple[int, int], rng: np.random.Generator, dirt: np.ndarray, brick: float = 0):
    rows, columns = count
    x, y = _grid()
    row = np.floor(y * rows).astype(int)
    gx, gy = x * columns + brick * (row % 2), y * rows
    column = np.floor(gx).astype(int) % columns
    tone = 1 + 0.05 * rng.standard_normal((rows, columns)).astype(F)[row % rows, column]
    ex, ey = (0.5 - np.abs(gx % 1 - 0.5)) / columns, (0.5 - np.abs(gy % 1 - 0.5)) / rows
    edge = np.minimum(ex, ey)
    bevel = step(0.002, 0.008, edge)
    glint = 0.10 * np.exp(-(((edge - 0.005) / 0.002) ** 2)) * np.where(ey < ex, np.where(gy % 1 < 0.5, 1, -1), 0)
    face = base * (tone * (1 + 0.03 * dirt) + glint)[..., None]
    return mix(rgb("8d877c") * (1 + 0.1 * dirt)[..., None], face, bevel)


def concrete(variant: int) -> np.ndarray:
    """Cast concrete or plaster; 60 cm a tile."""
    base = rgb(("9b9a97", "c9c4ba", "75777b", "d9d4cb", "b3a796", "5e6468")[variant % 6])
    n = noise(variant + 91, (SIDE, SIDE), slope=1.5)
    pores = noise(variant + 92, (SIDE, SIDE), slope=0.5)
    return mix(base * (1 + 0.07 * n)[..., None], base * 0.4, np.clip(pores - 2.3, 0, 1))


def grass(variant: int) -> np.ndarray:
    """A lawn from above; 60 cm a tile."""
    rng = np.random.default_rng([10, variant])
    canvas = np.empty((SIDE, SIDE, 3), F)
    canvas[:] = rgb("1d2a10")
    tuft = noise(variant + 101, (SIDE, SIDE), slope=1.6)
    for layer in range(3):
        for x, y, a, b, hue, length in rng.random((9000, 6)):
            px, py = x * SIDE, y * SIDE
            reach = (12 + 26 * length) * (0.8 + 0.25 * layer)
            bend = (a - 0.5) * 1.6
            end = px + np.sin(bend) * reach, py - np.cos(bend) * reach
            tone = (0.22 + 0.30 * layer + 0.12 * tuft[int(py), int(px)]) * (0.75 + 0.5 * b)
            colour = np.array([0.15 + 0.17 * hue, 0.36, 0.06 + 0.05 * hue]) * max(tone, 0.05)
            _line_wrapped(canvas, (px, py), end, colour, 2 if length > 0.8 else 1)
    return canvas


def _line_wrapped(canvas, start, end, colour, width) -> None:
    for dx in (0, SIDE, -SIDE) if not 40 < start[0] < SIDE - 40 else (0,):
        for dy in (0, SIDE, -SIDE) if not 40 < start[1] < SIDE - 40 else (0,):
            a = (round((start[0] + dx) * 16), round((start[1] + dy) * 16))
            b = (round((end[0] + dx) * 16), round((end[1] + dy) * 16))
            cv2.line(canvas, a, b, colour.tolist(), width, cv2.LINE_AA, 4)


def steel(variant: int) -> np.ndarray:
    """White or grey painted metal of a shop's shelf; 60 cm a tile."""
    base = rgb(("dcdcda", "c6cacd", "efeeea", "a3a8ac", "d6d1c4", "e4e6e8")[variant % 6])
    n = noise(variant + 111, (SIDE, SIDE), slope=1.2, stretch=8)
    return base * (1 + 0.03 * n)[..., None]


def plain(variant: int) -> np.ndarray:
    """Seamless studio paper; 60 cm a tile."""
    base = rgb(("e9e9ea", "cfd8dc", "f0e3d2", "a9bcc4", "d9c7c0", "b9c2a5")[variant % 6])
    return base * (1 + 0.01 * noise(variant + 121, (SIDE, SIDE), slope=0.8))[..., None]


FLOORS = {f.__name__: f for f in (wood, cloth, linen, marble, granite, tiles, metro, concrete, grass, steel, plain)}


@cache
def _kept(kind: str, variant: int, mip: int) -> np.ndarray:
    """A texture as 8 bits of the root of linear light: all variants together fit in a process."""
    if mip:
        big = np.square(_kept(kind, variant, mip - 1).astype(F))
        return np.sqrt(cv2.resize(big, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) + F(0.25)).astype(np.uint8)
    light = np.clip(FLOORS[kind](variant), 0.004, 1)
    return (np.sqrt(light) * 255 + 0.5).astype(np.uint8)


def floor(kind: str, variant: int, mip: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A texture by name at coordinates in tiles: linear RGB float32 (..., 3). ``mip`` halves it so many times."""
    root = sample(_kept(kind, variant, mip), u, v).astype(F)
    root *= root
    root *= F(1 / 255**2)
    return root


@cache
def mean(kind: str, variant: int) -> np.ndarray:
    """A texture's mean colour, linear RGB (3,)."""
    return (np.square(_kept(kind, variant, 4).astype(F)) / 255**2).mean((0, 1))
