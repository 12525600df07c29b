"""The house itself: which room may import which, what the start may load, which module may print."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from folders import photo

from ssdprep.formats import voc
from ssdprep.record import Box, Object, Record, Size

PREP = sorted((REPOSITORY / "ssdprep").rglob("*.py"))
SSD = sorted((REPOSITORY / "ssd").rglob("*.py"))
ROOMS = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in SSD if path.name != "__init__.py"]
ALONE = REPOSITORY / "ssd" / "exports" / "scripts" / "detect_opencv.py"  # goes beside an export, not part of ours


def imports(path: Path) -> set[str]:
    """Dotted names of all imports of ours in a file, those inside functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
    return {name for name in found if name.split(".")[0] in {"ssd", "ssdprep"}}


def test_ssdprep_never_imports_ssd():
    assert {p.name: imports(p) for p in PREP if any(n.split(".")[0] == "ssd" for n in imports(p))} == {}


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("record", set()),
        ("boxes", {"record"}),
        ("stratify", set()),
        ("split_plan", {"record", "folds", "provenance", "stratify"}),
        ("standing", {"record", "imagesets", "split_plan", "wording"}),
        ("split_findings", {"record", "split_plan", "stratify", "wording"}),
        ("groups", set()),
        ("pbtxt", {"record"}),
        ("files", {"record", "change", "journal", "recovery", "disk"}),
        ("labels", {"record", "pbtxt", "files"}),
        ("audit", {"record", "scan", "orient", "statistics", "set_checks", "likeness", "look", "page"}),
        ("statistics", {"record", "likeness"}),
        ("set_checks", {"record", "labels", "provenance", "statistics", "wording"}),
        (
            "split",
            {
                "record",
                "scan",
                "orient",
                "split_plan",
                "split_findings",
                "standing",
                "folds",
                "likeness",
                "alike",
                "files",
                "walk",
                "provenance",
                "wording",
            },
        ),
        ("alike", {"record", "likeness", "groups"}),
        ("crops", {"record"}),
    ],
)
def test_lower_rooms_do_not_know_higher_ones(room, allowed):
    used = {n.split(".")[1] for n in imports(REPOSITORY / f"ssdprep/{room}.py") if n.count(".") >= 1}
    assert used <= allowed


def test_mathematics_knows_neither_files_nor_commands():
    pure = ("anchors", "geometry", "boxes_tf", "matching", "encoder", "loss", "nms", "decoder")
    pure += ("overlaps", "metrics", "replicas")
    pure += tuple(f"evaluation.{name}" for name in ("hits", "thresholds", "confusion", "error_costs"))
    known = {f"ssd.{name}" for name in (*pure, "presets")}
    for name in pure:
        path = REPOSITORY / "ssd" / f"{name.replace('.', '/')}.py"
        used = {n for n in imports(path) if n in ROOMS or n.split(".")[0] == "ssdprep"}
        assert used <= known, name


def test_only_the_console_prints():
    def prints(path: Path) -> bool:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        return any(isinstance(n, ast.Call) and getattr(n.func, "id", "") == "print" for n in ast.walk(tree))

    assert [p.name for p in (*PREP, *SSD) if p != ALONE and prints(p)] == []


@pytest.mark.parametrize(
    "module",
    [
        "ssdprep.cli",
        "ssdprep",
        "ssd.train",
        "ssd.evaluate",
        "ssd.predict",
        "ssd.export",
        "ssd.summary",
        "ssd.fit_anchors",
        "ssd.doctor",
        "ssd",
    ],
)
def test_the_start_is_light(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "PIL", "pandas", "cv2", "imgaug", "tensorflow", "keras"} & set(done.stdout.split())


def test_headers_and_labels_are_read_without_numpy_pillow_and_lxml(tmp_path):
    shot = photo(tmp_path / "a.jpg")
    record = Record(shot, None, (Object("apple", Box(1, 2, 30, 40)),))
    shot.with_suffix(".xml").write_bytes(voc.dumps(record, folder="photos", filename="a.jpg", size=Size(64, 48)))
    code = "import sys, ssdprep; [f(sys.argv[1]) for f in (ssdprep.fix_exif, ssdprep.xml_to_csv)]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert (tmp_path / "labels.csv").read_text().count("apple") == 1
    assert not {"numpy", "PIL", "lxml", "multiprocessing"} & set(done.stdout.split())


@pytest.mark.parametrize("package", ["ssdprep", "ssd"])
def test_every_public_name_loads(package):
    code = f"import {package}; [getattr({package}, name) for name in {package}.__all__]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
