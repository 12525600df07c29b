"""What the detector's commands say and draw: sentences, panels, curves, and whose drawings are whose."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import run

from ssd.data import open_source
from ssd.pictures import MOST, curves_figure, found_panel
from ssd.prediction.drawings import RECORD, clear, earlier, write_drawing
from ssd.training.checkpoints import usual_seconds
from ssd.training.history import Epoch
from ssd.training.messages import HEADER, introduced, left_out, listed, sparkline, told
from ssdprep.labels import LabelMap, write_label_map
from ssdprep.record import Box, Finding, Object, Severity, SsdprepError

PAPER = np.full((120, 160, 3), 255, np.uint8)


def epochs(count: int) -> list[Epoch]:
    return [Epoch(n, "all", 9 / n, 5 / n, 4 / n, 0.1, 0.05, 10.0, n) for n in range(1, count + 1)]


def found(count: int) -> tuple[tuple[Object, ...], tuple[float, ...]]:
    objects = tuple(Object("apple", Box(i, i / 2, i + 20, i / 2 + 30)) for i in range(count))
    return objects, tuple(1 - i / 1000 for i in range(count))


# Sentences


@pytest.mark.parametrize(
    ("photos", "names", "said"),
    [
        (1, ["cat"], "set: 1 photo to train on, 1 to validate on, 1 class: cat"),
        (1200, ["cat", "dog"], "set: 1,200 photos to train on, 1 to validate on, 2 classes: cat, dog"),
    ],
)
def test_numbers_agree_with_their_nouns(photos, names, said):
    assert introduced(Path("set"), photos, 1, names) == said


def test_very_many_classes_do_not_fill_the_screen():
    assert listed([f"c{i}" for i in range(80)]).endswith("c10, c11 and 68 more")


def test_what_is_left_out_is_said_with_the_reasons():
    def finding(code: str, severity: Severity) -> Finding:
        return Finding(code, severity, Path("a.xml"), 0, "", "")

    findings = [finding("ORI001", Severity.ERROR)] * 2 + [finding("VOC012", Severity.INFO)]
    said = left_out(Path("my set"), 2, 1, findings)
    assert said.startswith("left out: 2 photos and 1 box (2 x ORI001); ")
    assert said.endswith("ssdprep audit 'my set'")
    assert left_out(Path("set"), 0, 0, findings) == ""


def test_a_row_stands_below_its_header():
    row = told(epochs(3)[1], 40, True, 125.0)
    assert len(row) == len(HEADER) <= 80
    assert row.endswith("  2:05")


def test_a_curve_fits_a_line():
    assert sparkline([0.0, 0.5, float("nan"), 1.0]) == "▁▅ █"
    assert len(sparkline([0.1] * 300)) == 16


def test_the_first_step_is_left_out_of_the_estimate():
    """Thirty seconds of tracing, then four steps of one second: an epoch of five seconds."""
    assert usual_seconds([100.0, 130.0, 131.0, 132.0, 133.0, 134.0]) == 5.0
    assert usual_seconds([100.0, 130.0]) == 30.0


# Pictures


@pytest.mark.parametrize(
    ("count", "most", "note"),
    [(0, 20, "found nothing"), (20, 20, "found"), (131, 20, "found, best 20 of 131"), (131, 3, "found, best 3 of 131")],
)
def test_a_panel_shows_the_best_boxes_and_says_how_many_there_were(count, most, note):
    objects, scores = found(count)
    panel = found_panel(PAPER, objects, scores, "a.jpg", "found", most=most)
    assert panel.note == note
    alone = found_panel(PAPER, objects[:most], scores[:most], "a.jpg", "found", most=most)
    assert np.array_equal(panel.image, alone.image)
    assert (panel.image == PAPER).all() == (count == 0)


def test_a_sheet_never_shows_more_than_it_can():
    assert found_panel(PAPER, *found(131), "a.jpg", most=100).note == f"best {MOST} of 131"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 40, 200])
def test_epochs_are_whole_numbers(count):
    figure = curves_figure(epochs(count))
    figure.canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == round(tick) and 1 <= tick <= count for tick in ticks)


# Drawings


def test_a_later_run_removes_what_an_earlier_one_drew(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        write_drawing(tmp_path / "out" / name, name.encode(), objects=[])
    assert {path.name for path in earlier(tmp_path / "out")} == {"a.jpg", "b.jpg", RECORD}
    clear(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert earlier(tmp_path / "nowhere") == []


def test_what_it_did_not_draw_is_never_removed(tmp_path):
    write_drawing(tmp_path / "a.jpg", b"drawn")
    write_drawing(tmp_path / "b.jpg", b"drawn too")
    (tmp_path / "b.jpg").write_bytes(b"a photo of the user's own, under the same name")
    with pytest.raises(SsdprepError, match=r"did not draw: b\.jpg"):
        clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.jpg", "b.jpg", RECORD}


def test_a_record_that_was_cut_short_or_made_up_removes_nothing_else(tmp_path):
    (tmp_path / "keep.txt").write_text("keep")
    folder = tmp_path / "out"
    write_drawing(folder / "a.jpg", b"drawn")
    with (folder / RECORD).open("a") as record:
        record.write('{"drawn": "../keep.txt", "sha256": "0"}\n[1]\n{"drawn": "b.jp')
    clear(folder)
    assert list(folder.iterdir()) == []
    assert (tmp_path / "keep.txt").read_text() == "keep"


def test_a_file_is_no_folder_to_draw_into(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(SsdprepError, match="is not a folder"):
        earlier(tmp_path / "out")


# Data


@pytest.fixture
def three(sample, tmp_path) -> Path:
    """Three of the sample's photos with their annotations."""
    folder = tmp_path / "three"
    folder.mkdir()
    for name in ("20190510_101248", "20190512_121426", "20190513_132733"):
        for part in (sample / "photos").glob(f"{name}.*"):
            shutil.copy2(part, folder)
    assert run("ssdprep", "fix-exif", folder, "--frame", "stored").code == 0
    return folder


def test_boxes_that_cannot_be_learnt_are_counted(three):
    assert (open_source(three).photos_left_out, open_source(three).boxes_left_out) == (0, 0)
    shutil.copy2(three / "20190510_101248.jpg", three / "unlabelled.jpg")
    annotation = three / "20190512_121426.xml"
    text = annotation.read_text()
    start, end = text.index("<xmax>") + 6, text.index("</xmax>")
    annotation.write_text(f"{text[:start]}1{text[end:]}")
    source = open_source(three)
    assert (source.photos_left_out, source.boxes_left_out) == (1, 1)


def test_records_with_classes_that_their_label_map_lacks(three, tmp_path):
    records = tmp_path / "records"
    assert run("ssdprep", "tfrecord", three, "--out", records).code == 0
    present = open_source(records).labels.names
    assert len(present) > 1
    with pytest.raises(SsdprepError, match="this detector knows only cat; .* has " + ", ".join(present)):
        open_source(records, LabelMap(("cat",)))
    write_label_map(records / "label_map.pbtxt", LabelMap(present[:1]))
    with pytest.raises(SsdprepError, match=f"have {', '.join(present[1:])}, which label_map.pbtxt does not name"):
        open_source(records)
