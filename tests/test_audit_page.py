"""audit --html: one page that holds everything, takes no name for markup, and replaces no file of others."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import category
from xml.sax.saxutils import escape

import pytest
from folders import annotation, pair, photo
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssdprep import scan_folder, to_upright
from ssdprep.page.markup import Html, tag
from ssdprep.page.pictures import Album
from ssdprep.page.titles import _TITLES

EVIL = "<script>alert(1)</script>"
TURNERS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the direction in which text is read
WILD = ["\"'><img src=x onerror=alert(1)>", "苹果 & Birne", "[red]{x}", "🍎", "a" * 300]


class Reader(HTMLParser):
    """What a browser would make of a page: elements with their attributes, and whether they are nested properly."""

    VOID = frozenset({"meta", "img", "input", "br", "rect", "path", "line"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with odd class names, a box over the border, a list, copies, a photo that cannot be read."""
    root = tmp_path_factory.mktemp("sets") / "my <b>photos</b>"
    for number in range(6):
        names = [EVIL, *WILD][: number + 1]
        pair(root, f"p{number}", [(escape(name), 2, 2, 20 + i, 30) for i, name in enumerate(names)])
    annotation(root / "p0.xml", [(escape(EVIL), 30, 30, 80, 40)])
    for name in ("p1.jpg", "p1.xml"):
        shutil.copy(root / name, root / name.replace("p1", "q1"))
    (root / "broken.jpg").write_bytes(b"no photo")
    annotation(root / "broken.xml", [("pear", 1, 1, 9, 9)])
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("p1\np2\np3\n")
    (lists / "test.txt").write_text("q1\np4\n")
    return root


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import run

    out = tmp_path_factory.mktemp("out") / "audit.html"
    ran = run("ssdprep", "audit", folder, "--html", out, "--json", "--jobs", "1")
    assert (ran.code, ran.err) == (1, "")
    assert ran.json["page"] == str(out)
    return out


def test_nothing_in_the_data_is_markup(page: Path) -> None:
    text = page.read_text("utf-8")
    reader = Reader(text)
    assert len(reader.all("script")) == 1
    assert all(attributes.get("src", "").startswith("data:image/jpeg;base64,") for attributes in reader.all("img"))
    assert not [name for _, attributes in reader.elements for name in attributes if name.startswith("on")]
    assert not reader.all("b") or EVIL not in text
    shown = "".join(reader.text)
    for name in (EVIL, *WILD, "my <b>photos</b>"):
        assert name in shown


