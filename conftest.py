"""How the tests share the machine's cores."""

import os
import sys
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

WARN = "PYTHONWARNDEFAULTENCODING"


class Scheduling(LoadScopeScheduling):
    """A file's tests stay together. Notebooks build on each other, and two browsers at once would be too slow for
    their clocks: all of these go to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return "one by one" if _needs_the_machine(nodeid) else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """The tests' own processes hear of `-X warn_default_encoding`; what the tests start does not."""
    if hasattr(config, "workerinput"):
        os.environ.pop(WARN, None)
    elif sys.flags.warn_default_encoding and config.getoption("numprocesses", None):
        os.environ[WARN] = "1"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    items.sort(key=lambda item: not _needs_the_machine(item.nodeid))


def _needs_the_machine(nodeid: str) -> bool:
    file = nodeid.split("::")[0]
    return file.endswith(".ipynb") or "browser" in file
