"""imgaug 0.4.0 on NumPy 2: import it from here, as ``iaa``, ``iap`` and ``Keypoints``.

Its last release is of 2020 and asks NumPy for three names that NumPy has dropped since: ``np.sctypes`` while it is
imported, ``np.bool`` and ``np.complex`` when some augmenters run. They are set here, only where they are missing.
And half the time of its import is ``scipy.stats``, of which it has one distribution: that waits until it is used.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

_DROPPED: dict[str, Any] = {
    "sctypes": {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64],
        "complex": [np.complex64, np.complex128],
        "others": [np.bool_, object, bytes, str, np.void],
    },
    "bool": np.bool_,
    "complex": np.complex128,
}

for _name, _value in _DROPPED.items():
    if not hasattr(np, _name):
        setattr(np, _name, _value)


@contextmanager
def _later(name: str) -> Iterator[None]:
    """``import`` takes the submodule for loaded; its package loads it for whoever uses it afterwards."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]


with warnings.catch_warnings(), _later("scipy.stats"):
    # imgaug's own imports warn, and so do the parts of scikit-image and SciPy that it imports by names of its time.
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", UserWarning)
    warnings.simplefilter("ignore", SyntaxWarning)
    import imgaug.augmenters as iaa
    import imgaug.parameters as iap
    from imgaug.augmentables.kps import KeypointsOnImage as Keypoints

__all__ = ["Keypoints", "iaa", "iap"]
