"""Under pytest all notebooks share one temporary home, so that nothing is written into the reader's folders."""

import os
import shutil
import tempfile

import pytest

HOME = tempfile.mkdtemp(prefix="kurdtts-notebooks-")
os.environ["KURDTTS_HOME"] = HOME  # the kernels inherit it


def pytest_itemcollected(item: pytest.Item) -> None:
    """The solutions of the exercises go on from what the whole course left in the home, so they run after it."""
    if item.path.parent.name == "solutions":
        item.add_marker("slow")


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)
