"""What single presets have and the others lack is exported: Caffe's pictures, L2 normalisation, two-step scaling."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ssd.config import Config
from ssd.exports.exporting import export_run
from ssd.presets import preset
from ssd.run import Run
from ssdprep.labels import LabelMap

pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")

SMALL = replace(
    preset("mobilenet_v2_035_ssd_224"), image_size=(64, 96), sources=("block_6_expand_relu", "out_relu"),
    extras=(), scales=(0.2, 0.5, 0.9), aspect_ratios=((1.0, 2.0),) * 2, separable=False,
)  # fmt: skip
LIKE_VGG16 = replace(SMALL, scaling="caffe", l2_normalized=("block_6_expand_relu",))
LIKE_DOCUMENT_000 = replace(SMALL, scaling="unit_in_two", backbone_options=(("padding", "same"),))


@pytest.mark.parametrize(("config", "format"), [(LIKE_VGG16, "pb"), (LIKE_VGG16, "onnx"), (LIKE_DOCUMENT_000, "pb")])
def test_every_kind_of_layer_is_exported(config: Config, format: str, tmp_path: Path) -> None:
    """The export refuses a file on which a runtime disagrees."""
    Run.new(config, LabelMap.from_names(["apple", "banana"])).save(tmp_path / "run")
    told = export_run(tmp_path / "run", format)
    assert told.files[0].stat().st_size == told.size > 100_000
    assert len(told.agreements) == 2
    for each in told.agreements:
        assert each.scores < 1e-5
        assert each.boxes < 1e-5
