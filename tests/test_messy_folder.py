"""Every verb over a folder that holds everything that goes wrong: nothing stops, nothing is passed over in silence."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, Ran, run
from messy.files import coded, image, put, xml
from messy.items import ALONE, HEALTHY, ITEMS, Item, messy_folder
from PIL import Image

Cli = Callable[..., Ran]
STEMS = sorted(HEALTHY)
VERBS: dict[str, tuple[str, ...]] = {
    "audit": (),
    "xml2csv": ("--out", "OUT/labels.csv"),
    "split": ("--out", "OUT/lists"),
    "fix-exif": ("--dry-run",),
    "augment": ("--out", "OUT/augmented", "--flip-h"),
    "tfrecord": ("--out", "OUT/tfrecord"),
    "preview": ("--out", "OUT/sheet.png"),
}


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The messy folder; who changes it works on a copy."""
    return messy_folder(tmp_path_factory.mktemp("messy") / "data")


@pytest.fixture(scope="module")
def audited(messy: Path) -> Any:
    """What `ssdprep audit --json` prints for it."""
    done = run("ssdprep", "audit", messy, "--json")
    assert (done.code, done.err) == (1, "")
    return done.json


def said_of(audited: Any, folder: Path) -> list[tuple[str, str, int]]:
    """Code, file and line of everything that was said of a folder, but how its photos look: all show the same."""
    findings = [finding for finding in audited["findings"] if not finding["code"].startswith(("DUP", "LOOK"))]
    found = [(finding["code"], Path(finding["path"]), finding["line"]) for finding in findings]
    return sorted((code, p.relative_to(folder).as_posix(), n) for code, p, n in found if folder in p.parents)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_audit_says_what_is_wrong_and_where(audited: Any, messy: Path, item: Item) -> None:
    assert said_of(audited, messy / item.name) == sorted(item.said)


@pytest.mark.parametrize("pixels", ["", "--no-pixels"])
@pytest.mark.parametrize("item", ALONE, ids=lambda item: item.name)
def test_audit_goes_on_where_a_file_of_the_whole_folder_is_bad(tmp_path: Path, item: Item, pixels: str) -> None:
    item.build(tmp_path)
    done = run("ssdprep", "audit", tmp_path / item.name, "--json", *pixels.split())
    assert (done.code, done.err) == (1, "")
    grave = [finding for finding in done.json["findings"] if finding["severity"] == "error"]
    assert said_of({"findings": grave}, tmp_path / item.name) == sorted(item.said)
    assert done.json["images"] == 1


def test_every_finding_names_a_cure(audited: Any) -> None:
    for finding in audited["findings"]:
        assert len(finding["message"]) > 10, finding
        assert len(finding["remedy"]) > 5, finding


def test_healthy_photos_are_not_spoken_of(audited: Any, messy: Path) -> None:
    assert said_of(audited, messy / "healthy") == []


def test_nothing_from_outside_is_in_the_answer(audited: Any) -> None:
    assert "/bin/" not in str(audited)


APPLE = ("apple", 10, 12, 50, 44)
READ_RIGHT: dict[str, list[tuple[object, ...]]] = {  # what is odd, but can be read: the rows of the table
    "gbk.jpg": [("苹果", *APPLE[1:])],
    "gbk_undeclared.jpg": [("苹果", *APPLE[1:])],
    "utf16.jpg": [("苹果", *APPLE[1:])],
    "utf16_undeclared.jpg": [("苹果", *APPLE[1:])],
    "character_entities.jpg": [("苹果", *APPLE[1:])],
    "class_blanks_inside.jpg": [("milk carton", *APPLE[1:])],
    "class_not_ascii.jpg": [("Äpfel 🍎", *APPLE[1:])],
    "box_negative.jpg": [("apple", -3, 12, 50, 44)],
    "box_one_pixel.jpg": [("apple", 10, 12, 11, 13)],
    "box_nearly_twice.jpg": [APPLE, ("apple", 10, 12, 51, 45)],
    "box_of_two_classes.jpg": [APPLE, ("pear", *APPLE[1:])],
    **{
        name: [APPLE]
        for name in (
            "bom.jpg",
            "crlf.jpg",
            "xml_root_capital.jpg",
            "size_missing.jpg",
            "size_nought.jpg",
            "size_off_by_one.jpg",
            "depth_missing.jpg",
            "pose_missing.jpg",
            "difficult_missing.jpg",
            "difficult_capital.jpg",
            "flag_unspecified.jpg",
            "flag_fraction.jpg",
            "any_order.jpg",
            "part_nested.jpg",
            "box_float.jpg",
            "box_inverted.jpg",  # each has a healthy box beside the bad one
            "box_no_area.jpg",
            "box_nan.jpg",
            "box_huge.jpg",
            "box_missing.jpg",
            "class_blanks_around.jpg",
            "class_empty.jpg",
            "filename_no_extension.jpg",
            "filename_other_extension.jpg",
            "filename_wrong.jpg",
            "filename_path.jpg",
            "filename_dots.jpg",
            "filename_drive.jpg",
            "name with  blanks.jpg",
            "emoji 🍎 ä.jpg",
            "new\nline.jpg",
        )
    },
}


