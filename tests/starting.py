"""start.py as a module, for its tests."""

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

specification = importlib.util.spec_from_file_location("kurdtts_start", ROOT / "start.py")
assert specification and specification.loader
start: Any = importlib.util.module_from_spec(specification)
specification.loader.exec_module(start)


def refuse(*arguments: object, **options: object) -> None:
    raise AssertionError(f"must not be called: {arguments} {options}")
