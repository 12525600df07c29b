"""`python -m ssd.summary` as a process: the table of presets, and one preset layer by layer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import run

from ssd.presets import PRESETS

GOLDEN = Path(__file__).parent / "golden"


def test_all_presets():
    done = run("ssd.summary", "--json")
    assert done.code == 0, done.err
    assert [facts["name"] for facts in done.json["presets"]] == list(PRESETS)
    shown = run("ssd.summary", env={"COLUMNS": "80"})
    lines = {line.split()[0]: line for line in shown.out.splitlines() if line.strip()}
    for facts in done.json["presets"]:
        line = lines[facts["name"]]
        assert f"{facts['parameters']:,}" in line
        assert f"{facts['boxes']:,}" in line
        assert f"{facts['multiply_adds'] / 1e9:.2f} G" in line
        assert f"  {facts['name']}: {facts['source']}" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100


def test_document_000_as_it_prints_it():
    """The same lines as the document's own table: names, classes as far as they fit, shapes, parameters, inputs."""
    done = run("ssd.summary", "mobilenet_v1_ssd_300x480", "--classes", "5")
    assert done.code == 0, done.err
    squeezed = re.sub(r"[ \n]+", " ", done.out)
    for row in json.loads((GOLDEN / "document_000.json").read_text()):
        kind = "Rescaling" if row["cls"] == "Lambda" else row["cls"]
        shape = ", ".join(map(str, row["shape"]))
        inputs = "".join(f" {name}[0][0]" for name in row["inbound"])
        title = f"{row['name']} ({kind}"
        assert re.search(
            re.escape(title[:31]) + rf"\w*\)? \(None, {shape}\) {row['params']}{re.escape(inputs)} ", squeezed
        )
    for total in ("Total params: 4,058,424", "Trainable params: 4,036,536", "Non-trainable params: 21,888"):
        assert total in done.out


def test_document_002s_groups():
    done = run("ssd.summary", "vgg16_ssd300", "--json")
    assert done.code == 0, done.err
    groups = {group["name"]: group["parameters"] for group in done.json["groups"]}
    assert len(groups) == 23
    assert sum(groups.values()) == 26_285_486
    assert groups["classes_2"] == 1_161_342


@pytest.mark.parametrize("name", ["vgg16_ssd300", "mobilenet_v1_ssd_300x480"])
def test_every_layer_takes_its_input_from_a_row(name):
    done = run("ssd.summary", name, "--json")
    assert done.code == 0, done.err
    layers = done.json["layers"]
    inbound = {other for layer in layers for other in layer["inbound"]}
    assert inbound <= {layer["name"] for layer in layers}
    assert ("to_bgr" in inbound) == name.startswith("vgg")


def test_a_preset_that_is_not():
    done = run("ssd.summary", "vgg16_ssd3000")
    assert done.code == 2
    assert "did you mean 'vgg16_ssd300'?" in done.err
