"""start.py before it installs anything: what it needs, and its command line."""

import ast
import io
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from starting import ROOT, refuse, start

SOURCE = (ROOT / "start.py").read_text(encoding="utf-8")


# --- old Pythons


def test_the_file_is_readable_for_python_3_6_and_nothing_that_it_lacks_is_imported_or_evaluated_at_the_top() -> None:
    with pytest.raises(SyntaxError):  # the check is able to fail
        ast.parse("(a := 1)", feature_version=(3, 6))
    tree = ast.parse(SOURCE, feature_version=(3, 6))
    imported = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    of_python_3_6 = {"argparse", "contextlib", "hashlib", "importlib.util", "io", "json", "os", "pathlib", "platform"}
    assert imported == of_python_3_6 | {"re", "shutil", "subprocess", "sys", "time", "typing"}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert len(functions) > 15
    for hint in [hint for one in functions for hint in (one.returns, *(given.annotation for given in one.args.args))]:
        # list[str] and str | None stand in quotes; what is not quoted is a plain name
        assert hint is None or isinstance(hint, ast.Name | ast.Constant), ast.unparse(hint)


def test_a_python_that_cannot_be_used_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (start.OLDEST_PYTHON, (3, 12, 1), (4, 0, 0)):
        start.check_python(version)
    for version in ((2, 7, 18), (3, 10, 13), (3, 11, 3)):
        with pytest.raises(
            start.Problem, match=r"The course needs 3\.11\.4 or newer[\s\S]*Install Python 3\.12"
        ) as problem:
            start.check_python(version)
        assert f"Python {'.'.join(map(str, version))}." in str(problem.value)
    with pytest.raises(start.Problem, match="32-bit"):
        start.check_python((3, 12, 1), largest_number=2**31 - 1)
    for missing in ("venv", "ensurepip"):
        monkeypatch.setattr(start, "find_spec", lambda name, missing=missing: None if name == missing else object())
        with pytest.raises(start.Problem, match="sudo apt install python3-venv"):
            start.check_python((3, 12, 1))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, start.OLDEST_PYTHON))


@pytest.mark.parametrize(
    ("release", "machine", "said"),
    [("13.6.1", "arm64", "This is macOS 13.6.1. PyTorch needs macOS 14"), ("14.5", "x86_64", "an Intel processor")],
)
def test_only_a_mac_without_packages_is_told_so_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], release: str, machine: str, said: str
) -> None:
    for fine in (("14.0", "arm64"), ("26.1", "arm64"), ("", "AMD64"), ("", "x86_64")):
        start.check_mac(*fine)
    monkeypatch.setattr(start.platform, "mac_ver", lambda: (release, ("", "", ""), machine))
    monkeypatch.setattr(start.platform, "machine", lambda: machine)
    monkeypatch.setattr(start, "set_up", refuse)
    assert start.main([]) == 1
    assert said in capsys.readouterr().err


# --- the command line


def run_start(*arguments: str) -> subprocess.CompletedProcess[str]:
    flags = ["-X", "warn_default_encoding", "-W", "error::EncodingWarning"]
    command = [sys.executable, *flags, str(ROOT / "start.py"), *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=60)


