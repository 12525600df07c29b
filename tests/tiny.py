"""A detector that is built and traced in a third of the time of the smallest preset: the head of its backbone alone.

It trains like any other; what the last layers of a backbone have of their own, other tests look at.
"""

from __future__ import annotations

from dataclasses import replace

from ssd.presets import PRESETS

TINY = replace(
    PRESETS["mobilenet_v2_035_ssd_224"],
    name="tiny",
    image_size=(96, 96),
    sources=("block_3_expand_relu", "block_6_expand_relu"),  # 24 and 12 cells a side
    extras=(),
    scales=(0.2, 0.5, 0.8),
    aspect_ratios=((1.0, 2.0, 0.5),) * 2,
)
