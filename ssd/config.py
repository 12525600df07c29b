"""What a single-shot detector is, as one frozen value: a backbone, the maps it predicts from, boxes, their encoding."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

# How 0..255 becomes what a backbone knows, inside the model: [-1, 1]; the same in document 000's two layers; Caffe's
# mean taken away and the channels turned to BGR.
Scaling = Literal["unit", "unit_in_two", "caffe"]


class Extra(NamedTuple):
    """A stage after the last map: 1x1 down to ``reduce`` channels (0: straight on), then a convolution that looks wide.

    ``padding`` "symmetric" is one pixel all round, as Caffe and PyTorch pad. ``after`` names the layer of the backbone
    that the stage begins from; by default it begins from the map before.
    """

    reduce: int
    channels: int
    kernel: int = 3
    stride: int = 2
    padding: str = "same"
    after: str = ""


class LayerNames(NamedTuple):
    """Names of a detector's own layers; {} is the map's number, counted from ``first``."""

    classes: str = "classes_{}_conv"
    boxes: str = "boxes_{}_conv"
    classes_flat: str = "classes_{}"
    boxes_flat: str = "boxes_{}"
    logits: str = "logits"
    offsets: str = "offsets"
    image: str = "image"
    first: int = 1


HOUSE_NAMES = LayerNames()


@dataclass(frozen=True, slots=True)
class Config:
    """What a single-shot detector is: where it looks, with which boxes, and how boxes are matched and encoded.

    ``scales`` are shares of the image's shorter side, one a map and one more for the last geometric-mean box. Maps are
    the sources first, then the extras.
    """

    name: str
    image_size: tuple[int, int]  # height, width
    backbone: str  # a module of ssd.backbones
    alpha: float  # width multiplier of the backbone
    sources: tuple[str, ...]  # layers of the backbone whose outputs predict boxes
    extras: tuple[Extra, ...]
    scales: tuple[float, ...]
    aspect_ratios: tuple[tuple[float, ...], ...]  # for each map
    two_boxes_for_ar1: bool | tuple[bool, ...] = True  # of all maps, or of each
    separable: bool = False  # depthwise-separable heads and extras, as in SSDLite
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    pos_iou: float = 0.5  # anchors from here on are positive
    neg_iou: float = 0.3  # anchors from here on, but not positive, are neutral
    steps: tuple[float, ...] | None = None  # pixels between the cells of each map; None: the image is shared out evenly
    clip: bool | str = False  # of anchors at the image's border, see `ssd.anchors`
    scaling: Scaling = "unit"
    backbone_options: tuple[tuple[str, Any], ...] = ()  # names and values, for ``features`` of the backbone
    l2_normalized: tuple[str, ...] = ()  # sources that are brought to length 20 at each place before their heads
    head_kernel: int = 3
    batch_norm: bool = False  # in extras and separable heads, instead of a bias
    activation: str = "relu6"  # of extras and separable heads
    head_initializer: str = "glorot_normal"
    l2_reg: float = 0.0  # weight decay of heads and extras
    names: LayerNames = HOUSE_NAMES
    source: str = ""  # where this detector was published

    @property
    def two_boxes(self) -> tuple[bool, ...]:
        """For each map: is there a geometric-mean box?"""
        given = self.two_boxes_for_ar1
        return (given,) * len(self.aspect_ratios) if isinstance(given, bool) else given

    @property
    def boxes_per_cell(self) -> tuple[int, ...]:
        """Anchors in one cell of each map."""
        return tuple(len(r) + two * r.count(1) for r, two in zip(self.aspect_ratios, self.two_boxes, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """The config that `to_dict` wrote, now or before there were as many fields."""
        read = {key: _tuples(value) for key, value in values.items()}
        if "names" in read:
            read["names"] = LayerNames(*read["names"])
        return cls(**{**read, "extras": tuple(Extra(*extra) for extra in read["extras"])})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value
