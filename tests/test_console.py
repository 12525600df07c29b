"""How every command ends: exit codes, one line on stderr, whatever is typed, interrupted or piped."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY
from folders import annotation, pair, photo

from ssdprep import console

ENV = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def started(*words: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ssdprep", *map(str, words)]
    return subprocess.Popen(command, env=ENV, stderr=subprocess.PIPE, text=True, **options)


def test_ctrl_c_is_one_line_and_130(tmp_path):
    for number in range(100):  # an interrupt that the import of a library swallows is heard at the next photo
        pair(tmp_path / "data", f"a{number}")
    running = started("augment", tmp_path / "data", "--rotate", 9, "--copies", 1000, "--jobs", 1)
    images, deadline = tmp_path / ".data-augmented.partial/images", time.monotonic() + 60
    while not (images.is_dir() and any(images.iterdir())):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert said == "interrupted - nothing is left half-written; run the same command again\n"


@pytest.mark.parametrize("words", [("audit",), ("audit", "--json")])
def test_a_pipe_that_closes_is_no_error(tmp_path, words):
    for number in range(30):
        annotation(tmp_path / f"a{number}.xml", [(f"{'long name ' * 90}{n}", 1, 1, 9, 9) for n in range(9)])
    running = started(words[0], tmp_path, *words[1:], stdout=subprocess.PIPE)
    assert running.stdout is not None
    running.stdout.close()
    assert (running.communicate(timeout=60)[1], running.returncode) == ("", 0)


def test_the_first_line_of_a_pipe(tmp_path):
    pair(tmp_path, "a")
    line = f"'{sys.executable}' -m ssdprep audit '{tmp_path}' | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], env=ENV, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("audit")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("audit", "--wrong"), "No such option: --wrong"),
        (("preview", "--seed", "-1"), "-1 is not a number from 0 to 2,000,000,000"),
        (("split", "--seed", 2**31), "2147483648 is not a number from 0 to"),
        (("wrong",), "No such command 'wrong'"),
        (("preview", "--unresolved", "--before", "x"), "not together with --before"),
    ],
)
def test_a_wrong_call_is_said_with_its_usage(cli, words, says):
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage: ssdprep" in done.err
    assert says in done.err


def test_help_and_version_are_clean(cli, module):
    assert cli("--version").code == cli("split", "--help").code == 0
    assert module("ssd.train", "--help").code == 0
    wrong = module("ssd.predict", "--wrong")
    assert wrong.code == 2
    assert "Usage: python -m ssd.predict" in wrong.err


def test_names_are_shown_as_they_are(cli, tmp_path):
    data = tmp_path / "[old] :apple:"
    for number in range(10):
        pair(data, f"[bold]{number}", [("[red]apple", 1, 1, 20, 20), ("[/b]", 1, 1, 20, 20), (":kiwi:", 9, 9, 30, 30)])
    for words in (("audit",), ("split", "--force"), ("augment", "--rotate", 9, "--jobs", 1)):
        done = cli(words[0], data.name, *words[1:], cwd=tmp_path)
        assert done.err == ""
        for name in ("[red]apple", "[/b]", ":kiwi:", "[old] :apple:"):
            assert name in done.out, words
        assert words[0] != "audit" or "[old] :apple:/[bold]0.xml:" in done.out
    done = cli("audit", "[red]nowhere [/b]", cwd=tmp_path)
    assert "error: [red]nowhere [/b] cannot be read" in done.err


def test_a_finding_is_one_line_whatever_a_file_is_called(cli, tmp_path):
    pair(tmp_path, "good")
    for name in ("a\nb", "\x1b[2Jc"):
        (tmp_path / f"{name}.xml").write_text("<annotation>")
    done = cli("audit", tmp_path)
    assert done.code == 1
    lines = [line for line in done.out.splitlines() if " VOC001 " in line]
    assert [line.partition(".xml")[0] for line in lines] == [f"{tmp_path}/\\x1b[2Jc", f"{tmp_path}/a\\nb"]


def on_a_terminal(*words: object) -> str:
    """What a command writes where its output is a terminal of 90 columns."""
    theirs, ours = pty.openpty()
    env = {**ENV, "COLUMNS": "90", "TERM": "dumb"}
    running = subprocess.Popen([sys.executable, "-m", "ssdprep", *map(str, words)], stdout=ours, stderr=ours, env=env)
    os.close(ours)
    said = b""
    try:
        while part := os.read(theirs, 65536):
            said += part
    except OSError:  # how Linux says that the other side is closed
        pass
    running.wait()
    return said.decode().replace("\r\n", "\n")


def test_a_terminal_is_told_a_cure_once_for_all_files_and_the_next_command_last(tmp_path):
    pair(tmp_path, "good")
    for number in range(9):
        (tmp_path / f"bad{number}.xml").write_text("<annotation>")
    said = on_a_terminal("audit", tmp_path)
    assert said.count("error VOC001  9 times") == 1
    assert said.count("restore it from a backup") == 1
    assert said.count(".xml:1") == 6
    assert "... and 3 more" in said
    assert said.rpartition("\n\n")[2].startswith("next:    ssdprep audit")
    in_a_pipe = started("audit", tmp_path, stdout=subprocess.PIPE).communicate()[0]
    assert in_a_pipe.count(": error VOC001 ") == 9


@pytest.mark.parametrize(
    "words", [("xml2csv", "-o"), ("split", "-o"), ("augment", "--flip-h", "-o"), ("preview", "-o")]
)
def test_an_output_that_cannot_be_written_names_the_place_and_the_cure(cli, tmp_path, words):
    pair(tmp_path / "data", "a")
    pair(tmp_path / "data", "b")
    (tmp_path / "file").write_text("x")
    target = tmp_path / "file" / "inside.png"
    done = cli(words[0], tmp_path / "data", *words[1:], target)
    assert done.code == 2, done.out
    error, cure = done.err.splitlines()
    assert error.startswith(f"error: {tmp_path / 'file'}")
    assert ".ssdprep-" not in error
    assert cure.startswith("  try: name a")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_report_that_cannot_be_printed_says_that_the_work_is_done(tmp_path, words):
    pair(tmp_path, "a")
    with Path("/dev/full").open("w") as full:
        running = started("split", tmp_path, "--val", 0, "--test", 0, *words, stdout=full)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 2
    assert said.startswith("error: the work is done, but its report cannot be printed: No space left on device\n")
    assert (tmp_path / "ImageSets/Main/train.txt").exists()


def test_a_cure_that_is_a_command_can_be_typed_as_it_stands(cli, tmp_path):
    data = tmp_path / "my photos"
    pair(
        data, "a", [("apple", 1, 1, 20, 20), ("apple", 1, 1, 20, 20), ("Apple", 60, 40, 70, 48), ("pear", 9, 9, 9, 30)]
    )
    said = cli("audit", data.name, cwd=tmp_path).out
    commands = re.findall(r"ssdprep (?:repair|fix-exif|split)[^`\n]*", said)
    assert len(commands) == 4
    assert all("'my photos'" in command for command in commands)
    assert "next:    ssdprep repair 'my photos'" in said


def test_tables_of_the_detector_show_names_as_they_are(capsys):
    import numpy as np

    from ssd.evaluation.diagnosis import diagnose
    from ssd.evaluation.measuring import Evaluation, score
    from ssd.evaluation.table import evaluation_report
    from ssd.pipeline import Example

    names, boxes = ("[/b]", "[red]apple"), np.array([[0, 0, 0.5, 0.5]] * 2, np.float32)
    examples = [Example("a.jpg", (10, 10), boxes, np.array([1, 2]), np.zeros(2, bool))]
    found = [np.array([[1, 0.9, 0, 0, 5, 5], [1, 0.8, 5, 5, 9, 9]])]
    scores, diagnosis = score(examples, found, names), diagnose(examples, found, names)
    report = Evaluation(Path("run"), Path("[old] :apple:"), "all", names, scores, diagnosis)
    with pytest.raises(SystemExit):
        console.show(report, evaluation_report)
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("[/b]", "[red]apple", "1 photo of [old] :apple:"))


def test_a_folder_that_is_not_there(cli, tmp_path: Path):
    done = cli("audit", tmp_path / "nowhere")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert "Traceback" in cli("audit", tmp_path / "nowhere", "--debug").err


@pytest.mark.parametrize("words", [("split", "x", "--kfold", 1), ("audit", "--nope"), ("nope",)])
def test_wrong_options_are_a_document_too(cli, words):
    ran = cli(*words, "--json")
    assert ran.code == 2
    assert ran.json["error"]["message"]
    assert ran.json["error"]["remedy"].endswith("--help")
    assert "Usage" in ran.err


def test_a_terminal_without_the_letters_gets_their_numbers(tmp_path):
    photo(tmp_path / "a.jpg")
    annotation(tmp_path / "a.xml", [("苹果", 10, 10, 30, 40)])
    for words in (("audit",), ("audit", "--json"), ("xml2csv",)):
        command = [sys.executable, "-m", "ssdprep", words[0], str(tmp_path), *words[1:]]
        env = {**ENV, "PYTHONIOENCODING": "cp1252"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, encoding="cp1252")
        assert (done.returncode, done.stderr) == (0, "")
        if "--json" in words:
            assert list(json.loads(done.stdout)["classes"]) == ["苹果"]
        elif words == ("audit",):
            assert r"\u82f9\u679c" in done.stdout


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_polite_kill_takes_back_what_is_half_written(tmp_path, jobs):
    for number in range(100):
        pair(tmp_path / "data", f"a{number}")
    running = started("augment", tmp_path / "data", "--rotate", 9, "--copies", 1000, "--jobs", jobs)
    images, deadline = tmp_path / ".data-augmented.partial/images", time.monotonic() + 60
    while not (images.is_dir() and any(images.iterdir())):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.terminate()
    time.sleep(0.01)
    running.terminate()  # GNU timeout sends two
    assert (running.communicate(timeout=60)[1], running.returncode) == ("", 143)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
