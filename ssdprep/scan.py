"""A folder -> Dataset: which annotation belongs to which photo, what they say, and what is wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from posixpath import dirname

from ssdprep.checks import check, near_names
from ssdprep.formats import voc
from ssdprep.headers import Probed, read_header
from ssdprep.imagesets import read_lists
from ssdprep.pairing import Pairing, pair
from ssdprep.parallel import in_order
from ssdprep.record import Dataset, Finding, Record, Severity, SsdprepError, Track, untracked
from ssdprep.recovery import refuse_half_done
from ssdprep.walk import Names, folded, walk

NO_PHOTO, NO_ANNOTATION, SECOND, AMBIGUOUS, ONE_KIND = "PAIR001", "PAIR002", "PAIR003", "PAIR004", "PAIR007"
_AT_ONCE = 256  # annotations that travel to a worker together

Read = tuple[voc.Annotation | None, tuple[Finding, ...]]


def scan_folder(root: Path, *, track: Track = untracked, jobs: int = 1) -> Dataset:
    """Read every photo's header and every annotation below a folder. Never raises on what the files hold.

    Hidden files and folders are passed over, links are not followed out of ``root``. Records come in the order of
    their paths, the same on every system. What cannot be trusted is not in them, and a finding says why: a photo whose
    annotation is broken, of no use in any object, or one of several is neither labelled nor free of objects.

    jobs: worker processes for the annotations; 0: one for each core. One is as fast as two up to some 20,000 of them.
    `SsdprepError` where ``root`` is no readable folder, holds neither photos nor XML, or was left half-changed.
    """
    root = Path(root)
    names = walk(root)
    refuse_half_done(root, (root / folder for folder in {dirname(name) for name in names.photos + names.annotations}))
    if not (names.photos or names.annotations or names.findings):
        raise SsdprepError(f"no photos and no XML below {root}", "name the folder that holds your photos")
    paths = {name: root / name for name in (*names.photos, *names.annotations)}
    annotations = _read_all({name: paths[name] for name in names.annotations}, track, jobs)
    probes = _probe_all({name: paths[name] for name in names.photos}, track)
    filenames = {name: voc.base_name(read.filename) for name, (read, _) in annotations.items() if read}
    pairing = pair(names.photos, names.annotations, filenames)
    records = _records(paths, names, pairing, annotations, probes)
    lists = read_lists(root, names.lists, names.photos or names.annotations, records)
    findings = [
        *names.findings,
        *_pairing_findings(root, names, pairing),
        *(finding for _, found in (*probes.values(), *annotations.values()) for finding in found),
        *(finding for record in records.values() for finding in check(record)),
        *near_names(records.values()),
        *lists.findings,
    ]
    splits = {name: tuple(records[photo] for photo in photos) for name, photos in lists.splits.items()}
    findings = [finding.about(root) for finding in findings]
    findings.sort(key=lambda finding: (str(finding.path), finding.line, finding.code))
    left_out = tuple(root / name for name in names.photos if name not in records)
    return Dataset(root, tuple(records.values()), tuple(findings), splits, left_out)


def _read_all(paths: Mapping[str, Path], track: Track, jobs: int) -> dict[str, Read]:
    answers = in_order(voc.read, paths.values(), jobs=jobs, at_once=_AT_ONCE)
    return dict(zip(paths, track(answers, "Reading annotations", len(paths)), strict=True))


def _probe_all(paths: Mapping[str, Path], track: Track) -> dict[str, Probed]:
    return {name: read_header(path) for name, path in track(paths.items(), "Reading headers", len(paths))}


def _records(
    paths: Mapping[str, Path],
    names: Names,
    pairing: Pairing,
    annotations: dict[str, Read],
    probes: dict[str, Probed],
) -> dict[str, Record]:
    """A record for every photo and every annotation that can be trusted, by the name that stands for it."""
    annotation_of = {photo: annotation for annotation, photo in pairing.photo_of.items()}
    settled, withheld = pairing.settled, pairing.withheld
    lone = [(None, name) for name in names.annotations if name not in settled]
    photos = [(name, annotation_of.get(name)) for name in names.photos if name not in withheld]
    records = {}
    for photo, annotation in sorted([*photos, *lone], key=lambda both: _order(both[0] or both[1] or "")):
        record = _record(paths, photo, annotation, annotations, probes)
        if record is not None:
            records[photo or annotation or ""] = record
    return records


def _record(
    paths: Mapping[str, Path],
    photo: str | None,
    annotation: str | None,
    annotations: dict[str, Read],
    probes: dict[str, Probed],
) -> Record | None:
    read = annotations[annotation][0] if annotation else voc.Annotation()
    if read is None or (read.left_out and not read.objects):
        return None
    probe = probes[photo][0] if photo else None
    return Record(
        image=paths[photo] if photo else None,
        annotation=paths[annotation] if annotation else None,
        objects=read.objects,
        stored_size=probe.size if probe else None,
        orientation=probe.orientation if probe else 1,
        labelled_size=read.labelled_size,
        filename=read.filename,
    )


def _order(name: str) -> tuple[str, str]:
    return folded(name), name


def _pairing_findings(root: Path, names: Names, pairing: Pairing) -> Iterator[Finding]:
    """Photos without annotation, annotations without photo, and those that are one too many."""
    for annotation, photo in pairing.second.items():
        message = f"a second annotation of {photo}, which has another: not read"
        yield Finding(
            SECOND,
            Severity.ERROR,
            root / annotation,
            0,
            message,
            "keep the right one, move the other out of the folder",
        )
    for photo, rivals in pairing.rivals.items():
        claimants = [*rivals, *(name for name, photos in pairing.ambiguous.items() if photo in photos)]
        message = f"several annotations claim it: {', '.join(claimants)}"
        yield Finding(
            SECOND, Severity.ERROR, root / photo, 0, message, "keep the right one, move the others out of the folder"
        )
    for annotation, photos in pairing.ambiguous.items():
        message = f"may belong to any of {', '.join(photos[:4])}{' ...' if len(photos) > 4 else ''}"
        remedy = "put it beside its photo, under the same name, and take the others away"
        yield Finding(AMBIGUOUS, Severity.ERROR, root / annotation, 0, message, remedy)
    yield from _lonely(root, names, pairing)


def _lonely(root: Path, names: Names, pairing: Pairing) -> Iterator[Finding]:
    if not names.photos or not names.annotations:
        if names.annotations:
            message = f"{len(names.annotations)} annotations and not one photo: sizes and frames are not checked"
            yield Finding(ONE_KIND, Severity.WARNING, root, 0, message, "put the photos into this folder too")
        elif names.photos:
            message = f"{len(names.photos)} photos and not one annotation"
            remedy = "label them in LabelImg, or name the folder that holds both"
            yield Finding(ONE_KIND, Severity.WARNING, root, 0, message, remedy)
        return
    settled = pairing.settled
    stems: dict[str, list[str]] = defaultdict(list)
    for photo in names.photos:
        stems[folded(PurePosixPath(photo).stem)].append(photo)
    for annotation in names.annotations:
        if annotation not in settled:
            message = "no photo belongs to it, neither by its own name nor by <filename>"
            if namesakes := stems.get(folded(PurePosixPath(annotation).stem)):
                message = f"no photo belongs to it: {namesakes[0]} has another annotation"
            remedy = "bring its photo back, or move it out of the folder"
            yield Finding(NO_PHOTO, Severity.ERROR, root / annotation, 0, message, remedy)
    paired = {*pairing.photo_of.values(), *pairing.withheld}
    for photo in names.photos:
        if photo not in paired:
            message = "no annotation belongs to it: not used"
            remedy = "label it; or save it without boxes in LabelImg if it shows nothing"
            yield Finding(NO_ANNOTATION, Severity.WARNING, root / photo, 0, message, remedy)
