"""`augment --preview`: what a recipe does to a few photos, as one contact sheet. Nothing else is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdprep import derived
from ssdprep.augment import Drawn, Recipe, augment_image, rng_for
from ssdprep.augment_plan import AT_MOST, planned
from ssdprep.augmented_files import Task
from ssdprep.faults import ImageFault, damage
from ssdprep.palette import palette
from ssdprep.previewed import choose
from ssdprep.record import Finding, Report, SsdprepError, Track, merged, untracked
from ssdprep.sheet_files import check_place, of_letters, write_sheet
from ssdprep.sheets import Panel, Tile, contact_sheet, thumbnail
from ssdprep.tiles import plain
from ssdprep.wording import counted, quoted

PANELS, DRAWS = 30, 4  # on a sheet, photos and pictures together; at most so many pictures of each photo


@dataclass(frozen=True, slots=True)
class SheetReport(Report):
    """What is on the sheet, and what `augment_folder` would do with the same arguments."""

    root: Path
    out: Path
    recipe: Recipe
    tiles: tuple[tuple[Path, tuple[str, ...]], ...]  # each photo on the sheet, and what is said of each picture of it
    boxes: int  # on those photos, once for each picture
    kept: int  # of them: still on the pictures
    drawn_from: int  # photos that the run would draw from
    pictures: int  # that it would draw
    options: dict[str, float | str]  # how the run was asked for besides the recipe's operations, where that is unusual
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "sheet": str(self.out),
            "tiles": [{"image": str(path), "pictures": list(said)} for path, said in self.tiles],
            "boxes": self.boxes,
            "kept": self.kept,
            "drawn_from": self.drawn_from,
            "pictures": self.pictures,
            "recipe": self.recipe.operations,
            "options": self.options,
        }


def preview_augmentation(
    data: Path | str,
    out: Path | str | None = None,
    recipe: Recipe | None = None,
    *,
    copies: int = 1,
    balance: float | None = None,
    at_most: int = AT_MOST,
    seed: int = 0,
    track: Track = untracked,
) -> SheetReport:
    """Draw some photos, each beside the first pictures that `augment_folder` draws from it, up to four, on one PNG.

    The arguments are those of `augment_folder`. ``out`` names the folder that it would write, and the PNG lies where
    that would, with ``.png`` behind its name; or it names the PNG itself. An earlier sheet is replaced, any other file
    is not. A photo that cannot be read becomes a finding. Raises `SsdprepError` where the PNG would be inside DATA or
    replace something else, the recipe does nothing, nothing would be drawn, or no photo is usable.
    """
    data, recipe, asked = Path(data), recipe or Recipe(), Path(out) if out is not None else None
    names_sheet = asked is not None and asked.suffix.lower() == ".png"
    folder = asked or derived.folder_beside(data, "augmented")
    sheet = folder if names_sheet else folder.with_name(f"{folder.name}.png")
    check_place(sheet, [data])
    source, tasks, found = planned(data, recipe, copies=copies, ratio=balance, at_most=at_most, seed=seed, track=track)
    used = {task.record: task for task in tasks if task.copies}
    if not used:
        raise SsdprepError(f"no picture would be drawn from {data}", _why_none(source, balance))
    draws = min(DRAWS, max(len(task.copies) for task in used.values()))
    chosen = [used[record] for record in choose(list(used), PANELS // (1 + draws), seed)]
    drawn: dict[Path, Tile] = {}
    faults: list[Finding] = []
    for task in track(chosen, "Drawing pictures", len(chosen)):
        try:
            drawn[task.record.path] = _tile(task, recipe, seed)
        except (ImageFault, OSError) as error:
            faults.append(damage(task.record.path, error))
    if not drawn:
        raise SsdprepError(f"no photo of {data} can be drawn from", f"ssdprep audit {quoted(data)}")
    pictures = sum(len(tile) - 1 for tile in drawn.values())
    boxes = sum((len(tile) - 1) * len(tile[0].objects) for tile in drawn.values())
    kept = sum(len(panel.objects) for tile in drawn.values() for panel in tile[1:])
    classes = {thing.name for record in source.records for thing in record.objects}
    shown = {thing.name for tile in drawn.values() for panel in tile for thing in panel.objects}
    pixels = contact_sheet(
        list(drawn.values()),
        title=f"{data.resolve().name}, augmented",
        subtitle=f"{counted(pictures, 'picture')} of {counted(len(drawn), 'photo')}; "
        f"{kept:,} of {counted(boxes, 'box')} kept",
        colours=palette(classes),
    )
    write_sheet(sheet, pixels, [data])
    return SheetReport(
        root=data,
        out=sheet,
        recipe=recipe,
        tiles=tuple((path, tuple(panel.caption for panel in tile[1:])) for path, tile in drawn.items()),
        boxes=boxes,
        kept=kept,
        drawn_from=len(used),
        pictures=sum(len(task.copies) for task in tasks),
        options=_unusual(recipe, copies=copies, balance=balance, at_most=at_most, seed=seed)
        | ({"out": str(asked)} if asked is not None and not names_sheet else {}),
        findings=merged(source.findings, found, faults, of_letters(sheet, shown)),
    )


def _why_none(source: derived.Source, balance: float | None) -> str:
    """What to do where a run would draw nothing."""
    if not source.parts().get("train"):
        return f"all photos are in val or test: ssdprep split {quoted(source.root)} --force"
    return f"its classes are as even as --balance {balance:g} can make them: a smaller one, or --copies 1"


def _unusual(recipe: Recipe, **asked: float | None) -> dict[str, float | str]:
    usual = {"copies": 1, "balance": None, "at_most": AT_MOST, "seed": 0, "min_visibility": 0.3, "fit": "ellipse"}
    chosen = {**asked, "min_visibility": recipe.min_visibility, "fit": recipe.fit}
    return {name: value for name, value in chosen.items() if value is not None and value != usual[name]}


def _tile(task: Task, recipe: Recipe, seed: int) -> Tile:
    """A photo, and pictures of it with the very draws that the run would take."""
    (photo,) = plain(task.record)
    pictures = []
    for copy in range(1, min(DRAWS, len(task.copies)) + 1):
        image, objects, applied = augment_image(photo.image, photo.objects, recipe, rng_for(seed, task.source, copy))
        lost = len(photo.objects) - len(objects)
        note = f"{len(objects)} of {counted(len(photo.objects), 'box')}" if photo.objects else "no objects"
        pictures.append(Panel(image, objects, said(applied), note, "bad" if lost else "plain"))
    return tuple(thumbnail(panel) for panel in (photo, *pictures))


def said(applied: dict[str, Any]) -> str:
    """What was done to a picture, in a line."""
    unchanged = {name: getattr(Drawn(), name) for name in applied}
    done = {name: value for name, value in applied.items() if value != unchanged[name]}
    words = [name if value is True else f"{name} {value:.2g}" for name, value in done.items()]
    return ", ".join(words) or "as it was"
