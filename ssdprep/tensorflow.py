"""TensorFlow, imported late and without the lines that its C++ side writes to stderr while it loads."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ssdprep.record import SsdprepError


def import_tensorflow() -> ModuleType:
    """The module ``tensorflow``; `SsdprepError` says how to install it where it is missing.

    Its log level is set to errors, unless the user's environment says otherwise.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with _stderr_held_back():
            import tensorflow

            tensorflow.config.list_physical_devices()  # looks for a GPU, and complains where there is none
    except ImportError as error:
        raise SsdprepError(f"TensorFlow cannot be imported: {error}", 'pip install "ssdprep[ssd]"') from error
    return tensorflow  # type: ignore[no-any-return]


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Keep file descriptor 2 quiet; what was written is shown only if the block fails.

    TensorFlow greets from C++ before any log level holds, so that nothing short of the descriptor silences it.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:  # not Ctrl-C: it says nothing about TensorFlow
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
