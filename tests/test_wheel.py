"""The built wheel in fresh environments: what `pip install` of it promises, with and without its extras."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from starting import ROOT, start
from test_core import core_packages

from kurdtts_lib.voices.export.export import export_voice

pytestmark = pytest.mark.slow


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KURDTTS_HOME")}
    plain |= {"PYTHONUTF8": "1", **environment}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=plain, cwd=Path(sys.prefix).anchor)


def succeed(*command: str) -> str:
    result = run(*command)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("wheel")
    yield folder
    shutil.rmtree(folder / "venv", ignore_errors=True)  # a gigabyte


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """Built from a copy: a build leaves folders behind."""
    source = folder / "source"
    shutil.copytree(ROOT / "kurdtts_lib", source / "kurdtts_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    succeed(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(folder), str(source))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def programs(folder: Path, wheel: Path) -> Path:
    """The folder of programs of an environment with the wheel, without extras."""
    venv = folder / "venv"
    succeed(sys.executable, "-m", "venv", str(venv))
    install(start.python_of(venv), str(wheel))
    return start.python_of(venv).parent


def install(python: Path, *requirements: str) -> None:
    succeed(str(python), "-m", "pip", "install", "-c", str(ROOT / "lock.txt"), *requirements)


def kurdtts(programs: Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    data = {"XDG_DATA_HOME": str(home), "LOCALAPPDATA": str(home), "HF_HUB_OFFLINE": "1"}
    return run(shutil.which("kurdtts", path=str(programs)) or "", *arguments, **data)


def test_the_wheel_holds_the_whole_library_and_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
    needed = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "kurdtts_lib").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in held if ".dist-info/" not in name} == needed
    assert [name for name in held if name.endswith("licenses/LICENSE")]


def test_the_core_has_its_own_packages_only_and_keeps_its_promises(programs: Path, tmp_path: Path) -> None:
    python = str(programs / "python")
    listed = json.loads(succeed(python, "-m", "pip", "list", "--format=json"))
    installed = {canonicalize_name(package["name"]) for package in listed}
    assert installed - {"pip", "setuptools", "wheel"} == core_packages() | {"kurdtts"}
    code = "from kurdtts_lib.text import normalize; print(normalize('Di 2024an de').text)"
    assert succeed(python, "-c", code) == "di du hezar û bîst û çaran de\n"

    voice, target = export_voice(ROOT / "models" / "tiny-kmr", tmp_path / "voice").folder, tmp_path / "roj.mp3"
    said = kurdtts(programs, "say", "Roj baş!", "-o", str(target), "--voice", str(voice), home=tmp_path)
    assert said.returncode == 0 and target.stat().st_size > 2_000, said.stderr

    code = "from kurdtts_lib.core.settings import home; print(home())"
    assert "site-packages" not in succeed(python, "-c", code)


def test_extras_add_what_they_promise(programs: Path, wheel: Path, tmp_path: Path) -> None:
    python = programs / "python"
    torch = importlib.metadata.version("torch")  # the build that is here: another one has gigabytes
    index = ["--extra-index-url", start.TORCH_INDEX["cpu"]] if torch.endswith("+cpu") else []
    install(python, f"{wheel}[train]", f"torch=={torch}", *index)
    target = tmp_path / "roj.wav"
    voice = str(ROOT / "models" / "tiny-kmr")
    said = kurdtts(programs, "say", "Roj baş!", "-o", str(target), "--voice", voice, home=tmp_path)
    assert said.returncode == 0 and target.stat().st_size > 10_000, said.stderr
    refused = kurdtts(programs, "serve", home=tmp_path)
    assert refused.returncode == 1 and "pip install kurdtts[service]" in refused.stderr

    install(python, f"{wheel}[course]", f"torch=={torch}", *index)
    modules = ("service.app", "cli.course", "widgets.recorder", "widgets.training_panel")
    succeed(str(python), "-c", "; ".join(f"import kurdtts_lib.{module}" for module in modules))
    assert not [name for name in ("playwright", "mypy", "pytest") if (programs / name).exists()]
