"""How each verb's report looks on a terminal: one function a report, each yields rich renderables."""

from __future__ import annotations
