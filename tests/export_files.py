"""The demo's detector in every format, each with the script that goes beside it: written once for all tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conftest import REPOSITORY

FILES = {
    "onnx": ("run.onnx", "detect_opencv.py"),
    "pb": ("run.pb", "detect_opencv.py"),
    "tflite": ("run.tflite", "detect_litert.py"),
    "tflite-fp16": ("run-fp16.tflite", "detect_litert.py"),
    "tflite-int8": ("run-int8.tflite", "detect_litert.py"),
    "savedmodel": ("run-savedmodel", "detect_tensorflow.py"),
}
NMS = {
    "onnx": ("run-nms.onnx", "detect_onnxruntime_nms.py"),
    "tflite": ("run-nms.tflite", "detect_litert_nms.py"),
    "savedmodel": ("run-nms-savedmodel", "detect_tensorflow_nms.py"),
}
SCORES = ("--nms", "-t", "0.3", "-t", "milk carton=0.25")  # two classes have scores of their own
COMMANDS = """
import json, sys
from ssd.export import app
from ssdprep import console

for words in json.loads(sys.argv.pop()):
    sys.argv[1:] = words
    try:
        console.run(app)
    except SystemExit as ended:
        if ended.code:
            raise
"""


def write_exports(folder: Path, demo: Path) -> None:
    """run/, its exports, and told.json: what the command answers, "onnx" or with suppression inside "onnx --nms".

    One process gives all commands, for TensorFlow takes longer to load than most files to write.
    """
    run = folder / "run"
    shutil.copytree(demo / "build" / "demo" / "run", run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["data"] = str(demo / "build" / "demo" / "photos")
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    commands = {name: ["run", "--format", name, "--json"] for name in FILES}
    commands |= {f"{name} --nms": ["run", "--format", name, *SCORES, "--json"] for name in NMS}
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(list(commands.values()))],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # converters are talkative
    told = dict(zip(commands, _documents(done.stdout), strict=True))
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


def _documents(text: str) -> Iterator[Any]:
    """JSON documents that follow one another."""
    while text := text.strip():
        document, end = json.JSONDecoder().raw_decode(text)
        yield document
        text = text[end:]
