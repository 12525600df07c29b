"""ssdprep: LabelImg photos in, a data set that a detector can be trained on out.

The names below are loaded when they are first used, so that ``import ssdprep`` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Box": "record",
    "Dataset": "record",
    "Finding": "record",
    "Object": "record",
    "Record": "record",
    "Severity": "record",
    "Size": "record",
    "SsdprepError": "record",
    "scan_folder": "scan",
    "to_upright": "orient",
    "fix_exif": "exif",
    "undo": "files",
    "audit_folder": "audit",
    "repair_folder": "repair",
    "xml_to_csv": "formats.csv",
    "read_csv": "formats.csv",
    "split_folder": "split",
    "augment_folder": "augmented",
    "image_augmentation": "on_the_fly",
    "write_tfrecords": "formats.tfrecord",
    "preview": "previewed",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ssdprep' has no attribute {name!r}")
    return getattr(import_module(f"ssdprep.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