def test_what_can_be_read_is_read_right(messy: Path, tmp_path: Path) -> None:
    assert run("ssdprep", "xml2csv", messy, "--out", tmp_path / "labels.csv", "--quiet").code == 1
    found: dict[str, list[tuple[object, ...]]] = {}
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as file:
        for name, _, _, label, *box in list(csv.reader(file))[1:]:
            found.setdefault(name, []).append((label, *map(int, box)))
    assert {name: found[name] for name in READ_RIGHT} == READ_RIGHT
    assert not [name for name in found if "/" in name or "\\" in name]  # no row leads out of the folder


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_goes_through(messy: Path, tmp_path: Path, verb: str) -> None:
    if verb == "tfrecord":
        pytest.importorskip("tensorflow")
    before = contents_of(messy)
    done = run("ssdprep", verb, messy, *(word.replace("OUT", str(tmp_path)) for word in VERBS[verb]), "--json")
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    assert "fault in ssdprep" not in done.err
    codes = {finding["code"] for finding in done.json["findings"]}
    assert {"VOC001", "VOC008", "IMG001", "IMG003", "PAIR004"} <= codes
    assert healthy_in(verb, done.json, tmp_path) == STEMS
    assert contents_of(messy) == before


def healthy_in(verb: str, report: Any, out: Path) -> list[str]:
    """The healthy photos that a verb's result holds."""
    match verb:
        case "xml2csv":
            with (out / "labels.csv").open(newline="", encoding="utf-8") as file:
                names = {row["filename"] for row in csv.DictReader(file)}
        case "split":
            lines = [line for path in (out / "lists").glob("*.txt") for line in path.read_text("utf-8").splitlines()]
            names = {name for name in HEALTHY if {name, Path(name).stem, f"healthy/{Path(name).stem}"} & set(lines)}
        case "fix-exif":
            names = {Path(file["image"]).name for file in report["files"] if file["action"] == "nothing to do"}
        case "augment":
            stems = {path.stem for path in (out / "augmented").rglob("*.*")}
            names = {name for name in HEALTHY if {Path(name).stem, f"{Path(name).stem}_aug1"} <= stems}
        case "tfrecord":
            from ssdprep.formats.tfrecord import read_tfrecords
            from ssdprep.tensorflow import import_tensorflow

            tensorflow = import_tensorflow()
            names = set()
            for _, stored in read_tfrecords(out / "tfrecord"):
                pixels = tensorflow.io.decode_image(stored.encoded, expand_animations=False)
                assert pixels.shape == (stored.size.height, stored.size.width, 3), stored.source_id
                names.add(Path(stored.filename).name)
        case _:
            return STEMS  # a count and a sheet: nothing names the photos
    return sorted(names & set(HEALTHY))


