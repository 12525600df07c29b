"""fix-exif through the command line: every photo, every frame, every reader; crashes, undo, damage."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY
from make_photos import INVERSE, MAKER, exif_block, jpeg, opened, png, saved, stored
from PIL import Image

from ssdprep import boxes, fix_exif, journal, scan_folder, to_upright, undo
from ssdprep.formats import voc
from ssdprep.orient import Verdict
from ssdprep.record import Box, Size

EVEN, ODD = Size(320, 240), Size(317, 235)
MARKER = (40, 60, 250, 190)  # in the upright frame
VERDICTS = [verdict.value for verdict in Verdict]


def marked(size: Size) -> np.ndarray:
    """A dark picture, no two corners alike, with a bright marker: nothing is symmetric."""
    picture = np.zeros((size.height, size.width, 3), np.uint8)
    y, x = np.mgrid[0 : size.height, 0 : size.width]
    picture[..., 0], picture[..., 2] = x * 60 // size.width, y * 90 // size.height
    xmin, ymin, xmax, ymax = MARKER
    picture[ymin:ymax, xmin:xmax] = (255, 240, 120)
    return picture


def marker_in(pixels: np.ndarray) -> list[int]:
    """Where the marker is: edges in pixels."""
    ys, xs = np.nonzero(pixels.astype(int).sum(axis=2) > 380)
    return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]


def overlap(found: object, box: object) -> float:
    return float(boxes.iou([found], [box])[0, 0])


LABELIMG = """<annotation verified="yes">
\t<folder>photos</folder>
\t<filename>{name}</filename>
\t<!-- checked twice -->
\t<source>
\t\t<database>Unknown</database>
\t</source>
{size}\t<segmented>0</segmented>
{objects}</annotation>
"""
OBJECT = """\t<object>
\t\t<name>{}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>{}</xmin>
\t\t\t<ymin>{}</ymin>
\t\t\t<xmax>{}</xmax>
\t\t\t<ymax>{}</ymax>
\t\t</bndbox>
\t</object>
"""
SIZE = "\t<size>\n\t\t<width>{}</width>\n\t\t<height>{}</height>\n\t\t<depth>3</depth>\n\t</size>\n"


def annotation(name: str, size: Size | None, *found: object) -> str:
    objects = "".join(OBJECT.format("card", *(int(edge) for edge in box)) for box in found)
    return LABELIMG.format(name=name, size=SIZE.format(*size) if size else "", objects=objects)


def add(
    folder: Path,
    name: str,
    orientation: int,
    frame: str,
    size: Size = EVEN,
    *,
    labelled: Size | str | None = "frame",
    box: object = MARKER,
    data: bytes | None = None,
    **options: object,
) -> Path:
    """A photo that shows the marker when upright, and its XML in the stored or the upright frame."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    valid = orientation if 1 <= orientation <= 8 else 1
    pixels, exif = stored(marked(size), valid), exif_block(orientation, maker=MAKER)
    if data is None:
        data = png(pixels, exif) if path.suffix == ".png" else jpeg(pixels, exif, **{"quality": 95, **options})
    path.write_bytes(data)
    in_frame = size
    if frame == "stored":
        in_frame = size.swapped if valid >= 5 else size
        box = boxes.upright([box], INVERSE[valid], size)[0]
    written = in_frame if labelled == "frame" else labelled
    path.with_suffix(".xml").write_text(annotation(name, written, box))  # type: ignore[arg-type]
    return path


def box_of(photo: Path) -> tuple[Size | None, Box]:
    read, findings = voc.read(photo.with_suffix(".xml"))
    assert read is not None
    assert not [finding for finding in findings if finding.severity == "error"]
    return read.labelled_size, read.objects[0].box


def contents(folder: Path, *, hidden: bool = False) -> dict[str, tuple[str, int, int]]:
    """Digest, mode and time of every file of the user's below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and (hidden or not name.startswith(".ssdprep/")):
            status = path.stat()
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest(), status.st_mode, status.st_mtime_ns
    return found


def tag_of(path: Path) -> int:
    return int(opened(path.read_bytes()).getexif().get(0x0112, 1))


# --- every orientation, frame, format and reader ---------------------------------------------------------------------

KINDS = {"even.jpg": EVEN, "odd.jpg": ODD, "flat.png": ODD}
IN_TENSORFLOW = """
import json, sys
import numpy as np, tensorflow as tf
seen = {}
for path in json.loads(sys.argv[1]):
    pixels = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False).numpy()
    ys, xs = np.nonzero(pixels.astype(int).sum(axis=2) > 380)
    seen[path] = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def fixed(tmp_path_factory) -> dict[str, tuple[Path, dict]]:
    """Folders of all photos in either frame, fixed, and the reports."""
    done = {}
    for frame in ("stored", "upright"):
        folder = tmp_path_factory.mktemp(frame)
        for orientation in range(1, 9):
            for kind, size in KINDS.items():
                add(folder, f"{orientation}_{kind}", orientation, frame, size)
        done[frame] = folder, fix_exif(folder, frame=frame).to_dict()
    return done