def test_nothing_comes_from_elsewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.findall(r"https?://|@import|url\(", text)
    policy = next(m["content"] for m in Reader(text).all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script is not None
    assert policy is not None
    digest = re.search(r"'sha256-([^']+)'", policy)
    assert digest is not None
    assert b64decode(digest[1]) == sha256(script[1].encode()).digest()


def test_everyone_can_read_it(page: Path) -> None:
    reader = Reader(page.read_text("utf-8"))
    assert reader.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in reader.all("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in reader.all("svg"))
    assert all(head.get("scope") in {"row", "col"} for head in reader.all("th"))
    levels = [int(name[1]) for name, _ in reader.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    places = {attributes["id"] for _, attributes in reader.elements if "id" in attributes}
    assert {link["href"] for link in reader.all("a")} <= {f"#{place}" for place in places}


def test_every_finding_is_on_it(cli: Callable[..., Any], folder: Path, page: Path) -> None:
    shown = "".join(Reader(page.read_text("utf-8")).text)
    document = cli("audit", folder, "--json", "--jobs", "1").json
    assert {"DUP003", "VOC017", "IMG002"} <= {finding["code"] for finding in document["findings"]}
    for finding in document["findings"]:
        assert finding["code"] in shown
        assert finding["message"] in shown
        assert finding["remedy"].replace("`", "")[:40] in shown.replace("`", "")


def test_it_shows_the_photos_small(page: Path) -> None:
    pictures = [image["src"] for image in Reader(page.read_text("utf-8")).all("img")]
    assert len(pictures) > 10
    for source in pictures:
        assert source is not None
        with Image.open(BytesIO(b64decode(source.partition(",")[2]))) as picture:
            assert max(picture.size) <= 300
    alts = " ".join(image["alt"] or "" for image in Reader(page.read_text("utf-8")).all("img"))
    assert "q1.jpg (test)" in alts
    assert "p1.jpg (train)" in alts


def test_the_photo_of_an_annotation_that_cannot_be_read(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "a")
    (tmp_path / "a.xml").write_text("<annotation>")
    cli("audit", tmp_path, "--html", tmp_path / "a.html")
    alts = [image["alt"] for image in Reader((tmp_path / "a.html").read_text("utf-8")).all("img")]
    assert alts == ["a.jpg (boxes not drawn: their place is in doubt)"]


def test_no_photo_of_another_folder_stands_beside_a_finding(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        photo(tmp_path / "set" / folder / "x.jpg", seed=ord(folder))
        (tmp_path / "set" / folder / "x.xml").write_text("<annotation>")
    (tmp_path / "set" / "d").mkdir()
    (tmp_path / "set" / "d" / "x.xml").write_text("<annotation>")  # of no photo
    photo(tmp_path / "set" / "JPEGImages" / "y.jpg", seed=7)
    (tmp_path / "set" / "Annotations").mkdir()
    (tmp_path / "set" / "Annotations" / "y.xml").write_text("<annotation>")
    scanned = scan_folder(tmp_path / "set")
    broken = [finding for finding in scanned.findings if finding.code == "VOC001"]
    album = Album(scanned, to_upright(scanned), {})
    shown = {finding.path.relative_to(tmp_path / "set").as_posix(): album.of_findings([finding]) for finding in broken}
    assert {name: len(pictures) for name, pictures in shown.items()} == {
        "a/x.xml": 1,
        "b/x.xml": 1,
        "c/x.xml": 1,
        "d/x.xml": 0,
        "Annotations/y.xml": 1,
    }
    assert len({picture.source for pictures in shown.values() for picture in pictures}) == 4


def test_a_lone_photo_of_another_folder_is_not_shown(tmp_path: Path) -> None:
    photo(tmp_path / "set" / "b" / "x.jpg", seed=1)
    for folder in ("a", "b"):
        (tmp_path / "set" / folder).mkdir(exist_ok=True)
        (tmp_path / "set" / folder / "x.xml").write_text("<annotation>")
    scanned = scan_folder(tmp_path / "set")
    album = Album(scanned, to_upright(scanned), {})
    shown = [
        finding.path.parent.name
        for finding in scanned.findings
        if finding.code == "VOC001" and album.of_findings([finding])
    ]
    assert shown == ["b"]


def test_many_findings_make_no_large_page(cli: Callable[..., Any], tmp_path: Path) -> None:
    for number in range(400):
        annotation(tmp_path / "data" / f"{number}.xml", [(f"class {number}", -9, 0, 900, 40)] * 9)
    photo(tmp_path / "data" / "0.jpg")
    cli("audit", tmp_path / "data", "--html", tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size < 5_000_000


def test_the_same_data_gives_the_same_page(cli: Callable[..., Any], folder: Path, page: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.htm"
    assert cli("audit", folder, "--html", out, "--jobs", "2", "--quiet").code == 1
    assert out.read_bytes() == page.read_bytes()


def test_a_page_within_the_folder_changes_nothing(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path, "a")
    out = tmp_path / "audit.html"
    assert cli("audit", tmp_path, "--html", out).code == 0
    before = out.read_bytes()
    ran = cli("audit", tmp_path, "--html", out, "--json")
    assert (ran.code, ran.json["images"]) == (0, 1)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["a.jpg", "audit.txt", "folder.html", "mine.html", "a.jpg/audit.html", ".ssdprep/a.html"]
)
def test_nothing_of_others_is_replaced(cli: Callable[..., Any], tmp_path: Path, name: str) -> None:
    pair(tmp_path, "a")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "mine.html").write_text("<p>mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    ran = cli("audit", tmp_path, "--html", tmp_path / name, "--json")
    assert ran.code == 2
    assert set(ran.json["error"]) == {"message", "remedy"}
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("content", ["photos only", "annotations only", "no boxes"])
def test_pages_of_half_a_set(cli: Callable[..., Any], tmp_path: Path, content: str) -> None:
    data = tmp_path / "data"
    if content != "annotations only":
        photo(data / "a.jpg")
    if content != "photos only":
        annotation(data / "a.xml", [] if content == "no boxes" else [("pear", 1, 1, 9, 9)], size=None)
    ran = cli("audit", data, "--html", tmp_path / "a.html")
    assert ran.code in {0, 1}
    assert ran.err == ""
    Reader((tmp_path / "a.html").read_text("utf-8"))


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_text(inside: str, attribute: str) -> None:
    reader = Reader(tag("p", inside, title=attribute))
    assert [name for name, _ in reader.elements] == ["p"]
    assert set(reader.elements[0][1]) == {"title"}
    if not any(category(letter) in {"Cc", "Cs"} or letter in TURNERS for letter in inside):
        assert "".join(reader.text) == inside
    assert tag("p", Html("<b></b>")) == "<p><b></b></p>"


@pytest.mark.parametrize(
    "name",
    [
        "\N{NO-BREAK SPACE}a",
        "全\N{IDEOGRAPHIC SPACE}角",
        "👨\u200d👩\u200d👧",
        "می\u200cخواهم",
        "\u200fא",
        "\U000f0000",
    ],
)
def test_letters_of_every_script_are_shown(name: str) -> None:
    assert tag("p", name, title=name) == f'<p title="{name}">{name}</p>'


@pytest.mark.parametrize(
    ("name", "shown"), [("a\x1b[31m", r"a\x1b[31m"), ("\ud800", r"\ud800"), ("gpj\u202e.exe", r"gpj\u202e.exe")]
)
def test_what_would_turn_or_break_the_text_is_escaped(name: str, shown: str) -> None:
    assert tag("p", name) == f"<p>{shown}</p>"


def test_every_finding_of_audit_has_a_title() -> None:
    docs = (Path(__file__).parents[1] / "docs" / "findings.md").read_text("utf-8")
    codes = set(re.findall(r"^\| ((?:VOC|PAIR|AUD|DUP|LOOK)\d{3}) ", docs, re.MULTILINE))
    assert codes <= _TITLES.keys()
    assert set(_TITLES) <= set(re.findall(r"^\| ([A-Z]{3,4}\d{3}) ", docs, re.MULTILINE))


# ---- charts ---------------------------------------------------------------------------------------------------------


def test_a_class_has_one_colour_all_over_the_page(cli: Callable[..., Any], tmp_path: Path) -> None:
    """The boxes of a photo that is not the labelled one count in the table, but are drawn nowhere."""
    pair(tmp_path / "set", "a", [("pear", 2, 2, 12, 12), ("plum", 20, 20, 40, 40)])
    pair(tmp_path / "set", "b", [("pear", 2, 2, 12, 12)])
    photo(tmp_path / "set" / "z.jpg", seed=9)
    zebras = [("zebra", 5 * i, 5 * i, 5 * i + 9, 5 * i + 9) for i in range(5)]
    annotation(tmp_path / "set" / "z.xml", zebras, size=(500, 700))
    out = tmp_path / "a.html"
    ran = cli("audit", tmp_path / "set", "--html", out, "--json")
    assert "ORI002" in {finding["code"] for finding in ran.json["findings"]}
    assert list(ran.json["classes"]) == ["zebra", "pear", "plum"]
    text = out.read_text("utf-8")
    marks = set(re.findall(r'class="chip k(\d+)"></span>([^<]+)<', text))
    assert marks == {("0", "zebra"), ("1", "pear"), ("2", "plum")}
    dots = {place: path.count("M") for place, path in re.findall(r'class="dots c(\d+)" d="([^"]*)"', text)}
    assert dots == {"1": 2, "2": 1}


def test_of_many_boxes_some_of_each_class_are_drawn(cli: Callable[..., Any], tmp_path: Path) -> None:
    rare = ("rare", 10, 10, 90, 90)
    for number in range(30):
        some = [("common", 1 + i, 1, 40 + i, 60) for i in range(100)] + [rare] * (number == 17)
        annotation(tmp_path / "set" / f"{number:02}.xml", some, size=(300, 300))
    out = tmp_path / "a.html"
    cli("audit", tmp_path / "set", "--html", out)
    text = out.read_text("utf-8")
    dots = {place: path.count("M") for place, path in re.findall(r'class="dots c(\d+)" d="([^"]*)"', text)}
    assert dots["1"] == 1
    assert dots["0"] <= 1500
    assert "of every box" not in text
    assert text.count(f"{sum(dots.values()):,} of 3,001 boxes drawn") == 2  # in the caption, and where it is read out


def test_steps_are_named_from_end_to_end(cli: Callable[..., Any], tmp_path: Path) -> None:
    for stem, count in (("a", 12), ("b", 18), ("c", 25), ("d", 35)):
        pair(tmp_path / "set", stem, [("pear", i, i, i + 20, i + 20) for i in range(count)])
    out = tmp_path / "a.html"
    cli("audit", tmp_path / "set", "--html", out)
    assert 'aria-label="Boxes on a photo. 10–15: 1; 16–20: 1; 21–30: 1; 31+: 1"' in out.read_text("utf-8")
    assert ">31+</text>" in out.read_text("utf-8")


def test_a_map_of_nothing_names_no_place(cli: Callable[..., Any], tmp_path: Path) -> None:
    annotation(tmp_path / "set" / "b.xml", [("speck", 3998, 2998, 4000, 3000)], size=(4000, 3000))
    annotation(tmp_path / "set" / "c.xml", [("off", 900, 900, 950, 950)], size=(300, 300))
    out = tmp_path / "a.html"
    cli("audit", tmp_path / "set", "--html", out)
    text = out.read_text("utf-8")
    assert "Where off lies: no box of it lies on the photo" in text
    assert "Where speck lies: most often bottom right" in text


def test_what_is_cut_is_counted(cli: Callable[..., Any], tmp_path: Path) -> None:
    pair(tmp_path / "set", "a", [(f"class {i:02}", i % 40, 2, i % 40 + 20, 30) for i in range(70)])
    lists = tmp_path / "set" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    out = tmp_path / "a.html"
    cli("audit", tmp_path / "set", "--html", out)
    text = out.read_text("utf-8")
    assert "and 58 other classes" in text
    split = text[text.index('<section id="split"') : text.index('<section id="boxes"')]
    assert "The 60 most frequent of 70 classes" in split


# ---- a real browser -------------------------------------------------------------------------------------------------


def browser() -> str:
    """The browser, or a skip."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    if not found:
        pytest.skip("no chromium or chrome is here to open the page")
    return found


def opened(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=3000",
    ]
    words = [browser(), *flags, *options, page.as_uri()]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


def test_a_browser_obeys_the_policy_and_runs_the_filter(page: Path, tmp_path: Path) -> None:
    done = opened(page, tmp_path / "profile", "--dump-dom", "--enable-logging=stderr", "--v=0")
    assert done.returncode == 0, done.stderr
    assert "Content Security Policy" not in done.stderr
    bar = re.search(r'<div class="filter"[^>]*>', done.stdout)
    assert bar is not None
    assert "hidden" not in bar[0]  # the script took it off


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_no_scroll_bar_across(page: Path, tmp_path: Path, width: int) -> None:
    probe = tmp_path / "probe.html"
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    measured = "<script>document.title='wide '+document.documentElement.scrollWidth</script></body>"
    inner = tmp_path / "inner.html"
    inner.write_text(policy.sub("", page.read_text("utf-8")).replace("</body>", measured), "utf-8")
    probe.write_text(
        f'<iframe src="inner.html" style="border:0;width:{width}px;height:900px"></iframe>'
        "<script>onload=()=>document.title=document.querySelector('iframe').contentDocument.title</script>"
    )
    done = opened(probe, tmp_path / "profile", "--dump-dom", "--allow-file-access-from-files", "--window-size=1400,900")
    wide = re.search(r"<title>wide (\d+)</title>", done.stdout)
    assert wide is not None, done.stdout[:500]
    assert int(wide[1]) <= width
