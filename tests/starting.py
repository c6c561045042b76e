"""start.py as a module, for its tests."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

specification = importlib.util.spec_from_file_location("kurdtts_start", ROOT / "start.py")
assert specification and specification.loader
start: Any = importlib.util.module_from_spec(specification)
specification.loader.exec_module(start)

STAMP = {"key": "k", "asked": "auto", "choice": "cpu", "torch": "2.13.0+cpu", "root": ""}
FOUND = {"python": list(sys.version_info[:2]), "pip": True, "torch": "2.13.0+cpu", "build": "cpu"}
"""What a finished set-up wrote down, and what its Python says of itself."""


def refuse(*arguments: object, **options: object) -> None:
    raise AssertionError(f"must not be called: {arguments} {options}")