@pytest.fixture(scope="module")
def tensorflow(fixed) -> dict[str, list[int]]:
    """Where TensorFlow sees the marker in each photo: one process for all, it takes seconds to start."""
    photos = [str(path) for folder, _ in fixed.values() for path in folder.iterdir() if path.suffix != ".xml"]
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", IN_TENSORFLOW, json.dumps([path for path in photos if Path(path).is_file()])]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout)


@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_box_and_marker_agree_in_every_reader(fixed, tensorflow, frame):
    folder, report = fixed[frame]
    photos = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    assert len(photos) == 24
    for path in photos:
        size, box = box_of(path)
        assert size == KINDS[path.name.partition("_")[2]]
        assert box == Box(*MARKER), path.name
        for reader, found in (
            ("opencv", marker_in(cv2.imread(str(path)))),
            ("pillow", marker_in(np.asarray(Image.open(path)))),
            ("tensorflow", tensorflow[str(path)]),
        ):
            assert overlap(found, box) >= 0.99, (path.name, reader)
        assert tag_of(path) == 1
    # a decided file is one whose sides tell, or that --frame speaks for
    assert report["verdicts"] == {**dict.fromkeys(VERDICTS, 0), "already_upright": 3, f"{frame}_frame": 21}
    assert (report["changed_images"], report["changed_annotations"]) == (21, 21 if frame == "stored" else 0)
    assert (report["lossless"], report["reencoded"]) == (7 + 7 + 1, 6)  # a transposition needs no whole blocks


@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_a_second_run_changes_nothing(fixed, frame):
    folder, _ = fixed[frame]
    before = contents(folder, hidden=True)
    again = fix_exif(folder, frame="stored", strip_gps=True)
    assert contents(folder, hidden=True) == before
    assert again.verdicts[Verdict.ALREADY_UPRIGHT] == 24
    assert {fix.action for fix in again.files} == {"nothing to do"}


def test_without_frame_the_sides_decide_and_the_rest_is_named(tmp_path, cli):
    for orientation in range(1, 9):
        add(tmp_path / "d", f"{orientation}.jpg", orientation, "stored")
    ran = cli("fix-exif", "d", "--json", cwd=tmp_path)
    assert ran.code == 1
    verdicts = {Path(file["image"]).stem: file["verdict"] for file in ran.json["files"]}
    assert verdicts == {
        "1": "already_upright",
        **dict.fromkeys("234", "unresolved"),
        **dict.fromkeys("5678", "stored_frame"),
    }
    told = [finding for finding in ran.json["findings"] if finding["code"] == "ORI001"]
    assert [Path(finding["path"]).name for finding in told] == ["2.xml", "3.xml", "4.xml"]
    remedy = "4 of 4 files that can be decided are in the stored frame: ssdprep fix-exif d --frame stored"
    assert {finding["remedy"] for finding in told} == {remedy}
    ran = cli("fix-exif", "d", cwd=tmp_path)  # what the files showed is not forgotten though they are upright now
    assert ran.code == 1
    assert "next:    ssdprep fix-exif d --frame stored" in ran.out
    assert cli("fix-exif", "d", "--frame", "stored", cwd=tmp_path).code == 0
    assert {box_of(path)[1] for path in (tmp_path / "d").glob("*.jpg")} == {Box(*MARKER)}


def test_the_json_is_complete(tmp_path, cli):
    add(tmp_path, "a.jpg", 6, "stored")
    add(tmp_path, "b.jpg", 1, "upright")
    (tmp_path / "c.jpg").write_bytes(jpeg(stored(marked(EVEN), 8), exif_block(8)))
    ran = cli("fix-exif", tmp_path, "--json")
    assert ran.code == 0
    assert {"verdicts", "changed_images", "changed_annotations", "lossless", "reencoded", "files", "findings"} <= set(
        ran.json
    )
    assert list(ran.json["verdicts"]) == VERDICTS
    assert [set(file) for file in ran.json["files"]] == [
        {"image", "annotation", "orientation", "verdict", "evidence", "action"}
    ] * 3
    assert ran.json["files"][0] == {
        "image": str(tmp_path / "a.jpg"),
        "annotation": str(tmp_path / "a.xml"),
        "orientation": 6,
        "verdict": "stored_frame",
        "evidence": "<size> 240x320 is the stored size",
        "action": "photo turned without loss, boxes moved, <size> corrected",
    }
    assert ran.json["files"][1]["action"] == "nothing to do"
    assert ran.json["files"][2] == {
        **ran.json["files"][2],
        "annotation": None,
        "verdict": "no_boxes",
        "action": "photo turned without loss",
    }
    assert [set(finding) for finding in ran.json["findings"]] == [
        {"code", "severity", "path", "line", "message", "remedy"}
    ]  # nobody labelled c.jpg
    assert tag_of(tmp_path / "c.jpg") == 1


