"""One instance of everything that goes wrong in a labelled folder, and what audit must say of it: a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from messy import files
from messy.files import OBJECT, SIZE, animation, boxed, coded, image, put, xml

Content = Mapping[str, bytes | str]
Said = tuple[str, str, int]  # code, file below the item's folder, line


@dataclass(frozen=True)
class Item:
    """Something messy: its files, in a folder of its own, and what audit says of them, no more and no less."""

    name: str
    content: Content
    said: tuple[Said, ...] = ()
    also: Callable[[Path], object] | None = None  # for what is more than a file with content

    def build(self, root: Path) -> None:
        folder = root / self.name
        for name, content in self.content.items():
            put(folder / name, content)
        if self.also is not None:
            self.also(folder)


def _items() -> list[Item]:
    return [*_broken(), *_written(), *_sized(), *_flagged(), *_boxed(), *_named(), *_pictured(), *_paired(), *_linked()]


def _labelled(name: str, text: bytes | str | None, *said: tuple[str, int]) -> Item:
    """A healthy photo with the annotation ``text``, which audit calls ``said`` (code, line)."""
    content: dict[str, bytes | str] = {f"{name}.jpg": coded()}
    if text is not None:
        content[f"{name}.xml"] = text
    return Item(name, content, tuple((code, f"{name}.xml", line) for code, line in said))


def _changed(name: str, old: str, new: str, *said: tuple[str, int]) -> Item:
    """A healthy photo whose annotation has ``new`` for ``old``."""
    return _labelled(name, xml(f"{name}.jpg", (old, new)), *said)


def _photo(name: str, photo: bytes, *codes: str, suffix: str = ".jpg") -> Item:
    """A photo with a healthy annotation, of which audit says ``codes``."""
    file = f"{name}{suffix}"
    return Item(name, {file: photo, f"{name}.xml": xml(file)}, tuple((code, file, 0) for code in codes))


def _broken() -> list[Item]:
    bomb = '<!DOCTYPE a [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 20}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    return [
        _labelled("xml_truncated", xml("xml_truncated.jpg")[:400], ("VOC001", 19)),
        _labelled("xml_empty", "", ("VOC001", 0)),
        _labelled("xml_is_text", "a note, no XML\n", ("VOC001", 1)),
        _labelled("xml_is_a_photo", coded(), ("VOC001", 1)),
        _labelled("xml_is_html", "<html><body>404</body></html>", ("VOC002", 1)),
        _changed("xml_root_capital", "annotation>", "Annotation>", ("VOC010", 1)),
        _labelled("xml_several_roots", OBJECT + boxed(1, 1, 9, 9), ("VOC001", 13)),
        _labelled("xml_twice", xml("xml_twice.jpg") * 2, ("VOC001", 27)),
        _labelled("xml_objects_nested", xml("a.jpg", objects=f"<objects>\n{OBJECT}</objects>\n"), ("VOC024", 15)),
        _changed("xml_bare_ampersand", "apple", "salt & pepper", ("VOC001", 15)),
        _labelled("entity_bomb", bomb + "]>" + xml("a.jpg", ("apple", "&i;")), ("VOC008", 1)),
        _labelled(
            "entity_external",
            '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n' + xml("a.jpg", ("apple", "&a;")),
            ("VOC008", 1),
        ),
    ]


def _written() -> list[Item]:
    """Encodings: all but the last are read right in silence or with a word."""
    fruit = ("apple", "苹果")
    return [
        _labelled("bom", b"\xef\xbb\xbf" + xml("bom.jpg").encode()),
        _labelled("gbk", ('<?xml version="1.0" encoding="gbk"?>\n' + xml("gbk.jpg", fruit)).encode("gbk")),
        _labelled("gbk_undeclared", xml("gbk_undeclared.jpg", fruit).encode("gbk"), ("VOC009", 1)),
        _labelled("utf16", ('<?xml version="1.0" encoding="utf-16"?>\n' + xml("utf16.jpg", fruit)).encode("utf-16")),
        _labelled("utf16_undeclared", xml("utf16_undeclared.jpg", fruit).encode("utf-16")),
        _changed("character_entities", "apple", "&#33529;&#x679C;"),
        _changed("crlf", "\n", "\r\n"),
    ]


def _sized() -> list[Item]:
    return [
        _changed("size_missing", SIZE, "", ("VOC012", 0)),
        _changed("size_nought", "96</width>\n\t\t<height>64", "0</width>\n\t\t<height>0", ("VOC012", 8)),
        _changed("size_wrong", "96</width>\n\t\t<height>64", "640</width>\n\t\t<height>480", ("ORI002", 0)),
        _changed("size_swapped", "96</width>\n\t\t<height>64", "64</width>\n\t\t<height>96", ("ORI002", 0)),
        _changed("size_off_by_one", "96</width>", "95</width>", ("ORI003", 0)),
        _changed("size_no_number", "96</width>", "wide</width>", ("VOC012", 8)),
        _changed("depth_missing", "\t\t<depth>3</depth>\n", ""),
    ]


def _flagged() -> list[Item]:
    edges = "<bndbox><ymax>44</ymax><xmax>50</xmax><ymin>12</ymin><xmin>10</xmin></bndbox>"
    shuffled = f"<object>{edges}<difficult>0</difficult><name>apple</name></object>\n"
    part = "<part><name>leaf</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
    return [
        _changed("pose_missing", "\t\t<pose>Unspecified</pose>\n", ""),
        _changed("difficult_missing", "\t\t<difficult>0</difficult>\n", ""),
        _changed("difficult_capital", "<difficult>0</difficult>", "<Difficult>1</Difficult>"),
        _changed("flag_unspecified", "<truncated>0<", "<truncated>Unspecified<"),
        _changed("flag_fraction", "<truncated>0<", "<truncated>0.0597<"),
        _changed("flag_no_number", "<truncated>0<", "<truncated>perhaps<", ("VOC014", 17)),
        _changed("any_order", OBJECT, shuffled),
        _changed("part_nested", "\t</object>", f"\t{part}\n\t</object>", ("VOC023", 25)),
    ]


def _boxed() -> list[Item]:
    def boxes(name: str, objects: str, *said: tuple[str, int]) -> Item:
        return _labelled(name, xml(f"{name}.jpg", objects=objects), *said)

    return [
        boxes("box_float", boxed(10.25, "1.2e1", 50.75, 44.5)),
        boxes("box_negative", boxed(-3, 12, 50, 44), ("VOC017", 14)),
        boxes("box_inverted", OBJECT + boxed(50, 12, 10, 44), ("VOC003", 31)),
        boxes("box_no_area", OBJECT + boxed(10, 12, 10, 44), ("VOC004", 31)),
        boxes("box_one_pixel", boxed(10, 12, 11, 13), ("VOC020", 14)),
        boxes("box_over_the_border", boxed(60, 12, 99, 44), ("VOC017", 14)),
        boxes("box_off_the_photo", OBJECT + boxed(200, 100, 300, 200), ("VOC016", 26)),
        boxes("box_twice", OBJECT * 2, ("VOC018", 26)),
        boxes("box_nearly_twice", OBJECT + boxed(10, 12, 51, 45), ("VOC025", 26)),
        boxes("box_of_two_classes", OBJECT + boxed(10, 12, 50, 44, "pear"), ("VOC019", 26)),
        boxes("box_nan", OBJECT + boxed("NaN", 12, 50, 44), ("VOC005", 31)),
        boxes("box_infinite", OBJECT + boxed(10, 12, "inf", 44), ("VOC005", 31)),
        boxes("box_huge", OBJECT + boxed(10, 12, 10**300, 44), ("VOC005", 31)),
        boxes("box_words", OBJECT + boxed("left", 12, 50, 44), ("VOC005", 31)),
        boxes("box_edge_missing", OBJECT + OBJECT.replace("\t\t\t<ymin>12</ymin>\n", ""), ("VOC005", 31)),
        boxes("box_missing", OBJECT + "<object><name>apple</name></object>\n", ("VOC007", 26)),
        boxes("box_only_bad", boxed(10, 12, 10, 44), ("VOC004", 19)),
    ]


def _named() -> list[Item]:
    def filename(name: str, text: str, *said: tuple[str, int]) -> Item:
        return _labelled(name, xml(f"{name}.jpg", (f"<filename>{name}.jpg", f"<filename>{text}")), *said)

    return [
        _changed("class_blanks_inside", "apple", "milk carton"),
        _changed("class_blanks_around", "apple", " apple\n", ("VOC011", 15)),
        _changed("class_case", "apple", "Apple", ("VOC021", 14)),
        _changed("class_not_ascii", "apple", "Äpfel 🍎"),
        _changed("class_empty", OBJECT, OBJECT + OBJECT.replace("apple", ""), ("VOC006", 26)),
        _changed("class_missing", OBJECT, OBJECT + OBJECT.replace("\t\t<name>apple</name>\n", ""), ("VOC006", 26)),
        filename("filename_no_extension", "filename_no_extension", ("VOC022", 0)),
        filename("filename_other_extension", "filename_other_extension.png", ("VOC022", 0)),
        filename("filename_wrong", "IMG_0001.jpg", ("VOC022", 0)),
        filename("filename_empty", ""),
        filename("filename_path", "/home/me/filename_path.jpg", ("VOC013", 3)),
        filename("filename_dots", "../../etc/passwd", ("VOC022", 0), ("VOC013", 3)),
        filename("filename_drive", "C:\\photos\\filename_drive.jpg", ("VOC013", 3)),
    ]


def _pictured() -> list[Item]:
    whole, cmyk = coded(), coded(image("CMYK"))
    return [
        _photo("jpeg_cut", whole[: len(whole) // 2], "IMG003"),
        _photo("jpeg_cut_in_header", whole[:100], "IMG003"),
        _photo("png_cut", coded(kind="PNG")[:-2000], "IMG003", suffix=".png"),
        _photo("bmp_cut", coded(kind="BMP")[:-2000], "IMG003", suffix=".bmp"),
        _photo("gif_cut", coded(kind="GIF")[:-1000], "IMG003", suffix=".gif"),
        _photo("tiff_cut", coded(kind="TIFF")[:-2000], "IMG003", suffix=".tif"),
        _photo("webp_cut", coded(kind="WEBP")[:-500], "IMG003", suffix=".webp"),
        _photo("photo_empty", b"", "IMG001"),
        _photo("photo_is_text", b"<html>404</html>", "IMG002"),
        _photo("photo_is_heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\1\0meta", "IMG002", suffix=".heic"),
        _photo("png_named_jpg", coded(kind="PNG"), "IMG011"),
        _photo("webp_named_png", coded(kind="WEBP"), "IMG011", suffix=".png"),
        _photo("grey", coded(image("L")), "IMG014"),
        _photo("grey_alpha", coded(image("LA"), "PNG"), "IMG014", "IMG015", suffix=".png"),
        _photo("bitmap", coded(image("1"), "PNG"), "IMG014", suffix=".png"),
        _photo("palette", coded(image("P"), "PNG"), "IMG015", suffix=".png"),
        _photo("rgba", coded(image("RGBA"), "PNG"), "IMG015", suffix=".png"),
        _photo("cmyk", cmyk, "IMG015"),
        _photo("grey_16_bit", coded(image("I;16"), "PNG"), "IMG014", "IMG015", suffix=".png"),
        _photo("colour_16_bit", files.deep_png(), "IMG015", suffix=".png"),
        _photo("float", coded(image("F"), "TIFF"), "IMG006", suffix=".tif"),
        _photo("mpo", animation("MPO")),
        _photo("gif_animated", animation("GIF"), "IMG016", suffix=".gif"),
        _photo("png_animated", animation("PNG"), "IMG016", suffix=".png"),
        _photo("webp_animated", animation("WEBP"), "IMG016", suffix=".webp"),
        _photo("tiff_pages", animation("TIFF"), "IMG016", suffix=".tif"),
        _photo("pixels_too_many", files.claiming(60_000, 60_000), "IMG002", suffix=".png"),
        _photo("pixels_none", files.claiming(0, 64), "IMG004", suffix=".png"),
        _photo(
            "orientation_invalid",
            coded(exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x63\0\0\0\0\0\0\0"),
            "IMG012",
        ),
    ]


def _paired() -> list[Item]:
    def only(name: str, *names: str, said: tuple[Said, ...]) -> Item:
        content = {each: xml("gone.jpg") if each.endswith(".xml") else coded() for each in names}
        return Item(name, content, said)

    return [
        only("photo_alone", "photo_alone.jpg", said=(("PAIR002", "photo_alone.jpg", 0),)),
        only("xml_alone", "xml_alone.xml", said=(("PAIR001", "xml_alone.xml", 0),)),
        only(
            "two_xml",
            "images/two_xml.jpg",
            "annotations/two_xml.xml",
            "labels/two_xml.xml",
            said=(("PAIR003", "images/two_xml.jpg", 0),),
        ),
        only(
            "a_second_xml",
            "a_second_xml.jpg",
            "a_second_xml.xml",
            "old/a_second_xml.xml",
            said=(("VOC022", "a_second_xml.xml", 0), ("PAIR001", "old/a_second_xml.xml", 0)),
        ),
        only(
            "two_photos",
            "two_photos.jpg",
            "two_photos.jpeg",
            "two_photos.xml",
            said=(("PAIR004", "two_photos.xml", 0),),
        ),
        _labelled("name with  blanks", xml("name with  blanks.jpg")),
        _labelled("emoji 🍎 ä", xml("emoji 🍎 ä.jpg")),
    ]


def _linked() -> list[Item]:
    """What only some file systems can hold."""
    if os.name == "nt":
        return []

    def loops(folder: Path) -> None:
        (folder / "loop").symlink_to(folder, target_is_directory=True)
        (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
        (folder / "nowhere.xml").symlink_to(folder / "gone.xml")
        (folder / "passwd.xml").symlink_to("/etc/passwd")

    said = (
        ("PAIR005", "loop", 0),
        ("PAIR005", "loop.jpg", 0),
        ("PAIR005", "nowhere.xml", 0),
        ("PAIR005", "passwd.xml", 0),
    )
    newline = "new\nline"
    return [
        Item("links", {"links.jpg": coded(), "links.xml": xml("links.jpg")}, said, loops),
        Item(
            "name_new_line",
            {f"{newline}.jpg": coded(), f"{newline}.xml": xml(f"{newline}.jpg")},
            (("PAIR009", f"{newline}.jpg", 0), ("PAIR009", f"{newline}.xml", 0)),
        ),
        Item("folder_named_jpg", {}, (("PAIR006", "x.jpg", 0),), lambda folder: (folder / "x.jpg").mkdir(parents=True)),
        Item("pipe", {}, (("PAIR006", "x.jpg", 0),), _pipe),
    ]


def _pipe(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "x.jpg")


def _in_the_way() -> list[Item]:
    """Files that speak of the folder they lie in: audited each alone; their errors only."""

    def table(name: str, content: bytes) -> Item:
        file = f"{name}.jpg"
        photo = {file: coded(), f"{name}.xml": xml(file), "augmentation.csv": content}
        return Item(name, photo, (("AUG005", "augmentation.csv", 0),))

    return [
        table("table_no_text", b"\xff\xfe"),
        table("table_utf16", "picture,original\n".encode("utf-16")),
        table("table_endless_cell", b"picture,original\n" + b"x" * 200_000),
    ]


ITEMS = _items()
ALONE = _in_the_way()
HEALTHY = {  # name of a photo -> its kind; each with one box
    "photo.jpg": "JPEG",
    "progressive.jpeg": "JPEG",
    "lossless.png": "PNG",
    "windows.bmp": "BMP",
    "web.webp": "WEBP",
}


def messy_folder(root: Path) -> Path:
    """A folder with one instance of everything in `ITEMS`, each in a folder of its own, beside `HEALTHY` photos."""
    for name, kind in HEALTHY.items():
        options = {"progressive": True} if name.startswith("progressive") else {}
        file = put(root / "healthy" / name, coded(kind=kind, **options))
        put(file.with_suffix(".xml"), xml(file.name))
    for item in ITEMS:
        item.build(root)
    return root
