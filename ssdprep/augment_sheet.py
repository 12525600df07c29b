"""`augment --preview`: what a recipe does to a few photos, as one contact sheet. Nothing else is written."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdprep import derived, images
from ssdprep.augment import Drawn, Recipe, augment_image, rng_for
from ssdprep.augment_plan import AT_MOST, planned, require_outside
from ssdprep.augmented_files import Task
from ssdprep.faults import ImageFault
from ssdprep.files import write_new
from ssdprep.palette import palette
from ssdprep.previewed import choose
from ssdprep.record import Finding, Report, SsdprepError, Track, untracked
from ssdprep.sheets import Panel, Tile, contact_sheet, thumbnail
from ssdprep.tiles import plain
from ssdprep.wording import counted

PHOTOS, DRAWS = 6, 4  # on a sheet, and pictures of each


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
    """Draw a few photos, each beside the first pictures that `augment_folder` draws from it, on one PNG.

    The arguments are those of `augment_folder`; ``out`` names the folder that it would write, and the PNG lies where
    that would, with ``.png`` behind its name. A photo that cannot be read becomes a finding. Raises `SsdprepError`
    where ``out`` is inside DATA, the recipe does nothing, or no photo is usable.
    """
    data, recipe = Path(data), recipe or Recipe()
    out = derived.folder_beside(data, "augmented") if out is None else Path(out)
    out = out if out.suffix.lower() == ".png" else out.with_name(f"{out.name}.png")
    require_outside(out, data)
    source, tasks, found = planned(data, recipe, copies=copies, ratio=balance, at_most=at_most, seed=seed, track=track)
    used = {task.record: task for task in tasks if task.copies}
    chosen = [used[record] for record in choose(list(used), PHOTOS, seed)]
    drawn: dict[Path, Tile] = {}
    faults: list[Finding] = []
    for task in track(chosen, "Drawing pictures", len(chosen)):
        try:
            drawn[task.record.path] = _tile(task, recipe, seed)
        except (ImageFault, OSError) as error:
            faults.append(derived.damage(task.record.path, error))
    if not drawn:
        raise SsdprepError(f"no photo of {data} can be drawn from", f"ssdprep audit {shlex.quote(str(data))}")
    boxes = DRAWS * sum(len(tile[0].objects) for tile in drawn.values())
    kept = sum(len(panel.objects) for tile in drawn.values() for panel in tile[1:])
    classes = {thing.name for record in source.records for thing in record.objects}
    sheet = contact_sheet(
        list(drawn.values()),
        title=f"{data.resolve().name}, augmented",
        subtitle=f"{counted(len(drawn), 'photo')}, {DRAWS} pictures of each; {kept:,} of {counted(boxes, 'box')} kept",
        colours=palette(classes),
    )
    write_new(out, images.encode_png(sheet))
    return SheetReport(
        root=data,
        out=out,
        recipe=recipe,
        tiles=tuple((path, tuple(panel.caption for panel in tile[1:])) for path, tile in drawn.items()),
        boxes=boxes,
        kept=kept,
        drawn_from=len(used),
        pictures=sum(len(task.copies) for task in tasks),
        options=_unusual(recipe, copies=copies, balance=balance, at_most=at_most, seed=seed),
        findings=derived.merged(source.findings, found, faults),
    )


def _unusual(recipe: Recipe, **asked: float | None) -> dict[str, float | str]:
    usual = {"copies": 1, "balance": None, "at_most": AT_MOST, "seed": 0, "min_visibility": 0.3, "fit": "ellipse"}
    chosen = {**asked, "min_visibility": recipe.min_visibility, "fit": recipe.fit}
    return {name: value for name, value in chosen.items() if value is not None and value != usual[name]}


def _tile(task: Task, recipe: Recipe, seed: int) -> Tile:
    """A photo, and pictures of it with the very draws that the run would take."""
    (photo,) = plain(task.record)
    pictures = []
    for copy in range(1, DRAWS + 1):
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