def test_the_real_examples(real_data, tmp_path, cli):
    for frame in ("stored", "upright"):
        folder = tmp_path / frame
        shutil.copytree(real_data / "exif-orientation-examples", folder)
        for path in folder.rglob("*"):
            path.chmod(0o644)
        upright = {"Landscape": Size(1800, 1200), "Portrait": Size(1200, 1800)}
        wanted = (300, 150, 900, 700)
        for path in sorted(folder.glob("*.jpg")):
            orientation = tag_of(path)
            size, box = upright[path.stem.partition("_")[0]], wanted
            if frame == "stored" and orientation > 1:
                box = boxes.upright([box], INVERSE[orientation], size)[0]
                size = size.swapped if orientation >= 5 else size
            path.with_suffix(".xml").write_text(annotation(path.name, size, box))
        ran = cli("fix-exif", folder, "--json")
        assert ran.code == 1
        verdicts = {Path(file["image"]).stem[-1]: file["verdict"] for file in ran.json["files"]}
        assert verdicts == {
            **dict.fromkeys("01", "already_upright"),
            **dict.fromkeys("234", "unresolved"),
            **dict.fromkeys("5678", f"{frame}_frame"),
        }
        command = (
            f"8 of 8 files that can be decided are in the {frame} frame: ssdprep fix-exif {folder} --frame {frame}"
        )
        assert {f["remedy"] for f in ran.json["findings"] if f["code"] == "ORI001"} == {command}
        assert cli("fix-exif", folder, "--frame", frame).code == 0
        for kind, size in upright.items():
            first = cv2.imread(str(folder / f"{kind}_1.jpg")).astype(int)
            for path in sorted(folder.glob(f"{kind}_*.jpg")):
                assert box_of(path) == (size, Box(*wanted)), path.name
                for pixels in (cv2.imread(str(path)), np.asarray(Image.open(path))[..., ::-1]):
                    assert np.abs(pixels - first).mean() < 6, path.name  # they were encoded apart


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_only_numbers_change_in_the_xml(tmp_path):
    path = add(tmp_path, "a.jpg", 6, "stored").with_suffix(".xml")
    before = path.read_text()
    fix_exif(tmp_path)
    assert path.read_text() == annotation("a.jpg", EVEN, MARKER)
    changed = [(a, b) for a, b in zip(before.splitlines(), path.read_text().splitlines(), strict=True) if a != b]
    assert len(changed) == 6


def test_mode_times_and_metadata_are_kept(tmp_path):
    path = add(tmp_path, "a.jpg", 6, "stored", icc_profile=b"profile", comment=b"said")
    for file in (path, path.with_suffix(".xml")):
        file.chmod(0o640)
        os.utime(file, ns=(10**18, 10**18 + 5))
    before = opened(path.read_bytes())
    assert fix_exif(tmp_path).changed_images == 1
    after = opened(path.read_bytes())
    assert (after.info["icc_profile"], after.info["comment"]) == (b"profile", b"said")
    assert after.getexif().get_ifd(0x8769) == before.getexif().get_ifd(0x8769) == {0x927C: MAKER}
    for file in (path, path.with_suffix(".xml")):
        assert (file.stat().st_mode & 0o777, file.stat().st_mtime_ns) == (0o640, 10**18 + 5)


def test_undo_brings_back_every_byte(tmp_path, cli):
    for orientation in range(1, 9):
        add(tmp_path, f"{orientation}.jpg", orientation, "stored", ODD)
    before = contents(tmp_path)
    assert cli("fix-exif", tmp_path, "--frame", "stored", "--strip-gps").code == 0
    assert contents(tmp_path) != before
    undo(tmp_path)
    assert contents(tmp_path) == before
    report = fix_exif(tmp_path)  # and what the first run had noted is forgotten too
    assert report.verdicts[Verdict.UNRESOLVED] == 3


def test_a_dry_run_tells_all_and_changes_nothing(tmp_path, cli):
    for orientation in range(1, 9):
        add(tmp_path, f"{orientation}.jpg", orientation, "stored", ODD if orientation % 2 else EVEN)
    before = contents(tmp_path, hidden=True)
    told = cli("fix-exif", tmp_path, "--dry-run", "--json").json
    shown = cli("fix-exif", tmp_path, "--dry-run").out
    assert contents(tmp_path, hidden=True) == before
    assert {**told, "dry_run": False} == cli("fix-exif", tmp_path, "--json").json
    assert "would be 4 photos and 4 annotations" in shown


def test_the_terminal_says_what_was_done_and_what_comes_next(tmp_path, cli):
    add(tmp_path / "my photos", "a.jpg", 6, "stored")
    ran = cli("fix-exif", "my photos", cwd=tmp_path)
    assert ran.code == 0
    for said in (
        "1 photo",
        "stored frame",
        "1 photo and 1 annotation",
        "1 without loss",
        "my photos/.ssdprep",
        "ssdprep undo 'my photos'",
        "next:    ssdprep audit 'my photos'",
    ):
        assert said in ran.out
    assert "nothing" in cli("fix-exif", "my photos", cwd=tmp_path).out


# --- crashes ---------------------------------------------------------------------------------------------------------

