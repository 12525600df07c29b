"""The detectors of the field by name: a preset is one frozen `Config`, and everything else follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ssdprep.record import SsdprepError

PAPER_RATIOS = (1.0, 2.0, 1 / 2, 3.0, 1 / 3)


@dataclass(frozen=True, slots=True)
class Config:
    """What a single-shot detector is: where it looks, with which boxes, and how boxes are matched and encoded.

    ``scales`` are shares of the image's shorter side, one a source and one more for the last geometric-mean box.
    """

    name: str
    image_size: tuple[int, int]  # height, width
    backbone: str
    alpha: float  # width multiplier of the backbone
    sources: tuple[str, ...]  # layers of the backbone whose outputs predict boxes
    extras: tuple[tuple[int, int], ...]  # stride-2 stages after the last source: bottleneck and output channels
    scales: tuple[float, ...]
    aspect_ratios: tuple[tuple[float, ...], ...]  # for each source and extra
    two_boxes_for_ar1: bool = True
    separable: bool = False  # depthwise-separable heads and extras, as in SSDLite
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    pos_iou: float = 0.5  # anchors from here on are positive
    neg_iou: float = 0.3  # anchors from here on, but not positive, are neutral

    @property
    def boxes_per_cell(self) -> tuple[int, ...]:
        """Anchors in one cell of each feature map."""
        return tuple(len(r) + (self.two_boxes_for_ar1 and 1.0 in r) for r in self.aspect_ratios)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """The config that `to_dict` wrote."""
        return cls(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


# Document 004's detector with the sources that the SSD papers on MobileNetV2 take: 28, 14, 7, 4, 2, 1 cells a side.
MOBILENET_V2_SSD_224 = Config(
    name="mobilenet_v2_ssd_224",
    image_size=(224, 224),
    backbone="mobilenet_v2",
    alpha=1.0,
    sources=("block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    extras=((256, 512), (128, 256), (128, 256)),
    scales=(0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05),
    aspect_ratios=(PAPER_RATIOS,) * 6,
)

# The same in a third of the width, with separable heads: trains from random weights in minutes on a laptop.
MOBILENET_V2_035_SSD_224 = Config(
    name="mobilenet_v2_035_ssd_224",
    image_size=(224, 224),
    backbone="mobilenet_v2",
    alpha=0.35,
    sources=("block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    extras=((128, 256), (64, 128), (64, 128)),
    scales=(0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05),
    aspect_ratios=(PAPER_RATIOS,) * 6,
    separable=True,
)

PRESETS = {config.name: config for config in (MOBILENET_V2_SSD_224, MOBILENET_V2_035_SSD_224)}


def preset(name: str) -> Config:
    """The preset of that name; `SsdprepError` names the nearest where there is none."""
    if name in PRESETS:
        return PRESETS[name]
    from difflib import get_close_matches

    near = get_close_matches(name, PRESETS, n=1, cutoff=0.0)[0]
    raise SsdprepError(f"there is no preset {name!r}", f"did you mean {near!r}? All: {', '.join(PRESETS)}")
