"""start.py: each branch with fakes, and the whole of it for real, with real environments and a real pip.

The real part needs no network: the project, "PyTorch", "pytest" and "JupyterLab" are tiny packages that the test
writes itself, served from folders that look like package indexes. Their folder has spaces and Kurdish letters.
"""

import ast
import contextlib
import importlib.util
import io
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = (ROOT / "start.py").read_text(encoding="utf-8")

specification = importlib.util.spec_from_file_location("kurdtts_start", ROOT / "start.py")
assert specification and specification.loader
start: Any = importlib.util.module_from_spec(specification)
specification.loader.exec_module(start)

THIS_PYTHON = list(sys.version_info[:2])
STAMP = {"key": "k", "asked": "auto", "choice": "cpu", "torch": "2.13.0+cpu", "root": ""}


def refuse(*arguments: object, **options: object) -> None:
    raise AssertionError(f"must not be called: {arguments} {options}")


# ------------------------------------------------------------------------------------------------ old Pythons


def test_the_file_is_readable_for_python_3_6() -> None:
    ast.parse(SOURCE, feature_version=(3, 6))
    for newer in ("(a := 1)", "match a:\n    case 1: pass", "def f(a, /): pass"):
        with pytest.raises(SyntaxError):  # the check is able to fail
            ast.parse(newer, feature_version=(3, 6))


def test_nothing_that_python_3_6_lacks_is_imported_or_evaluated_at_the_top() -> None:
    tree = ast.parse(SOURCE)
    imported = {
        name.name if isinstance(node, ast.Import) else f"{node.module}.{name.name}"
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    plain = {"argparse", "contextlib", "hashlib", "io", "json", "os", "re", "shutil", "subprocess", "sys", "time"}
    assert plain <= imported
    assert imported - plain == {"importlib.util.find_spec", "pathlib.Path", "typing.Any", "typing.Sequence"}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    hints = [argument.annotation for function in functions for argument in function.args.args]
    hints += [function.returns for function in functions]
    assert len(functions) > 15
    for hint in filter(None, hints):  # list[str] and str | None stand in quotes; what is not quoted is a plain name
        assert isinstance(hint, ast.Name | ast.Constant), ast.unparse(hint)


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (2, 7, 18)])
def test_a_python_that_is_too_old_is_told_what_to_install(version: tuple[int, int, int]) -> None:
    with pytest.raises(start.Problem) as problem:
        start.check_python(version)
    assert f"Python {version[0]}.{version[1]}." in str(problem.value)
    assert "3.11 or newer" in str(problem.value)
    assert "Install Python 3.12" in str(problem.value)