def test_help_names_the_commands_and_builds_and_a_mistyped_command_line_starts_nothing() -> None:
    answer = run_start("--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    for word in ("start.py lab", "start.py test", "--torch auto", "--torch cpu", "--torch cuda"):
        assert word in answer.stdout
    for arguments in (["--torch", "rocm"], ["lab", "tests/x.py"]):
        answer = run_start(*arguments)
        assert answer.returncode == 2 and "error" in answer.stderr and "Traceback" not in answer.stderr


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replace set-up and children; gives what would have been started: [("auto", False), [python, ...]]."""
    seen: list[Any] = []

    def set_up(root: Path, asked: str, tests: bool) -> Path:
        seen.append((asked, tests))
        return Path("PY")

    def run_child(command: list[str], root: Path) -> int:
        seen.append(command)
        return 7

    monkeypatch.setattr(start, "set_up", set_up)
    monkeypatch.setattr(start, "run_child", run_child)
    return seen


FIRST_NOTEBOOK = str(Path("notebooks", "01_backend_check.ipynb"))
PYTEST = ["-X", "warn_default_encoding", "-m", "pytest", "-n", "2"]


@pytest.mark.parametrize(
    ("arguments", "asked", "command"),
    [
        ([], "auto", ["-m", "kurdtts_lib.cli.course"]),
        (["run", "--torch", "cpu"], "cpu", ["-m", "kurdtts_lib.cli.course"]),
        (["lab"], "auto", ["-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}", FIRST_NOTEBOOK]),
        (["test"], "auto", PYTEST),
        (["test", "--slow"], "auto", [*PYTEST, "--slow"]),
        (
            ["test", "-k", "a and b", "tests/x.py", "-x", "--torch=cuda", "--tb=short"],
            "cuda",
            [*PYTEST, "-k", "a and b", "tests/x.py", "-x", "--tb=short"],
        ),
    ],
)
def test_commands(started: list[Any], arguments: list[str], asked: str, command: list[str]) -> None:
    assert start.main(arguments) == 7  # the exit code is passed on
    assert started == [(asked, arguments[:1] == ["test"]), ["PY", *command]]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (start.Problem("The cat is on the keyboard.", "Move the cat."), 1, "What to do\n  Move the cat."),
        (PermissionError(13, "Permission denied", "x/.venv"), 1, "What happened\n  The computer refused"),
        (KeyboardInterrupt(), 130, "\nStopped.\n"),
    ],
)
def test_what_stops_us_is_one_short_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, text: str
) -> None:
    def fail(root: Path, asked: str, tests: bool) -> Path:
        raise error

    monkeypatch.setattr(start, "set_up", fail)
    assert start.main([]) == code
    written = capsys.readouterr().err
    assert text in written and "Traceback" not in written and len(written.splitlines()) < 12


def test_a_window_that_lacks_a_letter_shows_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    window = io.TextIOWrapper(io.BytesIO(), encoding="cp437")
    monkeypatch.setattr(sys, "stdout", window)
    monkeypatch.setattr(start, "set_up", lambda root, asked, tests: start.say("Kurdî ş") or Path("PY"))
    monkeypatch.setattr(start, "run_child", lambda command, root: 0)
    assert start.main([]) == 0
    window.seek(0)
    assert window.read().split() == ["Kurdî", "?"]


# --- before installing


def test_an_incomplete_copy_is_named_and_windows_is_warned_of_a_long_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "Kurdî û nû mapa" / ("x" * 120)
    for name in ("kurdtts_lib", "pyproject.toml", "lock.txt", "notebooks"):
        (root / name).mkdir(parents=True)
    start.check_folder(root, "linux")
    assert capsys.readouterr().out == ""
    start.check_folder(root, "win32")
    assert f"has {len(str(root))} letters" in capsys.readouterr().out
    for name in ("lock.txt", "notebooks"):
        (root / name).rmdir()
    with pytest.raises(start.Problem, match="Extract All") as problem:
        start.check_folder(root, "win32")
    assert f"not complete: lock.txt, notebooks not found in\n  {root}" in str(problem.value)


def test_torch_is_what_pyproject_requires_a_damaged_one_is_named_and_only_one_host(tmp_path: Path) -> None:
    assert start.torch_requirement(ROOT).startswith("torch==")  # ours: pinned exactly
    (tmp_path / "pyproject.toml").write_text('["torch-fidelity==1", "torchaudio==2.13.0", "torch"]', encoding="utf-8")
    with pytest.raises(start.Problem, match=r"pyproject\.toml is damaged"):
        start.torch_requirement(tmp_path)
    assert {url.split("/")[2] for url in start.TORCH_INDEX.values()} == {"download.pytorch.org"}
    assert SOURCE.count("://") == len(start.TORCH_INDEX)
