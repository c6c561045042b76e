"""Rewrite lock.txt, and check that it can be installed from wheels alone on every system with every Python.

    pip install uv
    python recipes/lock.py            write lock.txt, then check it
    python recipes/lock.py --check    check the existing lock.txt

PyTorch and the NVIDIA packages of its Linux builds are excluded: which build is installed depends on the machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
LOCK = ROOT / "lock.txt"
HEAD = """# Versions that were resolved together, from wheels alone, for Windows, macOS 14 (Apple silicon) and Linux,
# with Python 3.11 to 3.14. start.py installs these: pip install -c lock.txt -e ".[course]"
# Written by recipes/lock.py. The version of PyTorch stands in pyproject.toml; its build depends on the machine.
"""
PLATFORMS = {
    "Windows": "x86_64-pc-windows-msvc",
    "macOS 14, Apple silicon": "aarch64-apple-darwin",
    "Linux": "x86_64-manylinux_2_28",
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
OLDEST_PYTHON = "3.11.4"
OF_TORCH = (
    *("cuda-bindings", "cuda-toolkit", "nvidia-cudnn-cu13", "nvidia-cusparselt-cu13", "nvidia-nccl-cu13"),
    *("nvidia-nvshmem-cu13", "triton"),
)


def compile_requirements(*options: str) -> list[str]:
    """The lines `name==version` that uv resolves pyproject.toml to, all extras included."""
    with tempfile.TemporaryDirectory() as folder:
        excluded = Path(folder, "excluded.txt")
        excluded.write_text("\n".join(OF_TORCH), encoding="utf-8")
        command = [sys.executable, "-m", "uv", "--quiet", "pip", "compile", "pyproject.toml", "--all-extras"]
        command += ["--only-binary", ":all:", "--no-header", "--no-annotate", "--excludes", str(excluded), *options]
        environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}
        answer = subprocess.run(
            command, cwd=ROOT, check=True, stdout=subprocess.PIPE, encoding="utf-8", env=environment
        )
    return [line for line in answer.stdout.splitlines() if not line.startswith("torch==")]


def check(system: str, python: str) -> bool:
    """Print and return whether wheels of the locked versions exist for everything that this system needs."""
    options = ["--python-platform", PLATFORMS[system], "--python-version", python, "-c", str(LOCK)]
    try:
        found = compile_requirements(*options)
    except subprocess.CalledProcessError:  # uv has printed the reason
        found = []
    unlocked = set(found) - {line.partition(" ;")[0] for line in LOCK.read_text(encoding="utf-8").splitlines()}
    print(f"{system:24} {python}  {f'{len(found)} wheels' if found else 'FAILS'}", *sorted(unlocked))
    return bool(found) and not unlocked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="leave lock.txt as it is")
    if not parser.parse_args().check:
        options = ["--universal", "--python-version", OLDEST_PYTHON, "--fork-strategy", "fewest"]
        LOCK.write_text(HEAD + "\n".join(compile_requirements(*options)) + "\n", encoding="utf-8")
    results = [check(system, python) for system in PLATFORMS for python in PYTHONS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
