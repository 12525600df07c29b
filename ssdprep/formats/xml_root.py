"""Bytes of an annotation -> its root element, whatever the encoding; nothing outside those bytes is ever touched."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ssdprep.record import Severity

if TYPE_CHECKING:
    from lxml import etree

BROKEN, OTHER_ROOT, ENTITIES, ENCODING, ROOT_CASE = "VOC001", "VOC002", "VOC008", "VOC009", "VOC010"
PARTS, MISPLACED = "VOC023", "VOC024"
LIMIT = 64 * 2**20  # bytes; the largest real annotations are a thousand times smaller
_LARGEST = 2**31
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Element = Any  # lxml's stubs lag behind lxml
Report = Callable[[str, Severity, int, str, str], None]  # takes code, severity, line, message, remedy

_RESTORE = "restore it from a backup or label the photo again; LabelImg would show no boxes and save over what is left"
_SEVERAL_ROOTS = "the XML goes on after the end of its root: several roots, or the rest of a longer file"
_ENTITIES = "uses entities: refused, they can reach outside the file and fill the memory"
_BARE = "broken XML: a bare & in the text"
_CURES = {
    _SEVERAL_ROOTS: "put all <object>s into one <annotation>, and delete what follows its end",
    _ENTITIES: "write the text itself instead of &name;, and delete the <!DOCTYPE>",
    _BARE: "write &amp; instead of &",
}
_REPLACE = "replace it by the annotation, or take it out of the folder"


def number(text: str | None) -> float | None:
    """A finite number as annotations write it, or None. One that no image's side can reach is none."""
    if not text or "_" in text:  # float() takes 1_000, no other reader does
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < _LARGEST else None


def root_of(data: bytes, report: Report) -> Element | None:
    """The ``<annotation>`` element without namespaces; None, and one finding that says why, where there is none."""
    if len(data) > LIMIT:
        report(BROKEN, Severity.ERROR, 0, f"is larger than {LIMIT >> 20} MB", "take it out of the folder")
        return None
    root = _parsed(data, report)
    if root is None:
        return None
    if root.getroottree().docinfo.doctype and _has_entities(root):
        report(ENTITIES, Severity.ERROR, 1, _ENTITIES, _CURES[_ENTITIES])
        return None
    if "{" in root.tag or b"xmlns" in data:
        for element in root.iter("{*}*"):
            element.tag = element.tag.rpartition("}")[2]
    return _named(root, report)


def misplaced(root: Element, report: Report) -> bool:
    """Whether boxes stand where no reader looks for them; says so, and says it of the boxes of ``<part>``, too.

    An object that is passed over in silence would teach that it is background.
    """
    parts: list[Element] = []
    for child in root:
        inside = child.tag.lower() == "object"
        for element in child.iter():
            tag = element.tag.lower()
            if (tag == "object" and element is not child) or (tag == "bndbox" and not inside):
                message = (
                    f"<{element.tag}> within <{element.getparent().tag}>: boxes are read from the <object>s of the root"
                )
                remedy = "put each <object> directly into <annotation>; until then none of the boxes is used"
                report(MISPLACED, Severity.ERROR, element.sourceline, message, remedy)
                return True
            if tag == "part":
                parts.append(element)
    if parts:
        message = f"{len(parts)} <part>{'s' * (len(parts) > 1)} of objects, such as a head or a hand: not read"
        remedy = "nothing to do, if only whole objects are to be found; else make each part an <object> of its own"
        report(PARTS, Severity.INFO, parts[0].sourceline, message, remedy)
    return False


def _parsed(data: bytes, report: Report) -> Element | None:
    from lxml import etree  # what LabelImg itself wrote is read without

    try:
        return etree.fromstring(data, _parser(None))
    except etree.XMLSyntaxError as error:
        first = error
    codec = _guess(data)
    try:
        root = etree.fromstring(data, _parser(codec))
    except etree.XMLSyntaxError as second:
        line, message = _diagnosis(data, first if codec == "utf-8" else second)
        code = ENTITIES if message == _ENTITIES else BROKEN
        report(code, Severity.ERROR, line, message, _CURES.get(message, _RESTORE))
        return None
    message = f"its encoding is not what it says: read as {codec}"
    report(ENCODING, Severity.WARNING, 1, message, "check the class names; save the file as UTF-8")
    return root


@lru_cache
def _parser(encoding: str | None) -> etree.XMLParser:
    """Entities, DTD and network off, hard limits on: an annotation never reaches outside its own bytes."""
    from lxml import etree

    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _guess(data: bytes) -> str:
    """The encoding of bytes that are not in the one they claim."""
    if b"\0" in data[:4]:
        return "utf-16" if data[:2] in UTF16_MARKS else "utf-16be" if data[0] == 0 else "utf-16le"
    # Western accents stand alone between ASCII letters; Chinese bytes come in pairs of high ones.
    candidates = ("utf-8", "gb18030") if re.search(rb"[\x80-\xff]{2}", data) else ("utf-8",)
    for codec in candidates:
        try:
            data.decode(codec)
        except UnicodeDecodeError:
            continue
        return codec
    return "cp1252"


def _diagnosis(data: bytes, error: etree.XMLSyntaxError) -> tuple[int, str]:
    """The line where an XML breaks off, and how."""
    if not data.strip():
        return 0, "the file is empty"
    detail = re.sub(r", line \d+, column \d+$", "", " ".join((error.msg or "").split()))
    if "amplification" in detail or re.match("Entity '|.*entity reference loop", detail):
        return error.lineno or 0, _ENTITIES
    if "xmlParseEntityRef" in detail:
        return error.lineno or 0, _BARE
    if "Extra content at the end" in detail and data.lstrip()[:1] == b"<":
        return error.lineno or 0, _SEVERAL_ROOTS
    text = data.strip(b" \t\r\n\0")
    cut = "Premature end of data" in detail or (text.startswith(b"<") and not text.endswith(b">"))
    return error.lineno or 0, ("the XML is cut short: " if cut else "broken XML: ") + (detail or "unreadable")


def _has_entities(root: Element) -> bool:
    from lxml import etree

    dtd = root.getroottree().docinfo.internalDTD
    declared = dtd is not None and next(iter(dtd.iterentities()), None) is not None
    return declared or next(root.iter(etree.Entity), None) is not None


def _named(root: Element, report: Report) -> Element | None:
    """The root, if it is an ``<annotation>``."""
    if root.tag == "annotation":
        return root
    if root.tag.lower() == "annotation":
        message = f"the root is <{root.tag}>, not <annotation>"
        report(ROOT_CASE, Severity.INFO, root.sourceline, message, "nothing to do here; other tools want it renamed")
        return root
    message = f"the root is <{root.tag}>: this is no LabelImg annotation"
    report(OTHER_ROOT, Severity.ERROR, root.sourceline, message, _REPLACE)
    return None