def test_pythons_from_3_11_on_pass() -> None:
    for version in ((3, 11, 0), (3, 12, 1), (4, 0, 0)):
        start.check_python(version)
    with pytest.raises(start.Problem, match="32-bit"):
        start.check_python((3, 12, 1), largest_number=2**31 - 1)


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_without_venv_names_the_debian_package(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(start.Problem) as problem:
        start.check_python((3, 12, 1))
    assert "sudo apt install python3-venv" in str(problem.value)


# ------------------------------------------------------------------------------------------------ the command line


def run_start(*arguments: str) -> subprocess.CompletedProcess[str]:
    flags = ["-X", "warn_default_encoding", "-W", "error::EncodingWarning"]
    command = [sys.executable, *flags, str(ROOT / "start.py"), *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=60)


def test_help_names_the_three_commands_and_the_three_builds() -> None:
    answer = run_start("--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    for word in ("start.py lab", "start.py test", "--torch auto", "--torch cpu", "--torch cuda"):
        assert word in answer.stdout


@pytest.mark.parametrize("arguments", [["--torhc", "cpu"], ["--torch", "rocm"], ["lab", "tests/x.py"], ["runn"]])
def test_a_mistyped_command_line_starts_nothing(arguments: list[str]) -> None:
    answer = run_start(*arguments)
    assert answer.returncode == 2
    assert "error" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replace set-up and children; gives what would have been started: ["auto", [python, ...]]."""
    seen: list[Any] = []

    def set_up(root: Path, asked: str) -> Path:
        seen.append(asked)
        return Path("PY")

    def run_child(command: list[str], root: Path) -> int:
        seen.append(command)
        return 7

    monkeypatch.setattr(start, "set_up", set_up)
    monkeypatch.setattr(start, "run_child", run_child)
    return seen


PYTEST = ["-X", "warn_default_encoding", "-m", "pytest", "-n", "2"]


@pytest.mark.parametrize(
    ("arguments", "asked", "command"),
    [
        ([], "auto", ["-m", "kurdtts_lib.course"]),
        (["run", "--torch", "cpu"], "cpu", ["-m", "kurdtts_lib.course"]),
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
    assert started == [asked, ["PY", *command]]


def test_lab_opens_the_first_notebook_below_the_root(started: list[Any], tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    for name in ("02_two.ipynb", "01_backend_check.ipynb"):
        (tmp_path / "notebooks" / name).touch()
    command = start.command_line("lab", Path("PY"), tmp_path, [])
    first = str(Path("notebooks", "01_backend_check.ipynb"))
    assert command == ["PY", "-m", "jupyterlab", f"--ServerApp.root_dir={tmp_path}", first]


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
    def fail(root: Path, asked: str) -> Path:
        raise error

    monkeypatch.setattr(start, "set_up", fail)
    assert start.main([]) == code
    written = capsys.readouterr().err
    assert text in written
    assert "Traceback" not in written
    assert len(written.splitlines()) < 12


def test_a_window_that_lacks_a_letter_shows_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    window = io.TextIOWrapper(io.BytesIO(), encoding="cp437")
    monkeypatch.setattr(sys, "stdout", window)
    monkeypatch.setattr(start, "set_up", lambda root, asked: start.say("Kurdî ş") or Path("PY"))
    monkeypatch.setattr(start, "run_child", lambda command, root: 0)
    assert start.main([]) == 0
    window.seek(0)
    assert window.read().split() == ["Kurdî", "?"]


# ------------------------------------------------------------------------------------------------ before installing


def fake_tree(root: Path, dependencies: str = '["numpy>=2", "torch==2.13.0"]') -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "kurdtts_lib").mkdir()
    (root / "notebooks").mkdir()
    (root / "pyproject.toml").write_text(f"[project]\ndependencies = {dependencies}\n", encoding="utf-8")
    return root


@pytest.mark.parametrize("missing", ["pyproject.toml", "kurdtts_lib", "notebooks"])
def test_an_incomplete_copy_is_named(tmp_path: Path, missing: str) -> None:
    root = fake_tree(tmp_path / "Kurdî û nû mapa")
    start.check_folder(root, "linux")
    gone = root / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(start.Problem) as problem:
        start.check_folder(root, "win32")
    assert f"not complete: {missing} not found in\n  {root}" in str(problem.value)
    assert "Extract All" in str(problem.value)


def test_only_windows_is_warned_of_a_long_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_tree(tmp_path / ("x" * 120))
    start.check_folder(root, "linux")
    assert capsys.readouterr().out == ""
    start.check_folder(root, "win32")
    assert f"has {len(str(root))} letters" in capsys.readouterr().out


def test_the_torch_requirement_is_read_from_pyproject(tmp_path: Path) -> None:
    root = fake_tree(tmp_path / "a", '["torch-fidelity==1", "torchmetrics", "torch == 2.13.0", "tqdm"]')
    assert start.torch_requirement(root) == "torch == 2.13.0"
    assert start.torch_requirement(ROOT).startswith("torch==")  # ours: pinned exactly


@pytest.mark.parametrize("text", ["", "[project]\ndependencies = ['torchaudio']\n", "[[[", "[tool]\n"])
def test_a_damaged_pyproject_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(start.Problem, match=r"pyproject\.toml is damaged"):
        start.torch_requirement(tmp_path)


# ------------------------------------------------------------------------------------------------ which PyTorch


def fake_nvidia_smi(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, str] | Exception) -> list[list[str]]:
    """nvidia-smi gives these answers, one a call; the commands it got are collected."""
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        assert 0 < options["timeout"] <= 30
        commands.append(command)
        answer = answers[len(commands) - 1]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(returncode=answer[0], stdout=answer[1])

    monkeypatch.setattr(start.subprocess, "run", run)
    return commands


RTX = (0, "NVIDIA GeForce RTX 2070, 581.15, 7.5\n")


@pytest.mark.parametrize(
    ("answers", "cards"),
    [
        ([RTX], [("NVIDIA GeForce RTX 2070", 581, 7.5)]),
        ([(0, "A, 580.95.05, 9.0\nB, 580.95.05, 8.6\n")], [("A", 580, 9.0), ("B", 580, 8.6)]),
        ([(2, 'Field "compute_cap" is not a valid field to query.'), (0, "C, 456.71\n")], [("C", 456, 0)]),
        ([(0, "No devices were found\n"), (0, "No devices were found\n")], []),
        ([(9, "NVIDIA-SMI has failed because it couldn't communicate with the driver."), (9, "the same")], []),
        ([FileNotFoundError(), FileNotFoundError()], []),
        ([subprocess.TimeoutExpired("nvidia-smi", 20)] * 2, []),
    ],
)
def test_nvidia_cards(monkeypatch: pytest.MonkeyPatch, answers: list[Any], cards: list[Any]) -> None:
    commands = fake_nvidia_smi(monkeypatch, *answers)
    assert start.nvidia_cards("linux") == cards
    assert len(commands) == len(answers)


def test_windows_finds_nvidia_smi_outside_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    monkeypatch.setenv("SYSTEMROOT", "W:\\Windows")
    commands = fake_nvidia_smi(monkeypatch, RTX)
    assert len(start.nvidia_cards("win32")) == 1
    assert commands[0][0] == str(Path("W:\\Windows", "System32", "nvidia-smi.exe"))


GOOD, OLD_DRIVER, OLD_CARD = ("RTX 2070", 581.0, 7.5), ("RTX 2070", 566.0, 7.5), ("GTX 1060", 580.0, 6.1)


@pytest.mark.parametrize(
    ("asked", "platform", "cards", "choice", "said"),
    [
        ("auto", "win32", [GOOD], "cuda", "RTX 2070. PyTorch: CUDA"),
        ("auto", "linux", [GOOD], "cuda", "RTX 2070. PyTorch: CUDA"),
        ("auto", "win32", [], "cpu", "No NVIDIA card was found. PyTorch: CPU"),
        ("auto", "linux", [OLD_CARD], "cpu", "too old for CUDA 13"),
        ("auto", "linux", [OLD_CARD, GOOD], "cuda", "RTX 2070"),
        ("auto", "win32", [OLD_DRIVER], "cuda", "needs 580 or"),
        ("cuda", "linux", [OLD_CARD], "cuda", "GTX 1060. PyTorch: CUDA"),
        ("cuda", "linux", [], "cuda", "No NVIDIA card was found. PyTorch: CUDA"),
        ("cpu", "win32", None, "cpu", "PyTorch: CPU"),
        ("cpu", "linux", None, "cpu", "PyTorch: CPU"),
        ("auto", "darwin", None, "plain", ""),
        ("cpu", "darwin", None, "plain", ""),
        ("cuda", "darwin", None, "plain", "does not exist on macOS"),
    ],
)
def test_choice_of_torch(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
    platform: str,
    cards: list[Any] | None,
    choice: str,
    said: str,
) -> None:
    monkeypatch.setattr(start, "nvidia_cards", refuse if cards is None else lambda platform: cards)
    assert start.choose_torch(asked, platform) == choice
    output = capsys.readouterr().out
    assert said in output
    assert ("Warning" in output) == (cards == [OLD_DRIVER])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, True),
        (urllib.error.URLError(OSError("no name resolution")), False),
        (urllib.error.HTTPError("u", 403, "Forbidden", None, None), False),  # type: ignore[arg-type]
        (TimeoutError("timed out"), False),
        (urllib.error.URLError(ssl.SSLCertVerificationError("unable to get local issuer certificate")), True),
    ],
)
def test_the_extra_index_is_asked_for_four_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch, answer: Exception | None, expected: bool
) -> None:
    asked: list[Any] = []

    def urlopen(url: str, timeout: float) -> contextlib.nullcontext[None]:
        asked.append((url, timeout))
        if answer:
            raise answer
        return contextlib.nullcontext()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    assert start.index_answers(start.TORCH_INDEX["cpu"]) is expected
    assert asked == [("https://download.pytorch.org/whl/cpu/", 4)]


@pytest.mark.parametrize(
    ("choice", "platform", "said"),
    [
        ("cpu", "linux", "It may be the larger CUDA build"),
        ("cuda", "win32", "It will be the CPU build"),
        ("cuda", "linux", ""),
        ("cpu", "win32", ""),
    ],
)
def test_an_index_that_does_not_answer_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], choice: str, platform: str, said: str
) -> None:
    monkeypatch.setattr(start, "index_answers", lambda url: True)
    assert start.torch_index(choice, platform) == start.TORCH_INDEX[choice]
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(start, "index_answers", lambda url: False)
    assert start.torch_index(choice, platform) is None
    output = capsys.readouterr().out
    assert output.startswith("download.pytorch.org does not answer")
    assert said in output
    assert len(output.splitlines()) == (2 if said else 1)


def test_macos_has_no_extra_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "index_answers", refuse)
    assert start.torch_index("plain", "darwin") is None


def test_no_other_host_is_named() -> None:
    assert {url.split("/")[2] for url in start.TORCH_INDEX.values()} == {"download.pytorch.org"}
    assert SOURCE.count("://") == len(start.TORCH_INDEX)


# ------------------------------------------------------------------------------------------------ the state of .venv


def test_the_stamp_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start.write_stamp(tmp_path, STAMP)
    assert start.read_stamp(tmp_path) == STAMP
    assert [path.name for path in tmp_path.iterdir()] == [start.STAMP]

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        start.write_stamp(tmp_path, {**STAMP, "key": "new"})
    assert start.read_stamp(tmp_path) == STAMP


@pytest.mark.parametrize("text", [None, "", '{"key": "k"', "[]", '{"key": "k"}', "\x00\x00"])
def test_a_damaged_stamp_counts_as_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / start.STAMP).write_text(text, encoding="utf-8")
    assert start.read_stamp(tmp_path) == {}


FOUND = {"python": THIS_PYTHON, "pip": True, "torch": "2.13.0+cpu", "build": "cpu"}


@pytest.mark.parametrize(
    ("found", "stamp", "files", "fault"),
    [
        (FOUND, {}, [], ""),  # somebody else's environment: completed, never deleted
        (FOUND, {}, [start.LOG], "did not come to its end"),
        ({}, STAMP, [], "Python is missing"),
        ({}, STAMP, [start.python_of(Path())], "does not start"),
        ({**FOUND, "python": [3, 9]}, STAMP, [], "it was made by Python 3.9"),
        ({**FOUND, "pip": False}, {}, [], "no pip"),
    ],
)
def test_faults_of_an_environment(tmp_path: Path, found: Any, stamp: Any, files: list[Any], fault: str) -> None:
    for name in files:
        (tmp_path / ".venv" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / ".venv" / name).touch()
    answer = start.fault_of(tmp_path / ".venv", stamp and {**stamp, "root": str(tmp_path)}, found)
    assert fault in answer
    assert bool(fault) == bool(answer)


def test_a_moved_or_copied_folder_is_noticed(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    for_root = lambda root: start.fault_of(here / ".venv", {**STAMP, "root": str(root)}, FOUND)  # noqa: E731
    assert for_root(here) == for_root(here / ".." / "here") == ""
    assert "moved or copied" in for_root(elsewhere)  # moved: the old folder is gone
    elsewhere.mkdir()
    assert "moved or copied" in for_root(elsewhere)  # copied: it is still there


def test_inspect_of_a_python_that_does_not_start(tmp_path: Path) -> None:
    python = start.python_of(tmp_path)
    assert start.inspect(tmp_path) == {}
    python.parent.mkdir()
    python.write_bytes(b"\x7fELF broken")
    python.chmod(0o755)
    assert start.inspect(tmp_path) == {}


def test_remove_deletes_the_environment_and_older_leftovers(tmp_path: Path) -> None:
    for name in (".venv", ".venv-old"):
        (tmp_path / name / "lib").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    start.remove(tmp_path / ".venv")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / ".venv").write_text("a file, not a folder", encoding="utf-8")
    start.remove(tmp_path / ".venv")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right that Windows gives to few")
def test_remove_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ".venv").symlink_to(tmp_path / "mine")
    start.remove(tmp_path / ".venv")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_environment_in_use_says_what_to_close_and_what_to_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / ".venv"
    (venv / "lib").mkdir(parents=True)

    def held(self: Path, target: Path) -> None:
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(Path, "rename", held)
    with pytest.raises(start.Problem) as problem:
        start.remove(venv)
    assert f"could not be deleted:\n  {venv}\n" in str(problem.value)
    assert "close Jupyter" in str(problem.value)
    assert (venv / "lib").is_dir()  # nothing was half deleted


def test_the_environment_we_run_in_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    with pytest.raises(start.Problem, match="deactivate"):
        start.remove(tmp_path / ".venv")
    assert (tmp_path / ".venv").is_dir()


def test_children_get_utf_8_no_telemetry_and_no_foreign_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__", "PIP_USER"):
        monkeypatch.setenv(name, "foreign")
    monkeypatch.setenv("MINE", "çêîşû")
    environment = start.child_environment(Path("V"))
    expected = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "HF_HUB_DISABLE_TELEMETRY": "1", "MINE": "çêîşû"}
    assert expected.items() <= environment.items()
    assert "foreign" not in environment.values()
    assert environment["PATH"].split(os.pathsep)[0] == str(start.python_of(Path("V")).parent)


# ------------------------------------------------------------------------------------------------ one step


def python_step(venv: Path, code: str) -> None:
    start.step("Trying", [sys.executable, "-c", code], venv)


def test_a_step_writes_to_the_log_and_not_to_the_window(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    python_step(tmp_path, "import sys; print('out çêîşû'); print('err', file=sys.stderr); print(sys.stdin.read())")
    assert capfd.readouterr().out == "  Trying\n"
    log = (tmp_path / start.LOG).read_text(encoding="utf-8")
    assert "out çêîşû" in log
    assert "err" in log


def test_a_failed_step_shows_the_last_lines_and_the_log(tmp_path: Path) -> None:
    python_step(tmp_path, "print('No space left: this was an earlier step')")
    with pytest.raises(start.Problem) as problem:
        python_step(tmp_path, "print(*(f'line {n}.' for n in range(100)), sep='\\n'); raise SystemExit(3)")
    text = str(problem.value)
    assert "The set-up stopped with an error.\n  It was in this step: Trying." in text
    assert [n for n in range(100) if f"line {n}." in text] == list(range(85, 100))
    assert f"All lines: {tmp_path / start.LOG}" in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_live_line_with_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    window = Terminal()
    monkeypatch.setattr(sys, "stdout", window)
    monkeypatch.setattr(start.shutil, "get_terminal_size", lambda: os.terminal_size((60, 24)))
    python_step(tmp_path, "import time; print('Downloading torch', 'x' * 99, flush=True); time.sleep(1.3)")
    drawn = window.getvalue().split("\r")[1:]
    assert len(drawn) >= 3
    assert all(len(line.rstrip("\n")) <= 59 for line in drawn)  # one that wraps would not be drawn over
    assert any(line.startswith("  Trying  0:01  Downloading torch x") for line in drawn)
    assert drawn[-1].rstrip() == "  Trying  0:01  ready"
    assert drawn[-1].endswith("\n")


def test_ctrl_c_in_a_step_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Child:
        returncode = None

        def wait(self, timeout: float) -> None:
            seen.append(f"wait {timeout}")
            if len(seen) == 1:
                raise KeyboardInterrupt
            raise subprocess.TimeoutExpired("pip", timeout)

        def kill(self) -> None:
            seen.append("kill")

    monkeypatch.setattr(start.subprocess, "Popen", lambda *arguments, **options: Child())
    with pytest.raises(KeyboardInterrupt):
        start.step("Trying", ["pip"], tmp_path)
    assert seen == ["wait 0.5", "wait 5", "kill"]


@pytest.mark.parametrize(
    ("line", "happened", "to_do"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk", "Free"),
        ("OSError: [WinError 112] There is not enough space on the disk", "disk", "Free"),
        ("HINT: This system does not have Windows Long Path support enabled.", "longer than Windows", "C:\\kurdtts"),
        ("[WinError 5] Access is denied: 'c:\\x\\_ssl.pyd'", "in use", "Close Jupyter"),
        ("[WinError 32] The process cannot access the file because it is being used", "in use", "Close Jupyter"),
        (
            "NewConnectionError(': Failed to establish a new connection: [Errno 11001] getaddrinfo failed')",
            "no net",
            "Int",
        ),
        ("Failed to establish a new connection: Temporary failure in name resolution", "no network", "Internet"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "no network", "Internet"),
        ("ConnectionResetError(10054, 'An existing connection was forcibly closed')", "no network", "Internet"),
        ("pip._vendor.urllib3.exceptions.IncompleteRead(1 bytes read, 2 more expected)", "no network", "Internet"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "no network", "proxy"),
        ("ERROR: No matching distribution found for torch==2.13.0", "does not exist", "py -3.12 start.py"),
        ("ERROR: Package 'x' requires a different Python: 3.15.0 not in '<3.15'", "does not exist", "py -3.12"),
        ("error: something new", "The set-up stopped with an error", "send the log"),
    ],
)
def test_what_stopped_pip_is_put_into_words(line: str, happened: str, to_do: str) -> None:
    output = f"Collecting torch\n{line}\nERROR: last words\n"
    text = str(start.pip_problem("Installing", output, Path("install.log")))
    first, last = text.split("What to do")
    assert happened in first.splitlines()[2]
    assert to_do in last
    assert line in first


def test_no_network_is_named_although_pip_ends_with_no_matching_distribution() -> None:
    output = "NewConnectionError: Connection refused\nERROR: No matching distribution found for torch==2.13.0\n"
    assert "no network" in str(start.pip_problem("Installing", output, Path("install.log")))


# ------------------------------------------------------------------------------------------------ installing, faked


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    taken: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(start, "step", lambda title, command, venv: taken.append((title, command)))
    return taken


def test_order_and_arguments_of_the_steps(tmp_path: Path, steps: list[tuple[str, list[str]]]) -> None:
    venv = tmp_path / ".venv"
    start.install(venv, "cpu", ["torch==2.13.0", "--extra-index-url", "U"], {}, {})
    made, torch, project = (command for _, command in steps)
    assert made == [sys.executable, "-m", "venv", str(venv)]
    pip = [str(start.python_of(venv)), "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar=off"]
    assert torch == [*pip, "torch==2.13.0", "--extra-index-url", "U"]
    assert project == [*pip, "-e", ".[test]"]


@pytest.mark.parametrize(("choice", "free", "fits"), [("cpu", 2, 0), ("cpu", 4, 1), ("cuda", 4, 0), ("cuda", 9, 1)])
def test_a_disk_that_is_too_small_stops_the_first_set_up(
    tmp_path: Path,
    steps: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    choice: str,
    free: int,
    fits: bool,
) -> None:
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=free * 10**9))
    if fits:
        start.install(tmp_path / ".venv", choice, ["torch"], {}, {})
        assert len(steps) == 3
    else:
        with pytest.raises(start.Problem, match=f"{free}.0 GB of free space. The set-up needs [38] GB"):
            start.install(tmp_path / ".venv", choice, ["torch"], {}, {})
        assert steps == []
        assert not (tmp_path / ".venv").exists()
        start.install(tmp_path / ".venv", choice, [], STAMP, FOUND)  # later, all is there already
        assert len(steps) == 1


@pytest.mark.parametrize(
    ("output", "kept"), [(b"Collecting torch", True), (b"Installing collected packages: x", False)]
)
def test_a_download_that_stops_leaves_the_old_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: bytes, kept: bool
) -> None:
    start.write_stamp(tmp_path, STAMP)

    def fail(title: str, command: list[str], venv: Path) -> None:
        assert start.read_stamp(venv) == {}  # removed before anything is installed
        (venv / start.LOG).write_bytes(output)
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "step", fail)
    with pytest.raises(KeyboardInterrupt):
        start.install(tmp_path, "cpu", ["torch"], STAMP, FOUND)
    assert start.read_stamp(tmp_path) == (STAMP if kept else {})


# ------------------------------------------------------------------------------------------------ children


def python_child(code: str) -> int:
    return int(start.run_child([sys.executable, "-c", code], Path.cwd()))


def test_the_exit_code_of_the_child_is_passed_on() -> None:
    assert python_child("raise SystemExit(42)") == 42
    assert python_child("pass") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of this kind")
def test_a_child_ended_by_a_signal_gives_the_code_a_shell_would_give() -> None:
    assert python_child("import os, signal; os.kill(os.getpid(), signal.SIGKILL)") == 128 + signal.SIGKILL


@pytest.mark.parametrize(("code", "raises"), [(130, True), (-2, True), (0, False)])
def test_after_ctrl_c_we_wait_until_the_child_has_saved(
    monkeypatch: pytest.MonkeyPatch, code: int, raises: bool
) -> None:
    class Child:
        returncode: int | None = None
        waits = 0

        def wait(self) -> None:
            Child.waits += 1
            if Child.waits < 3:  # an impatient reader presses twice
                raise KeyboardInterrupt
            self.returncode = code

    monkeypatch.setattr(start.subprocess, "Popen", lambda *arguments, **options: Child())
    with pytest.raises(KeyboardInterrupt) if raises else contextlib.nullcontext():
        assert start.run_child(["course"], Path.cwd()) == code
    assert Child.waits == 3


# ------------------------------------------------------------------------------------------------ all of it, for real

BACKEND = """
import json, pathlib, tomllib, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = project["dependencies"]
    extra = [f'{need}; extra == "test"' for need in project["optional-dependencies"]["test"]]
    metadata = ["Metadata-Version: 2.1", "Name: kurdtts", "Version: 0.1", "Provides-Extra: test"]
    metadata += [f"Requires-Dist: {need}" for need in needs + extra]
    name = "kurdtts-0.1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("kurdtts.pth", str(pathlib.Path.cwd()))
        wheel.writestr("kurdtts-0.1.dist-info/METADATA", "\\n".join(metadata) + "\\n")
        tag = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("kurdtts-0.1.dist-info/WHEEL", tag)
        wheel.writestr("kurdtts-0.1.dist-info/RECORD", "kurdtts.pth,,\\n")
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
dependencies = ["torch==2.13.0"]
optional-dependencies = {{ test = ["pytest", "jupyterlab"{more}] }}
"""
COURSE = """
import json, os, sys, time
import torch.version
told = "COURSE " + json.dumps({
    "prefix": sys.prefix, "cwd": os.getcwd(), "utf8": sys.flags.utf8_mode, "torch": torch.version.__version__,
    "telemetry": os.environ.get("HF_HUB_DISABLE_TELEMETRY"), "out": sys.stdout.encoding, "kurdish": "çêîşû"})
if os.environ.get("KURDTTS_TRY") == "wait":
    try:
        print(told, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("course: saved", flush=True)
        sys.exit(130)
print(told, flush=True)
sys.exit(5)
"""
ECHO = "import json, sys\nprint('ECHO ' + json.dumps(sys.argv[1:]))\nprint('WARN', sys.flags.warn_default_encoding)\n"


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    """A tiny installable package, in a folder that pip reads as a package index."""
    about = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
    page = folder / name / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(page.parent / wheel, "w") as file:
        for path, text in files.items():
            file.writestr(path, text)
    page.write_text(f'<a href="{wheel}">{wheel}</a>', encoding="utf-8")


def make_torch(folder: Path, version: str, cuda: str | None) -> None:
    about = f"__version__ = {version!r}\ncuda = {cuda!r}\n"
    make_wheel(folder, "torch", version, {"torch/__init__.py": "", "torch/version.py": about})


class Project:
    """A small project with start.py, and three package indexes: the usual one and PyTorch's own two."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "Kurdî û nû mapa"
        self.venv = self.root / ".venv"
        (self.root / "kurdtts_lib").mkdir(parents=True)
        (self.root / "notebooks").mkdir()
        (self.root / "notebooks" / "01_backend_check.ipynb").touch()
        (self.root / "kurdtts_lib" / "course.py").write_text(COURSE, encoding="utf-8")
        (self.root / "backend.py").write_text(BACKEND, encoding="utf-8")
        shutil.copy(ROOT / "start.py", self.root)
        self.needs()
        self.usual = folder / "usual index"
        make_torch(self.usual, "2.13.0", None)  # as on Windows: no local version, CPU
        make_torch(folder / "cpu", "2.13.0+cpu", None)
        make_torch(folder / "cu130", "2.13.0+cu130", "13.0")
        for name in ("pytest", "jupyterlab"):
            make_wheel(self.usual, name, "1.0", {f"{name}/__init__.py": "", f"{name}/__main__.py": ECHO})
        self.torch_index = {"cpu": (folder / "cpu").as_uri(), "cuda": (folder / "cu130").as_uri()}
        self.environment = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": self.usual.as_uri(),
            "PIP_EXTRA_INDEX_URL": "",
            "PIP_FIND_LINKS": "",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "1",  # with 0 retries pip does not say that the network is away
        }

    def needs(self, *more: str) -> None:
        text = PYPROJECT.format(more="".join(f', "{name}"' for name in more))
        (self.root / "pyproject.toml").write_text(text, encoding="utf-8")

    def torch(self) -> tuple[str, str]:
        found = start.inspect(self.venv)
        return found["torch"], found["build"]


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("start"))


@pytest.fixture
def raw_project(shared_project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project as start.py sees it, on a computer without an NVIDIA card."""
    for name, value in shared_project.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(start, "ROOT", shared_project.root)
    monkeypatch.setattr(start, "TORCH_INDEX", shared_project.torch_index)
    monkeypatch.setattr(start, "index_answers", lambda url: True)
    monkeypatch.setattr(start, "nvidia_cards", lambda platform: [])
    monkeypatch.setattr(sys, "platform", "linux" if sys.platform == "darwin" else sys.platform)
    shared_project.needs()
    return shared_project


@pytest.fixture
def project(raw_project: Project) -> Project:
    """The same, set up with --torch auto."""
    start.set_up(raw_project.root, "auto")
    return raw_project


def run_here(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capfd.readouterr()
    code = start.main(list(arguments))
    output = capfd.readouterr()
    return code, output.out + output.err


def test_the_first_set_up_in_a_folder_with_spaces_and_kurdish_letters(
    raw_project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    project = raw_project
    assert not project.venv.exists()
    code, output = run_here(capfd)
    assert code == 5, output  # what the course gave
    lines = output.splitlines()
    titles = ["  Making the Python environment", "  Installing PyTorch", "  Installing the course and its packages"]
    assert [line for line in lines if line.startswith("  ")] == titles
    course = json.loads(lines[-1].removeprefix("COURSE "))
    assert Path(course.pop("prefix")).samefile(project.venv)
    assert Path(course.pop("cwd")).samefile(project.root)
    expected = {"utf8": 1, "torch": "2.13.0+cpu", "telemetry": "1", "out": "utf-8", "kurdish": "çêîşû"}
    assert course == expected
    assert not (project.venv / (start.STAMP + ".part")).exists()


def test_the_second_start_installs_nothing_and_is_quick(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("step", "nvidia_cards", "index_answers", "remove", "write_stamp"):
        monkeypatch.setattr(start, name, refuse)
    began = time.monotonic()
    start.set_up(project.root, "auto")
    assert time.monotonic() - began < 1
    code, output = run_here(capfd)
    assert (code, len(output.splitlines())) == (5, 1)


def test_the_other_commands_run_in_the_environment(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    code, output = run_here(capfd, "test", "-k", "dengê nû", "-x")
    assert (code, output.splitlines()) == (0, ['ECHO ["-n", "2", "-k", "deng\\u00ea n\\u00fb", "-x"]', "WARN 1"])
    code, output = run_here(capfd, "lab")
    arguments = json.loads(output.splitlines()[0].removeprefix("ECHO "))
    assert (code, arguments[0]) == (0, f"--ServerApp.root_dir={project.root}")
    assert (project.root / arguments[1]).is_file()


def test_torch_is_exchanged_when_another_build_is_asked_for(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert project.torch() == ("2.13.0+cpu", "cpu")
    run_here(capfd, "--torch", "cuda")
    assert project.torch() == ("2.13.0+cu130", "cuda")
    stamp = start.read_stamp(project.venv)
    with monkeypatch.context() as patch:
        patch.setattr(start, "step", refuse)
        run_here(capfd, "--torch", "cuda")  # it is there already
        patch.setattr(start, "nvidia_cards", lambda platform: [GOOD])
        run_here(capfd)  # auto comes to the same build: only the stamp changes
    assert start.read_stamp(project.venv) == {**stamp, "asked": "auto"}
    run_here(capfd, "--torch", "cpu")
    assert project.torch() == ("2.13.0+cpu", "cpu")
    run_here(capfd)


def test_without_pytorchs_own_page_the_set_up_goes_on_and_can_be_mended_later(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    uninstall = [str(start.python_of(project.venv)), "-m", "pip", "uninstall", "--yes", "torch"]
    subprocess.run(uninstall, check=True, capture_output=True)
    start.write_stamp(project.venv, {**start.read_stamp(project.venv), "asked": "cpu"})
    monkeypatch.setattr(start, "nvidia_cards", lambda platform: [GOOD])
    with monkeypatch.context() as patch:
        patch.setattr(start, "index_answers", lambda url: False)
        code, output = run_here(capfd)
        assert code == 5
        assert "download.pytorch.org does not answer" in output
        assert project.torch() == ("2.13.0", "cpu")
        patch.setattr(start, "step", refuse)
        code, output = run_here(capfd)  # quick, but it is said each time
        assert "start.py --torch cuda" in output
        assert "does not answer" not in output
        code, output = run_here(capfd, "--torch", "cuda")  # the page is still away: nothing is installed in vain
        assert (code, "does not answer" in output) == (5, True)
    code, output = run_here(capfd, "--torch", "cuda")
    assert project.torch() == ("2.13.0+cu130", "cuda")
    assert "Note:" not in output


def test_a_changed_pyproject_brings_the_environment_up_to_date(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    make_wheel(project.usual, "newcomer", "1.0", {"newcomer.py": ""})
    sentinel = project.venv / "sentinel"
    sentinel.touch()
    project.needs("newcomer")
    code, output = run_here(capfd)
    assert (code, "brought up to date" in output) == (5, True)
    assert "Installing PyTorch" not in output  # the right one is there
    assert list(project.venv.rglob("newcomer.py"))
    assert sentinel.exists()  # not made again


def test_pip_that_fails_is_explained_and_the_old_environment_stays(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stamp = start.read_stamp(project.venv)
    project.needs("nobody-has-this")
    code, output = run_here(capfd)
    assert code == 1
    assert "A package does not exist for this computer" in output
    assert "No matching distribution found for nobody-has-this" in output
    with monkeypatch.context() as patch:
        patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nothing listens there: as without a network
        code, output = run_here(capfd)
    assert code == 1
    assert "there is no network" in output
    assert "Traceback" not in output
    assert start.read_stamp(project.venv) == stamp
    project.needs()
    monkeypatch.setattr(start, "step", refuse)
    assert run_here(capfd)[0] == 5  # as good as before


def test_an_environment_made_by_others_is_completed_and_not_deleted(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in (start.STAMP, start.LOG):
        (project.venv / name).unlink()
    sentinel = project.venv / "sentinel"
    sentinel.touch()
    code, output = run_here(capfd)
    assert (code, "made again" in output) == (5, False)
    assert sentinel.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="ends a whole group of processes at once, as POSIX can")
def test_a_set_up_killed_in_the_middle_is_made_again(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    project.needs("slow")
    hanging = BACKEND.replace("    project =", "    import time; time.sleep(60)\n    project =", 1)
    (project.root / "backend.py").write_text(hanging, encoding="utf-8")
    command = [sys.executable, str(project.root / "start.py")]
    with (project.root / "out.txt").open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while (project.venv / start.STAMP).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        (project.root / "backend.py").write_text(BACKEND, encoding="utf-8")
    assert not (project.venv / start.STAMP).exists(), (project.root / "out.txt").read_text(encoding="utf-8")
    sentinel = project.venv / "sentinel"
    sentinel.touch()
    project.needs()
    code, output = run_here(capfd)
    assert code == 5
    assert "cannot be used: an earlier set-up did not come to its end. It is made again." in output
    assert not sentinel.exists()
    assert not (project.root / ".venv-old").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="sends Ctrl-C to a group of processes, as POSIX can")
def test_ctrl_c_lets_the_course_save_and_gives_130(project: Project) -> None:
    command = [sys.executable, str(project.root / "start.py")]
    environment = {**os.environ, "KURDTTS_TRY": "wait"}
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment,
        start_new_session=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("COURSE ")
        os.killpg(child.pid, signal.SIGINT)
        output, errors = child.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    assert (child.returncode, output, errors) == (130, "course: saved\n", "\nStopped.\n")