def contents_of(folder: Path) -> dict[str, object]:
    """Everything below a folder: bytes of files, targets of links."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name] = None
    return found


def test_fix_exif_in_earnest_and_back(tmp_path: Path) -> None:
    folder = messy_folder(tmp_path / "data")
    before = contents_of(folder)
    done = run("ssdprep", "fix-exif", folder, "--json")
    assert (done.code, done.err) == (1, "")
    changed = {name for name, content in contents_of(folder).items() if before.get(name, content) != content}
    assert {Path(name).parts[0] for name in changed} == {
        "orientation_invalid",
        "size_missing",
        "size_no_number",
        "size_nought",
        "size_off_by_one",
    }
    assert run("ssdprep", "undo", folder).code == 0
    assert {name: content for name, content in contents_of(folder).items() if ".ssdprep" not in name} == before


_AS_NOBODY = """
import contextlib, io, os, sys
from ssdprep import cli
sys.argv = ["ssdprep", "audit", sys.argv[1], "--json"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    cli.main()  # whatever is imported late must be in memory before rights are dropped
if os.getuid() == 0:
    os.setuid(65534)
cli.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="files are not sealed by their mode")
def test_what_may_not_be_read_is_named_and_the_rest_goes_on() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folder is closed to other users
        root = Path(folder)
        root.chmod(0o755)
        for stem in ("a", "b", "c", "sealed/d"):
            put(root / f"{stem}.jpg", coded())
            put(root / f"{stem}.xml", xml(f"{Path(stem).name}.jpg"))
        for name in ("b.jpg", "c.xml", "sealed"):
            (root / name).chmod(0)
        words = [sys.executable, "-c", _AS_NOBODY, root]
        path = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=path, check=False)
        (root / "sealed").chmod(0o700)
        assert (done.returncode, done.stderr) == (1, "")
        report = json.loads(done.stdout)
        said = said_of(report, root)
        assert said == [("IMG013", "b.jpg", 0), ("PAIR006", "sealed", 0), ("VOC015", "c.xml", 0)]
        assert (report["images"], report["boxes"]) == (3, 2)


_PEAK = """
import resource, sys
from ssdprep import cli
try:
    cli.main()
finally:  # not its own ru_maxrss, which begins with what the parent had
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    with open("/proc/self/status") as status:
        own = next(int(line.split()[1]) // 1024 for line in status if "VmHWM" in line)
    print(max(own, workers), file=sys.stderr)
"""


def peak_of(*words: object) -> tuple[int, int]:
    """Exit code and peak memory, in MB, of the largest process of a command."""
    path = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", _PEAK, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=path, check=False)
    return done.returncode, int(done.stderr.split()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_photos_of_100_megapixels_are_known_by_their_headers_and_decoded_one_by_one(tmp_path: Path) -> None:
    large = ("96</width>\n\t\t<height>64", "10000</width><height>10000")
    put(tmp_path / "colour.xml", xml("colour.png", large))
    Image.new("RGB", (10_000, 10_000), "brown").save(tmp_path / "colour.png", compress_level=1)
    for kind, suffix in {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "BMP": ".bmp", "GIF": ".gif"}.items():
        Image.new("P" if kind == "GIF" else "L", (10_000, 10_000)).save(tmp_path / f"{kind}{suffix}", kind)
        put(tmp_path / f"{kind}.xml", xml(f"{kind}{suffix}", large))
    code, peak = peak_of("audit", tmp_path, "--json", "--no-pixels")
    assert code == 0
    assert peak < 150
    code, peak = peak_of("audit", tmp_path, "--json", "--jobs", 1)
    assert code == 0
    assert peak < 800  # the pixels of one photo, four bytes each in Pillow, and those that they are converted to


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_memory_grows_by_little_a_file(tmp_path: Path) -> None:
    photo, text = coded(image().resize((16, 16))), xml("a.jpg").replace("96<", "16<").replace("64<", "16<")
    peaks = []
    for count in (500, 3000):
        for number in range(count):
            put(tmp_path / f"{number}.jpg", photo)
            put(tmp_path / f"{number}.xml", text)
        peaks.append(peak_of("audit", tmp_path, "--json")[1])
    assert peaks[1] - peaks[0] < 2500 * 16 / 1024  # 16 kB for each photo, each of which has two findings


@pytest.mark.parametrize("verb", ["xml2csv", "split", "augment", "tfrecord", "preview", "audit"])
def test_folders_that_are_missing_above_what_is_written_are_made(tmp_path: Path, verb: str) -> None:
    if verb == "tfrecord":
        pytest.importorskip("tensorflow")
    for stem in "abc":
        put(tmp_path / f"data/{stem}.jpg", coded())
        put(tmp_path / f"data/{stem}.xml", xml(f"{stem}.jpg"))
    name = VERBS.get(verb, ())[1:2] or ("OUT/page.html",)
    out = Path(name[0].replace("OUT", str(tmp_path / "not/yet/there")))
    option = "--html" if verb == "audit" else "--out"
    run("ssdprep", verb, tmp_path / "data", option, out, *VERBS[verb][2:], "--quiet")
    assert out.exists()