# In a process of its own, which forks for each step: starting the interpreter anew would take a minute.
CRASHES = """
import contextlib, io, json, os, shutil, sys
from pathlib import Path
import ssdprep.cli

source, work = Path(sys.argv[1]), Path(sys.argv[2])

def command(folder, *options):
    sys.argv = ["ssdprep", "fix-exif", str(folder), "--quiet", *options]
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            ssdprep.cli.main()
        except SystemExit as end:
            return end.code or 0

def run(folder, die_at=None):
    child = os.fork()
    if child == 0:
        if die_at:
            os.environ["SSDPREP_DIE_AT"] = str(die_at)
        os._exit(command(folder))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def bytes_of(folder):
    hidden = {".ssdprep"}
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*")
            if p.is_file() and not hidden & set(p.relative_to(folder).parts)}

def settled(folder):
    return (folder / ".ssdprep/settled.json").read_bytes()

assert command(source, "--dry-run") == 0  # loads what the forks need, and changes nothing
old = bytes_of(source)
whole = work / "whole"
shutil.copytree(source, whole)
assert run(whole) == 0
new = bytes_of(whole)
assert set(new) == set(old) and all(new[name] != old[name] for name in new)
halves, step = 0, 0
while True:
    step += 1
    folder = work / str(step)
    shutil.copytree(source, folder)
    code = run(folder, die_at=step)
    if code != 99:
        break
    halves += bytes_of(folder) not in (old, new)
    assert run(folder) == 0, step
    assert bytes_of(folder) == new, step
    assert settled(folder) == settled(whole), step
    shutil.rmtree(folder)
assert code == 0
print(json.dumps({"steps": step - 1, "halves": halves}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_killed_at_every_step_and_started_again(tmp_path):
    source = tmp_path / "source"
    add(source, "a.jpg", 6, "stored", ODD)
    add(source / "sub", "b.jpg", 8, "stored")
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-W", "error", "-c", CRASHES, source, tmp_path / "work"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] > 20
    assert told["halves"] > 0  # some crashes did leave one file new and another old, before the next start


def test_who_only_reads_refuses_what_was_left_half_done(tmp_path, cli, monkeypatch):
    data, rehearsal = tmp_path / "my photos", tmp_path / "rehearsal"
    for name in ("a.jpg", "b.jpg"):
        add(data, name, 6, "stored", ODD)
    shutil.copytree(data, rehearsal)
    steps: list[str] = []
    monkeypatch.setattr(journal, "on_step", steps.append)
    fix_exif(rehearsal)

    before = contents(data)
    first = steps.index("replace a file") + 1  # the step at which the first file is about to be moved
    assert cli("fix-exif", data, env={"SSDPREP_DIE_AT": str(steps.index("keep a file") + 1)}).code == 99
    assert cli("audit", data).code == 0  # killed before the commit: all files are old
    left = contents(tmp_path, hidden=True)
    for verb in ("fix-exif", "undo"):
        told = cli(verb, data, "--dry-run", "--json")
        assert told.code == 0
        assert (told.json["recovered"]["verb"], told.json["recovered"]["forward"]) == ("fix-exif", False)
        assert "would be taken back" in cli(verb, data, "--dry-run").out
    assert told.json["files"] == []  # undo would bring nothing back but that
    assert contents(tmp_path, hidden=True) == left
    assert cli("undo", data).code == 0
    assert cli("fix-exif", data, env={"SSDPREP_DIE_AT": str(first + 1)}).code == 99
    left = contents(tmp_path, hidden=True)
    for verb in (
        "fix-exif --dry-run",
        "undo --dry-run",
        "audit",
        "xml2csv",
        "split",
        "augment --flip-h",
        "tfrecord",
        "preview",
    ):
        ran = cli(*verb.split(), "my photos", cwd=tmp_path)
        assert ran.code == 2, verb
        assert "was cut off in my photos" in ran.err
        assert "ssdprep fix-exif 'my photos', or ssdprep undo 'my photos'" in ran.err
    (data / "sub").mkdir()
    (data / "sub/c.xml").write_text("<annotation/>")
    for place in (tmp_path, data / "sub"):  # a folder that holds the half-done one, and one in it
        ran = cli("audit", place)
        assert ran.code == 2
        assert f"ssdprep undo '{data}': either settles it" in ran.err
    shutil.rmtree(data / "sub")
    assert contents(tmp_path, hidden=True) == left
    assert cli("undo", data).code == 0
    assert contents(data) == before
    assert cli("audit", data).code == 0


def test_a_run_that_ends_while_another_scans_is_noticed(tmp_path):
    path = add(tmp_path, "a.jpg", 6, "stored", ODD)
    before = contents(tmp_path)

    def overtake(items, what, *_):
        if what == "Reading headers":  # the annotations have been read
            fix_exif(tmp_path, images="keep")
        return items

    report = fix_exif(tmp_path, images="keep", track=overtake)
    assert [(finding.code, finding.severity) for finding in report.findings] == [("ORI006", "error")]
    assert box_of(path) == (ODD, Box(*MARKER))
    assert fix_exif(tmp_path, images="keep").changed_annotations == 0
    undo(tmp_path)
    assert contents(tmp_path, hidden=True) == before


@pytest.mark.parametrize("images", ["rewrite", "keep"])
def test_what_is_changed_between_scan_and_turn_is_left_alone(tmp_path, images):
    other, photo, label = (add(tmp_path, f"{name}.jpg", 6, "stored", ODD) for name in ("other", "photo", "label"))
    old = contents(tmp_path)

    def meanwhile(items, what, *_):
        if what == "Making upright":  # the scan is over, and what becomes of each file decided
            photo.write_bytes(jpeg(marked(ODD)))
            label.with_suffix(".xml").write_text(annotation("label.jpg", ODD, MARKER))  # labelled again, upright
            old.update(contents(tmp_path))
        return items

    report = fix_exif(tmp_path, images=images, track=meanwhile)
    told = [(finding.code, finding.path) for finding in report.findings if finding.severity == "error"]
    assert told == [("ORI006", label.with_suffix(".xml")), ("ORI006", photo)]
    new = contents(tmp_path)
    assert {Path(name).stem for name in new if new[name] != old[name]} == {"other"}
    assert box_of(other) == (ODD, Box(*MARKER))
    actions = {fix.image.stem: fix.action for fix in report.files}
    assert actions["photo"] == actions["label"] == "left as it is"
    fix_exif(tmp_path, images=images)
    assert box_of(label) == (ODD, Box(*MARKER))


@pytest.mark.parametrize("suffix", [".jpg", ".xml"])
def test_a_file_that_goes_away_is_the_one_that_is_named(tmp_path, suffix):
    path = add(tmp_path, "a.jpg", 6, "stored", ODD)
    gone, left = path.with_suffix(suffix), path.with_suffix({".jpg": ".xml", ".xml": ".jpg"}[suffix])
    before = left.read_bytes()

    def meanwhile(items, what, *_):
        if what == "Making upright":
            gone.unlink()
        return items

    (finding,) = fix_exif(tmp_path, track=meanwhile).findings
    assert (finding.code, finding.path) == ("IMG013", gone)
    assert left.read_bytes() == before


# --- photos left alone -----------------------------------------------------------------------------------------------


def test_keep_moves_boxes_only_and_only_once(tmp_path, cli):
    for orientation in range(1, 9):
        add(tmp_path, f"{orientation}.jpg", orientation, "stored", ODD)
    photos = {path: path.read_bytes() for path in tmp_path.glob("*.jpg")}
    keep = ("--images", "keep", "--frame", "stored")
    assert cli("fix-exif", tmp_path, *keep).code == 0
    assert {path: path.read_bytes() for path in photos} == photos
    for path in photos:
        assert box_of(path) == (ODD, Box(*MARKER))
        assert overlap(marker_in(cv2.imread(str(path))), MARKER) > 0.99  # a reader that applies the tag
    before = contents(tmp_path, hidden=True)
    for again in (keep, ("--images", "keep"), ("--images", "keep", "--frame", "upright")):
        assert cli("fix-exif", tmp_path, *again).code == 0
        assert contents(tmp_path, hidden=True) == before
    upright = to_upright(scan_folder(tmp_path))
    assert {record.objects[0].box for record in upright.records} == {Box(*MARKER)}
    assert not [finding for finding in upright.findings if finding.code.startswith("ORI")]
    assert cli("fix-exif", tmp_path, "--frame", "stored").code == 0  # now the photos too
    for path in photos:
        assert box_of(path) == (ODD, Box(*MARKER))
        assert overlap(marker_in(np.asarray(Image.open(path))), MARKER) > 0.99


def test_what_was_settled_holds_until_the_annotation_changes(tmp_path):
    path = add(tmp_path, "3.jpg", 3, "stored")
    fix_exif(tmp_path, images="keep", frame="stored")
    xml = path.with_suffix(".xml")
    xml.write_text(xml.read_text().replace("card", "king"))
    (finding,) = [f for f in to_upright(scan_folder(tmp_path)).findings if f.code == "ORI001"]
    assert "changed since" in finding.message
    assert finding.remedy.endswith(f"ssdprep fix-exif {tmp_path} --frame upright")
    moved = fix_exif(tmp_path, images="keep", frame="stored")  # does not move them a second time
    assert moved.verdicts[Verdict.UNRESOLVED] == 1
    assert box_of(path)[1] == Box(*MARKER)
    assert fix_exif(tmp_path, images="keep", frame="upright").exit_code == 0
    assert fix_exif(tmp_path, images="keep").exit_code == 0
    assert box_of(path)[1] == Box(*MARKER)


def test_what_only_becomes_known_is_no_change_to_undo(tmp_path, cli):
    path = add(tmp_path, "3.jpg", 3, "upright")
    before = contents(tmp_path)
    report = fix_exif(tmp_path, images="keep", frame="upright")
    assert (report.changed_images, report.changed_annotations) == (0, 0)
    assert (tmp_path / ".ssdprep/README.txt").exists()  # says what the notes there are for
    assert "nothing to undo" in cli("undo", tmp_path).out
    assert contents(tmp_path) == before
    assert fix_exif(tmp_path).verdicts[Verdict.UPRIGHT_FRAME] == 1  # still known
    assert box_of(path)[1] == Box(*MARKER)


def test_undo_speaks_of_the_users_files_only(tmp_path, cli):
    add(tmp_path, "6.jpg", 6, "stored", ODD)
    fix_exif(tmp_path)
    files = cli("undo", tmp_path, "--dry-run", "--json").json["files"]
    assert sorted(Path(name).name for name in files) == ["6.jpg", "6.xml"]


def test_without_the_notes_settled_boxes_are_unresolved_and_upright(tmp_path):
    path = add(tmp_path, "3.jpg", 3, "stored")
    fix_exif(tmp_path, images="keep", frame="stored")
    assert "--frame upright" in (tmp_path / ".ssdprep/README.txt").read_text()
    shutil.rmtree(tmp_path / ".ssdprep")
    assert fix_exif(tmp_path).verdicts[Verdict.UNRESOLVED] == 1
    assert fix_exif(tmp_path, images="keep", frame="upright").exit_code == 0
    assert box_of(path)[1] == Box(*MARKER)


def test_settled_boxes_are_known_from_above_and_below(tmp_path):
    add(tmp_path / "train", "3.jpg", 3, "stored")
    fix_exif(tmp_path / "train", images="keep", frame="stored")
    assert fix_exif(tmp_path).verdicts[Verdict.UPRIGHT_FRAME] == 1
    undo(tmp_path)
    add(tmp_path / "train", "4.jpg", 4, "stored")
    fix_exif(tmp_path, images="keep", frame="stored")
    seen = to_upright(scan_folder(tmp_path / "train"))
    assert [record.objects[0].box for record in seen.records] == [Box(*MARKER)] * 2


def test_keep_remembers_in_which_frame_files_were(tmp_path):
    for orientation in (6, 8):
        add(tmp_path, f"{orientation}.jpg", orientation, "stored")
    fix_exif(tmp_path, images="keep")
    add(tmp_path, "3.jpg", 3, "stored")
    (finding,) = [f for f in fix_exif(tmp_path, images="keep").findings if f.code == "ORI001"]
    assert finding.remedy.startswith("2 of 2 files that can be decided are in the stored frame")


# --- place -----------------------------------------------------------------------------------------------------------


def test_strip_gps_reaches_every_photo(tmp_path, cli):
    def tagged(orientation: int) -> bytes:
        return jpeg(stored(marked(EVEN), orientation), exif_block(orientation, gps=True, maker=MAKER))

    add(tmp_path, "turned.jpg", 6, "stored", data=tagged(6))
    add(tmp_path, "upright.jpg", 1, "stored", data=tagged(1))
    add(tmp_path, "unresolved.jpg", 3, "stored", data=tagged(3))
    (tmp_path / "lone.jpg").write_bytes(tagged(1))
    ran = cli("fix-exif", tmp_path, "--strip-gps", "--json")
    assert ran.code == 1
    assert ran.json["changed_images"] == 4
    actions = {Path(file["image"]).stem: file["action"] for file in ran.json["files"]}
    assert actions["upright"] == actions["unresolved"] == actions["lone"] == "place removed"
    for path in tmp_path.glob("*.jpg"):
        notes = opened(path.read_bytes()).getexif()
        assert 0x8825 not in notes
        assert notes.get_ifd(0x8769)[0x927C] == MAKER
    assert tag_of(tmp_path / "unresolved.jpg") == 3
    (finding,) = [f for f in ran.json["findings"] if f["code"] == "ORI005"]
    assert Path(finding["path"]).is_dir()
    before = contents(tmp_path, hidden=True)
    cli("fix-exif", tmp_path, "--strip-gps")
    assert contents(tmp_path, hidden=True) == before


def test_strip_gps_leaves_no_place_unsaid(tmp_path, cli):
    block = exif_block(1, gps=True)
    tagged, picture = jpeg(marked(EVEN), block), Image.fromarray(marked(EVEN))
    for name in ("broken", "twice", "cut"):
        add(tmp_path, f"{name}.jpg", 1, "upright", data=tagged)
    (tmp_path / "broken.xml").write_text("<annotation>")
    for rival in ("x", "y"):
        (tmp_path / rival).mkdir()
        shutil.copy(tmp_path / "twice.xml", tmp_path / rival)
    (tmp_path / "twice.xml").unlink()
    (tmp_path / "cut.jpg").write_bytes(tagged[:-500])
    (tmp_path / "headless.jpg").write_bytes(tagged[:200])
    noted = {700: b'<x:xmpmeta exif:GPSLatitude="52,31.2N"/>'}
    (tmp_path / "tagged.tif").write_bytes(saved(picture, "TIFF", tiffinfo=noted))
    kinds = {"tagged.tif"}
    if ".avif" in Image.registered_extensions():  # Pillow 11.3
        (tmp_path / "tagged.avif").write_bytes(saved(picture, "AVIF", exif=block))
        (tmp_path / "plain.avif").write_bytes(saved(picture, "AVIF"))
        kinds.add("tagged.avif")
    (tmp_path / "plain.bmp").write_bytes(saved(picture, "BMP"))
    before = contents(tmp_path)
    ran = cli("fix-exif", tmp_path, "--strip-gps", "--json")
    assert ran.code == 1
    told = {Path(finding["path"]).name for finding in ran.json["findings"] if finding["code"] == "IMG008"}
    assert told == {"cut.jpg", "headless.jpg", *kinds}
    assert {name for name, now in contents(tmp_path).items() if now != before[name]} == {
        "broken.jpg",
        "twice.jpg",
    }
    for name in ("broken", "twice"):
        assert 0x8825 not in opened((tmp_path / f"{name}.jpg").read_bytes()).getexif()
    assert "still holds the place" in cli("fix-exif", tmp_path, "--strip-gps").out


# --- sizes and ways --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labelled", [None, Size(0, 0)])
def test_a_missing_size_is_filled_in(tmp_path, labelled):
    path = add(tmp_path, "a.jpg", 1, "upright", labelled=labelled)
    report = fix_exif(tmp_path)
    assert box_of(path) == (EVEN, Box(*MARKER))
    assert [fix.action for fix in report.files] == ["<size> filled in"]
    assert (report.changed_images, report.changed_annotations) == (0, 1)


def test_a_rounded_size_is_corrected_and_said(tmp_path):
    path = add(tmp_path, "a.jpg", 6, "stored", ODD, labelled=Size(236, 316), box=(10, 10, 317, 235))
    flat = add(tmp_path, "b.jpg", 1, "upright", ODD, labelled=Size(318, 235), box=(10, 10, 318, 235))
    report = fix_exif(tmp_path)
    assert report.exit_code == 0
    assert [finding.code for finding in report.findings if finding.code.startswith("ORI")] == ["ORI003", "ORI003"]
    assert box_of(path) == (ODD, Box(10, 10, 317, 235))
    assert box_of(flat) == (ODD, Box(10, 10, 317, 235))


def test_the_size_decides_nothing_without_boxes(tmp_path):
    for name, labelled in (("a", ODD.swapped), ("b", ODD), ("c", None), ("d", Size(10, 10))):
        path = add(tmp_path, f"{name}.jpg", 6, "upright", ODD)
        path.with_suffix(".xml").write_text(annotation(path.name, labelled))
    report = fix_exif(tmp_path)
    assert report.verdicts[Verdict.NO_BOXES] == 4
    sizes = [voc.read(path)[0].labelled_size for path in sorted(tmp_path.glob("*.xml"))]
    assert sizes == [ODD, ODD, ODD, Size(10, 10)]
    before = contents(tmp_path, hidden=True)
    fix_exif(tmp_path)
    assert contents(tmp_path, hidden=True) == before


@pytest.mark.parametrize(("way", "orientation"), [("cw", 6), ("ccw", 8)])
def test_a_photo_turned_after_labelling(tmp_path, cli, way, orientation):
    # Labelled as stored by the camera; then some tool turned the pixels and dropped the tag.
    path = add(tmp_path, "a.jpg", orientation, "stored", ODD)
    path.write_bytes(jpeg(marked(ODD), quality=95))
    ran = cli("fix-exif", tmp_path, "--json")
    assert ran.code == 1
    assert ran.json["verdicts"]["conflict"] == 1
    (finding,) = ran.json["findings"]
    assert finding["remedy"] == f"ssdprep fix-exif {tmp_path} --turned cw (clockwise), or --turned ccw"
    photo = path.read_bytes()
    done = cli("fix-exif", tmp_path, "--turned", way)
    assert done.code == 0
    assert "boxes were drawn before the photo was turned" in done.out
    assert path.read_bytes() == photo
    assert box_of(path) == (ODD, Box(*MARKER))
    before = contents(tmp_path, hidden=True)
    assert cli("fix-exif", tmp_path, "--turned", way).code == 0
    assert contents(tmp_path, hidden=True) == before


@pytest.mark.parametrize("tag", [0, 65537])
def test_an_impossible_tag_is_reported_and_becomes_1(tmp_path, tag):
    path = add(tmp_path, "a.jpg", 1, "upright", data=jpeg(marked(EVEN), exif_block(tag, kind=4)))
    assert "IMG012" in {finding.code for finding in fix_exif(tmp_path, dry_run=True).findings}
    report = fix_exif(tmp_path)
    assert [(fix.verdict, fix.orientation, fix.action) for fix in report.files] == [
        (Verdict.ALREADY_UPRIGHT, tag, "tag set to 1")
    ]
    assert tag_of(path) == 1
    assert fix_exif(tmp_path).findings == ()


def test_what_a_run_cured_is_not_shown_as_still_to_do(tmp_path, cli):
    add(tmp_path, "cured.jpg", 1, "upright", labelled=None)
    add(tmp_path, "tagged.jpg", 1, "upright", data=jpeg(marked(EVEN), exif_block(9)))
    add(tmp_path, "left.jpg", 3, "upright", labelled=None)  # unresolved: its annotation stays as it is

    def shown(*options):
        found = cli("fix-exif", tmp_path, "--json", *options).json["findings"]
        return [(Path(finding["path"]).stem, finding["code"]) for finding in found]

    left = [("left", "VOC012"), ("left", "ORI001")]
    assert shown("--dry-run") == [("cured", "VOC012"), left[0], ("tagged", "IMG012"), left[1]]
    assert shown("--strip-gps", "--images", "keep") == [left[0], ("tagged", "IMG012"), left[1]]
    assert shown() == left


# --- faults ----------------------------------------------------------------------------------------------------------


def test_bad_files_stop_nothing_and_lose_nothing(tmp_path, cli):
    good = add(tmp_path, "good.jpg", 6, "stored")
    whole = good.read_bytes()
    bad = {
        "cut.jpg": (whole[: len(whole) // 2], "IMG003"),
        "headless.jpg": (whole[:40], "IMG003"),
        "empty.jpg": (b"", "IMG001"),
        "text.jpg": (b"not a photo", "IMG002"),
        "damaged.jpg": (whole[: len(whole) // 2] + b"\xff\xd9", "IMG004"),
    }
    for name, (data, _) in bad.items():
        add(tmp_path, name, 6, "stored", data=data)
    broken = add(tmp_path, "broken.jpg", 6, "stored").with_suffix(".xml")
    broken.write_text(broken.read_text()[:300])
    (tmp_path / "lone.xml").write_text(annotation("lone.jpg", EVEN, MARKER))
    parts = add(tmp_path, "parts.jpg", 6, "stored").with_suffix(".xml")
    part = "<part><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>\t</object>"
    parts.write_text(parts.read_text().replace("\t</object>", part))
    tiff = tmp_path / "a.tif"
    Image.fromarray(stored(marked(EVEN), 6)).save(tiff, tiffinfo={0x0112: 6})
    tiff.with_suffix(".xml").write_text(annotation("a.tif", EVEN, MARKER))
    before = contents(tmp_path)
    ran = cli("fix-exif", tmp_path, "--json")
    assert ran.code == 1
    assert ran.err == ""
    codes = {(Path(f["path"]).name, f["code"]) for f in ran.json["findings"] if f["severity"] == "error"}
    assert codes == {
        *((name, code) for name, (_, code) in bad.items()),
        ("broken.xml", "VOC001"),
        ("lone.xml", "PAIR001"),
        ("parts.xml", "ORI004"),
        ("a.tif", "IMG005"),
    }
    after = contents(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"good.jpg", "good.xml"}
    assert box_of(good) == (EVEN, Box(*MARKER))
    again = cli("fix-exif", tmp_path)
    assert again.code == 1
    assert contents(tmp_path) == after


def test_two_annotations_for_one_photo_are_a_conflict(tmp_path):
    path = add(tmp_path / "images", "a.jpg", 6, "stored")
    other = tmp_path / "annotations/a.xml"
    other.parent.mkdir()
    shutil.copy(path.with_suffix(".xml"), other)
    alike = add(tmp_path / "twice", "b.jpg", 6, "stored")
    alike.with_suffix(".xml").write_text(annotation("c.jpg", EVEN.swapped, MARKER))
    shutil.copy(alike, alike.with_suffix(".jpeg"))
    before = contents(tmp_path)
    report = fix_exif(tmp_path)
    assert contents(tmp_path) == before
    assert report.exit_code == 1
    assert [fix.verdict for fix in report.files if fix.image == path] == [Verdict.CONFLICT]
    assert {f.code for f in report.findings if f.severity == "error"} == {"PAIR003", "PAIR004", "ORI002"}
    remedies = [f.remedy for f in report.findings if f.code == "ORI002"]
    assert remedies == ["keep the right one, delete the other, then run this again"]


def test_links_to_one_file_are_a_conflict(tmp_path):
    # As git-annex keeps them: two names, one content. Turned for the one, it would be wrong for the other.
    store = tmp_path / ".store"
    data = jpeg(stored(marked(EVEN), 6), exif_block(6, gps=True))
    one = add(store, "content.jpg", 6, "stored", data=data)
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").symlink_to(one)
        (tmp_path / f"{name}.xml").write_text(annotation(f"{name}.jpg", EVEN.swapped, MARKER))
    report = fix_exif(tmp_path)
    assert (report.verdicts[Verdict.CONFLICT], report.changed_images) == (2, 0)
    assert one.read_bytes() == data
    fix_exif(tmp_path, strip_gps=True)
    assert 0x8825 not in opened(one.read_bytes()).getexif()
    assert tag_of(one) == 6
    (tmp_path / "b.jpg").unlink()
    assert fix_exif(tmp_path).verdicts[Verdict.STORED_FRAME] == 1
    assert (tmp_path / "a.jpg").is_symlink()
    assert tag_of(one) == 1


def test_a_photo_of_several_pictures_is_named(tmp_path):
    path = add(tmp_path, "a.jpg", 6, "stored")
    with path.open("ab") as file:
        file.write(b"a film behind it")
    report = fix_exif(tmp_path)
    assert [(f.code, f.severity) for f in report.findings] == [("IMG007", "info")]
    assert path.read_bytes().endswith(b"a film behind it")


@pytest.mark.parametrize(("make", "said"), [(False, "No such file"), (True, "no photos and no XML")])
def test_a_missing_or_empty_folder_is_one_clear_line(tmp_path, cli, make, said):
    folder = tmp_path / "none"
    if make:
        folder.mkdir()
    ran = cli("fix-exif", folder)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert list(tmp_path.rglob("*")) == [folder] * make


def test_an_unknown_choice_is_a_wrong_call(tmp_path):
    for choice in ({"frame": "left"}, {"images": "drop"}, {"turned": "over"}):
        with pytest.raises(ValueError, match="is not one of"):
            fix_exif(tmp_path, **choice)


def test_workers_give_the_same_bytes(tmp_path):
    for number in range(12):
        add(tmp_path / "one", f"{number}.jpg", 2 + number % 7, "stored", ODD if number % 2 else EVEN)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one = fix_exif(tmp_path / "one", frame="stored", jobs=1)
    two = fix_exif(tmp_path / "two", frame="stored", jobs=2)
    assert [digest for digest, *_ in contents(tmp_path / "one").values()] == [
        digest for digest, *_ in contents(tmp_path / "two").values()
    ]
    assert replace(one, root=two.root, files=(), findings=()) == replace(two, files=(), findings=())
