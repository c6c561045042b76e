"""Which tests run, and how they share the machine's cores."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

WARN = "PYTHONWARNDEFAULTENCODING"
LEFT_OUT = pytest.StashKey[int]()
# Each test process and its children have their own: two that compile librosa's functions at once write one mixed cache,
# and whoever loads it crashes.
os.environ["NUMBA_CACHE_DIR"] = str(Path(sys.prefix) / "numba-cache" / os.environ.get("PYTEST_XDIST_WORKER", "main"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="all tests: also those marked slow, which take minutes")


class Scheduling(LoadScopeScheduling):
    """A file's tests stay together. Notebooks go on from each other's results, and two browsers at once would only
    wait for each other: all of these go to one process."""

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
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests are left out unless asked for. What takes longest comes first."""
    slow = [] if config.getoption("slow") else [item for item in items if item.get_closest_marker("slow")]
    config.stash[LEFT_OUT] = len(slow)
    config.hook.pytest_deselected(items=slow)
    chosen = [item for item in items if item not in set(slow)]
    items[:] = sorted(chosen, key=lambda item: not _needs_the_machine(item.nodeid))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every process of xdist leaves out the same tests."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if left_out := config.stash.get(LEFT_OUT, 0):
        terminalreporter.stats.setdefault("deselected", [SimpleNamespace()] * left_out)
        terminalreporter.write_line(f"{left_out} slow tests were left out. All tests: python start.py test --slow")


def _needs_the_machine(nodeid: str) -> bool:
    file = nodeid.split("::")[0]
    return file.endswith(".ipynb") or "browser" in file
