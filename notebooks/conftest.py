"""Under pytest all notebooks share one temporary home, so that nothing is written into the reader's folders."""

import os
import shutil
import tempfile

HOME = tempfile.mkdtemp(prefix="kurdtts-notebooks-")
os.environ["KURDTTS_HOME"] = HOME  # the kernels inherit it


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)
