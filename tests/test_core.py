"""Reading and speaking need the packages of `pip install kurdtts` alone, without any extra."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kurdtts_lib.cli import app, backend_check
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.settings import REPOSITORY, home, load_profile
from kurdtts_lib.voices.export.export import export_voice

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Every import of a package that no core package needs fails, as it does where only the core is installed.
ONLY_CORE = """
import importlib.metadata, runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if path is None and top in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Blocked())
"""


def core_packages() -> set[str]:
    """The core's dependencies and theirs."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in PROJECT["dependencies"]]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += map(Requirement, importlib.metadata.requires(name) or [])
    return found


def run_in_core(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    core = core_packages()
    owners = importlib.metadata.packages_distributions()
    blocked = [
        module
        for module, names in owners.items()
        if module != "kurdtts_lib" and not {canonicalize_name(name) for name in names} & core
    ]
    command = [sys.executable, "-X", "utf8", "-c", ONLY_CORE + code, ",".join(blocked), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment)


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_in_core("runpy.run_module('kurdtts_lib.cli', run_name='__main__')", *arguments)


def test_torch_and_jupyter_are_not_of_the_core() -> None:
    assert core_packages().isdisjoint({"torch", "transformers", "pandas", "matplotlib", "jupyterlab", "numba"})
    result = run_in_core("import torch")
    assert result.returncode == 1 and "No module named 'torch'" in result.stderr


def test_the_core_reads_text_and_shows_its_help() -> None:
    result = run_in_core("from kurdtts_lib.text import normalize; print(normalize('Di 2024an de').text)")
    assert result.stdout == "di du hezar û bîst û çaran de\n", result.stderr
    result = run_command("--help")
    assert result.returncode == 0 and "say" in result.stdout, result.stderr


def test_the_core_speaks_with_an_exported_voice_and_writes_subtitles(tmp_path: Path) -> None:
    voice = export_voice(REPOSITORY / "models" / "tiny-kmr", tmp_path / "voice").folder
    target = tmp_path / "words.wav"
    sentence = ("say", "Roj baş, heval! Ez li vir.", "--voice", str(voice), "-o", str(target), "--subtitles", "words")
    result = run_command(*sentence)
    assert result.returncode == 0, result.stderr
    assert f"{target}: " in result.stdout and target.stat().st_size > 16_000
    assert target.with_suffix(".srt").read_text(encoding="utf-8").count("-->") == 6


def test_the_check_of_the_core_names_what_is_missing() -> None:
    result = run_command("check")
    assert result.returncode == 1 and not result.stderr
    assert re.search(r"^FIX +torch: ", result.stdout, flags=re.MULTILINE), result.stdout


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [(["train"], "train"), (["say", "Roj baş", "-o", "a.wav"], "train"), (["serve"], "service")],
)
def test_a_command_that_needs_more_says_in_one_sentence_what_to_install(arguments: list[str], extra: str) -> None:
    result = run_command(*arguments)
    assert result.returncode == 1
    expected = rf"kurdtts {arguments[0]}: This needs the packages of `pip install kurdtts\[{extra}\]` \(\w+ is not .*\n"
    assert re.fullmatch(expected, result.stderr), result.stderr


def test_a_module_of_ours_that_is_missing_is_a_bug_and_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> int:
        raise ModuleNotFoundError("No module named 'kurdtts_lib.nonsense'", name="kurdtts_lib.nonsense")

    monkeypatch.setattr(backend_check, "check", broken)
    with pytest.raises(ModuleNotFoundError):
        app.main(["check"])


def test_every_package_that_the_library_imports_is_in_the_lock_or_is_torch() -> None:
    lines = (REPOSITORY / "lock.txt").read_text(encoding="utf-8").splitlines()
    locked = {canonicalize_name(Requirement(line).name) for line in lines if not line.startswith("#")} | {"torch"}
    imported = set()
    for path in (REPOSITORY / "kurdtts_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    packages, found = importlib.metadata.packages_distributions(), imported - sys.stdlib_module_names - {"kurdtts_lib"}
    assert [name for name in found if not {canonicalize_name(each) for each in packages[name]} & locked] == []


# --- where things lie ------------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the library lay in site-packages, on a computer whose user's folder is `tmp_path`."""
    monkeypatch.setattr("kurdtts_lib.core.settings.IS_CHECKOUT", False)
    monkeypatch.delenv("KURDTTS_HOME")
    for name in ("LOCALAPPDATA", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)


@pytest.mark.parametrize(
    ("platform", "folder"),
    [
        ("win32", "AppData/Local/kurdtts"),
        ("darwin", "Library/Application Support/kurdtts"),
        ("linux", ".local/share/kurdtts"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_an_installed_package_writes_into_the_users_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, folder: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert home() == tmp_path / folder
    monkeypatch.setenv("LOCALAPPDATA" if platform == "win32" else "XDG_DATA_HOME", str(tmp_path / "mine"))
    assert home() == (tmp_path / folder if platform == "darwin" else tmp_path / "mine" / "kurdtts")
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path / "first"))
    assert home() == tmp_path / "first"


@pytest.mark.usefixtures("installed")
def test_without_the_courses_folder_the_sample_is_refused_with_a_sentence() -> None:
    with pytest.raises(KurdTTSError, match="needs the course's own folder"):
        load_profile("sample")
    assert load_profile("full").name == "full"
