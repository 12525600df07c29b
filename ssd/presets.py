"""The detectors of the field by name: a preset is one frozen `Config`, and everything else follows from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ssd.config import Config, Extra, LayerNames
from ssdprep.record import SsdprepError

if TYPE_CHECKING:
    from ssd.summarising import PresetFacts

__all__ = ["PRESETS", "Config", "preset", "table"]

PORT_RATIOS = (1.0, 2.0, 1 / 2)  # in the order of Caffe's SSD and of the Keras port
PAPER_RATIOS = (*PORT_RATIOS, 3.0, 1 / 3)
REPORT_RATIOS = (1.0, 2.0, 3.0, 0.5, 0.33)  # as the code behind document 004's report writes them
VOC_SCALES = (0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05)  # of SSD300 on Pascal VOC
EVEN_SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)  # of the MobileNet detectors
WIDE_EXTRAS = (Extra(256, 512), Extra(128, 256), Extra(128, 256), Extra(64, 128))


# Document 004's detector with the sources that the SSD papers on MobileNetV2 take: 28, 14, 7, 4, 2, 1 cells a side.
MOBILENET_V2_SSD_224 = Config(
    name="mobilenet_v2_ssd_224",
    image_size=(224, 224),
    backbone="mobilenet_v2",
    alpha=1.0,
    sources=("block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    extras=(Extra(256, 512), Extra(128, 256), Extra(128, 256)),
    scales=VOC_SCALES,
    aspect_ratios=(PAPER_RATIOS,) * 6,
    source="document 004, with features from before the bottlenecks",
)

# Looking closer, 38, 19 and 10 cells a side, and every box on a map that comes with weights: a few hundred photos teach
# those to place an object better than extra maps, which begin at random. What docs/benchmarks.md recommends.
MOBILENET_V2_SSD_300_FINE = replace(
    MOBILENET_V2_SSD_224,
    name="mobilenet_v2_ssd_300_fine",
    image_size=(300, 300),
    extras=(),
    scales=(0.1, 0.3, 0.6, 0.95),
    aspect_ratios=(PAPER_RATIOS,) * 3,
    source="mobilenet_v2_ssd_224 at 300x300, without its extra maps",
)

# Document 004's in a third of the width, with separable heads: trains from random weights in minutes on a laptop.
MOBILENET_V2_035_SSD_224 = Config(
    name="mobilenet_v2_035_ssd_224",
    image_size=(224, 224),
    backbone="mobilenet_v2",
    alpha=0.35,
    sources=("block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    extras=(Extra(128, 256), Extra(64, 128), Extra(64, 128)),
    scales=VOC_SCALES,
    aspect_ratios=(PAPER_RATIOS,) * 6,
    separable=True,
    source="document 004, a third as wide",
)

# What the code behind document 004's report builds: fewer features, boxes encoded without variances. Its text counts
# five boxes a cell, its code makes six. See `ssd.keras_port.build_model`.
MOBILENET_V2_SSD_224_REPORT = Config(
    name="mobilenet_v2_ssd_224_report",
    image_size=(224, 224),
    backbone="mobilenet_v2",
    alpha=1.0,
    sources=("block_4_add",),
    extras=(
        Extra(0, 1024, kernel=1, stride=1, after="block_12_add"),
        Extra(256, 512, padding="symmetric"),
        Extra(128, 256, padding="symmetric"),
        Extra(128, 256, stride=1, padding="valid"),
        Extra(128, 256, kernel=2, stride=1, padding="valid"),
    ),
    scales=tuple(0.2 + 0.7 * k / 6 for k in range(7)),  # the largest is the extra scale: the last map stays below it
    aspect_ratios=(REPORT_RATIOS,) * 6,
    variances=(1.0, 1.0, 1.0, 1.0),
    clip="pixels",
    activation="relu",
    head_initializer="he_normal",
    names=LayerNames("classes{}", "boxes{}", "classes{}_reshape", "boxes{}_reshape"),
    source="document 004, the report's code",
)

# Two predictors on each of two grids, 19 x 30 and 10 x 15; three boxes a cell, none of them a geometric mean.
MOBILENET_V1_SSD_300X480 = Config(
    name="mobilenet_v1_ssd_300x480",
    image_size=(300, 480),
    backbone="mobilenet_v1",
    alpha=1.0,
    sources=("conv_pw_10_relu", "conv_pw_11_relu", "conv_pw_12_relu", "conv_pw_13_relu"),
    extras=(),
    scales=(0.08, 0.16, 0.32, 0.64, 0.96),
    aspect_ratios=(PORT_RATIOS,) * 4,
    two_boxes_for_ar1=False,
    variances=(1.0, 1.0, 1.0, 1.0),
    neg_iou=0.2,
    scaling="unit_in_two",
    l2_reg=0.005,
    names=LayerNames(
        "classes{}", "box{}", "classes{}_reshape", "boxes{}_reshape", "concatenate_classes", "concatenate_boxes",
        image="input_1", first=4,
    ),
    source="document 000",
)  # fmt: skip

# The Caffe classic: 1x1 heads, normalised extras, everything padded by one pixel all round.
MOBILENET_V1_SSD_300 = Config(
    name="mobilenet_v1_ssd_300",
    image_size=(300, 300),
    backbone="mobilenet_v1",
    alpha=1.0,
    sources=("conv_pw_11_relu", "conv_pw_13_relu"),
    extras=tuple(extra._replace(padding="symmetric") for extra in WIDE_EXTRAS),
    scales=EVEN_SCALES,
    aspect_ratios=(PORT_RATIOS, *(PAPER_RATIOS,) * 5),
    two_boxes_for_ar1=(False, True, True, True, True, True),
    backbone_options=(("activation", "relu"), ("padding", "symmetric")),
    head_kernel=1,
    batch_norm=True,
    activation="relu",
    source="chuanqi305/MobileNet-SSD",
)

# Document 001 gives the backbone and means to put the Caffe detector on it: so the same six maps, boxes and heads.
MOBILENET_V2_SSD_300 = Config(
    name="mobilenet_v2_ssd_300",
    image_size=(300, 300),
    backbone="mobilenet_v2",
    alpha=1.0,
    sources=("block_13_expand_relu", "out_relu"),
    extras=MOBILENET_V1_SSD_300.extras,
    scales=EVEN_SCALES,
    aspect_ratios=MOBILENET_V1_SSD_300.aspect_ratios,
    two_boxes_for_ar1=MOBILENET_V1_SSD_300.two_boxes_for_ar1,
    backbone_options=(("expand_first", True), ("padding", "symmetric"), ("bn_eps", 1e-5), ("bn_momentum", 0.9)),
    head_kernel=1,
    batch_norm=True,
    source="document 001, detector as chuanqi305/MobileNet-SSD",
)

SSDLITE_MOBILENET_V2_320 = Config(
    name="ssdlite_mobilenet_v2_320",
    image_size=(320, 320),
    backbone="mobilenet_v2",
    alpha=1.0,
    sources=("block_13_expand_relu", "out_relu"),
    extras=WIDE_EXTRAS,
    scales=EVEN_SCALES,
    aspect_ratios=(PAPER_RATIOS,) * 6,
    clip="sides",
    separable=True,
    batch_norm=True,
    source="Sandler et al. 2018, section 6.2; boxes of torchvision's ssdlite320",
)

VGG16_SSD300 = Config(
    name="vgg16_ssd300",
    image_size=(300, 300),
    backbone="vgg16",
    alpha=1.0,
    sources=("block4_conv3", "fc7"),
    extras=(
        Extra(256, 512, padding="symmetric"),
        Extra(128, 256, padding="symmetric"),
        Extra(128, 256, stride=1, padding="valid"),
        Extra(128, 256, stride=1, padding="valid"),
    ),
    scales=VOC_SCALES,
    aspect_ratios=(PORT_RATIOS, *(PAPER_RATIOS,) * 3, *(PORT_RATIOS,) * 2),
    steps=(8, 16, 32, 64, 100, 300),
    scaling="caffe",
    l2_normalized=("block4_conv3",),
    activation="relu",
    source="document 002; Liu et al. 2016",
)

PRESETS = {
    config.name: config
    for config in (
        MOBILENET_V2_SSD_224,
        MOBILENET_V2_SSD_300_FINE,
        MOBILENET_V2_035_SSD_224,
        MOBILENET_V2_SSD_224_REPORT,
        MOBILENET_V2_SSD_300,
        SSDLITE_MOBILENET_V2_320,
        MOBILENET_V1_SSD_300,
        MOBILENET_V1_SSD_300X480,
        VGG16_SSD300,
    )
}


def preset(name: str) -> Config:
    """The preset of that name, or in that .json file; `SsdprepError` names the nearest where there is none."""
    if name in PRESETS:
        return PRESETS[name]
    if name.endswith(".json"):
        from ssd.preset_file import read_preset

        return read_preset(Path(name))
    from difflib import get_close_matches

    near = get_close_matches(name, PRESETS, n=1, cutoff=0.0)[0]
    raise SsdprepError(f"there is no preset {name!r}", f"did you mean {near!r}? All: {', '.join(PRESETS)}")


def table(n_classes: int = 20) -> list[PresetFacts]:
    """All presets, counted from the models themselves: input, maps, boxes, parameters, multiply-adds, source."""
    from ssd.summarising import facts_of

    return [facts_of(config, n_classes) for config in PRESETS.values()]
