"""`python -m ssd.summary` as a process: the table of presets, and one preset layer by layer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import run

from ssd.presets import PRESETS
from ssd.summarising import summary_of

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


def printed_by(document: str) -> list[str]:
    return (GOLDEN / document).read_text(encoding="utf-8").splitlines()


def without_trailing_blanks(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_document_001_as_it_prints_it():
    """Gluon did not yet know the channels that go into the classifier when the document printed it."""
    done = run("ssd.summary", "document_001")
    assert done.code == 0, done.err
    wanted = ["mobilenet_v2(" if line == "MobileNetV2(" else line for line in printed_by("document_001.txt")]
    assert sum("None -> 1000" in line for line in wanted) == 1
    wanted = [line.replace("None -> 1000", "1280 -> 1000") for line in wanted]
    lines = without_trailing_blanks(done.out)
    begin = lines.index(wanted[0])
    assert lines[begin : begin + len(wanted)] == wanted
    assert "Total params: 3,539,136" in done.out


def test_document_002_as_it_prints_it():
    """Line for line, but for the multiply-adds, to which the document's tool adds the weights twice."""
    done = run("ssd.summary", "vgg16_ssd300")
    assert done.code == 0, done.err
    wanted = printed_by("document_002.txt")
    assert "Total mult-adds (G): 31.43" in wanted
    wanted = [line.replace("31.43", "31.37") for line in wanted]
    lines = without_trailing_blanks(done.out)
    begin = lines.index(wanted[0])
    assert lines[begin : begin + len(wanted)] == wanted


@pytest.mark.parametrize("name", ["vgg16_ssd300", "mobilenet_v1_ssd_300x480"])
def test_layers_and_groups_as_json(name):
    """Every layer takes its input from a row; groups hold every parameter."""
    done = run("ssd.summary", name, "--json")
    assert done.code == 0, done.err
    layers = done.json["layers"]
    inbound = {other for layer in layers for other in layer["inbound"]}
    assert inbound <= {layer["name"] for layer in layers}
    assert ("to_bgr" in inbound) == name.startswith("vgg")
    groups = {group["name"]: group["parameters"] for group in done.json["groups"]}
    assert sum(groups.values()) == done.json["presets"][0]["parameters"]
    if name == "vgg16_ssd300":
        assert len(groups) == 23
        assert groups["classes_2"] == 1_161_342


def test_a_preset_that_is_not():
    done = run("ssd.summary", "vgg16_ssd3000")
    assert done.code == 2
    assert "did you mean 'vgg16_ssd300'?" in done.err


@pytest.mark.parametrize(
    ("name", "total"), [("document_003_v1", 4_264_808), ("document_003_v2", 3_538_984), ("mobilenet_v2_ssd_300", 0)]
)
def test_the_other_networks_of_the_documents(name, total):
    """Document 001's detector in the form of its backbone; document 003's classifiers as a table."""
    answer = summary_of(name)
    gluon = [line for line in answer.printed.splitlines() if "Conv2D(" in line and " -> " in line]
    if total:
        assert answer.presets[0].parameters == total
        assert sum(row.parameters for row in answer.layers) == total
        assert not gluon
    else:
        assert len(gluon) == 53 + 8 + 12  # backbone, extra stages, heads
