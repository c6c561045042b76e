"""start.py at work: the steps of the set-up, what it says where one fails, and the programs that it starts."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import pytest
from starting import FOUND, ROOT, STAMP, start

# --- one step


def python_step(venv: Path, code: str) -> None:
    start.step("Trying", [sys.executable, "-c", code], venv)


def test_a_step_writes_to_the_log_and_not_to_the_window(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    python_step(tmp_path, "import sys; print('out çêîşû'); print('err', file=sys.stderr); print(sys.stdin.read())")
    assert capfd.readouterr().out == "  Trying\n"
    log = (tmp_path / start.LOG).read_text(encoding="utf-8")
    assert "out çêîşû" in log and "err" in log


def test_a_failed_step_shows_the_last_lines_and_the_log(tmp_path: Path) -> None:
    python_step(tmp_path, "print('No space left: this was an earlier step')")
    with pytest.raises(start.Problem) as problem:
        python_step(tmp_path, "print(*(f'line {n}.' for n in range(100)), sep='\\n'); raise SystemExit(3)")
    text = str(problem.value)
    assert "The set-up stopped with an error.\n  It was in this step: Trying." in text
    assert [n for n in range(100) if f"line {n}." in text] == list(range(85, 100))
    assert f"All lines: {tmp_path / start.LOG}" in text


def test_a_terminal_gets_a_live_line_with_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    window = io.StringIO()
    monkeypatch.setattr(window, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", window)
    monkeypatch.setattr(start.shutil, "get_terminal_size", lambda: os.terminal_size((60, 24)))
    python_step(tmp_path, "import time; print('Downloading torch', 'x' * 99, flush=True); time.sleep(1.5)")
    drawn = window.getvalue().split("\r")[1:]
    assert all(len(line.rstrip("\n")) <= 59 for line in drawn)  # one that wraps would not be drawn over
    assert any(re.match(r"  Trying  \d+:\d\d  Downloading torch x", line) for line in drawn)
    assert re.fullmatch(r"  Trying  \d+:\d\d  ready *\n", drawn[-1])


def test_ctrl_c_in_a_step_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = Mock(returncode=None)
    child.wait.side_effect = [KeyboardInterrupt, subprocess.TimeoutExpired("pip", 5)]
    monkeypatch.setattr(start.subprocess, "Popen", Mock(return_value=child))
    with pytest.raises(KeyboardInterrupt):
        start.step("Trying", ["pip"], tmp_path)
    assert child.method_calls == [call.wait(timeout=0.5), call.wait(timeout=5), call.kill()]


@pytest.mark.parametrize(
    ("line", "happened", "to_do"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk", "Free"),
        ("HINT: This system does not have Windows Long Path support enabled.", "longer than Windows", "C:\\kurdtts"),
        ("[WinError 5] Access is denied: 'c:\\x\\_ssl.pyd'", "in use", "Close Jupyter"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "no network", "Internet"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "no network", "proxy"),
        ("ERROR: No matching distribution found for torch==2.13.0", "does not exist", "py -3.12 start.py"),
        ("ERROR: Package 'x' requires a different Python: 3.15.0 not in '<3.15'", "does not exist", "py -3.12"),
        ("NewConnectionError: Connection refused\nERROR: No matching distribution found for x", "no network", "VPN"),
        ("error: something new", "The set-up stopped with an error", "send the log"),
    ],
)
def test_what_stopped_pip_is_put_into_words(line: str, happened: str, to_do: str) -> None:
    output = f"Collecting torch\n{line}\nERROR: last words\n"
    text = str(start.pip_problem("Installing", output, Path("install.log")))
    first, last = text.split("What to do")
    assert happened in first.splitlines()[2]
    assert to_do in last
    assert line.splitlines()[-1] in first


# --- installing, faked


@pytest.mark.parametrize(("failing", "by_uv"), [("uv", []), ("-e", ["torch"]), ("torch", [])])
def test_pip_does_what_uv_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, by_uv: list[str]
) -> None:
    done: list[tuple[str, str]] = []

    def step(title: str, command: list[str], venv: Path) -> None:
        if command[-1] == failing == "uv" or (command[2] == "uv" and failing in command):
            raise start.Problem("It failed.", "Nothing.")
        assert command[2] == "venv" or command[command.index("-c") + 1] == "lock.txt", "only tested versions"
        done.append((command[2], "torch" if "torch" in command else command[-1]))

    monkeypatch.setattr(start, "step", step)
    monkeypatch.setattr(start, "pip_settings", lambda python: [])
    start.install(tmp_path / ".venv", "cpu", ["torch"], "course", {}, {})
    assert [what for tool, what in done if tool == "uv"] == by_uv
    assert {what for tool, what in done if tool != "venv"} - {"uv"} == {"torch", ".[course]"}


CERTS = "--system-certs"


@pytest.mark.parametrize(
    ("told", "options"),
    [
        ("global.index-url='https://a/simple'\n:env:.index-url='https://b'", [CERTS, "--default-index", "https://b"]),
        (
            "global.extra-index-url='\\nhttps://a\\nhttps://b'\n"
            " -i <url>  Base URL (default\n     https://usual). Seconds (default 15).",
            [CERTS, "--index", "https://usual", "--index", "https://a", "--index", "https://b"],
        ),
        ("global.extra-index-url='E'\nglobal.index-url='I'", [CERTS, "--index", "I", "--index", "E"]),
        (
            "global.cert='C:\\\\my certs\\\\a.pem'\ninstall.find-links='F G'\n:env:.no-index='1'",
            ["--no-index", "--cert", "C:\\my certs\\a.pem", "--find-links", "F", "--find-links", "G"],
        ),
        ("global.timeout='60'\nglobal.trusted-host='box'", [CERTS, "--allow-insecure-host", "box"]),
    ],
)
def test_uv_looks_where_pip_looks(monkeypatch: pytest.MonkeyPatch, told: str, options: list[str]) -> None:
    monkeypatch.setattr(start.subprocess, "run", lambda command, **_: SimpleNamespace(stdout=told))
    assert start.pip_settings(Path("PY")) == options


@pytest.mark.parametrize(("choice", "small", "enough"), [("cpu", 2, 4), ("cuda", 4, 9)])
def test_a_disk_that_is_too_small_stops_the_first_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str, small: int, enough: int
) -> None:
    def install(gigabytes: int, *more: Any) -> int:
        monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=gigabytes * 10**9))
        monkeypatch.setattr(start, "step", Mock())
        start.install(tmp_path / ".venv", choice, *more)
        return int(start.step.call_count)

    with pytest.raises(start.Problem, match=f"{small}.0 GB of free space. The set-up needs [38] GB"):
        install(small, ["torch"], "course", {}, {})
    assert not (tmp_path / ".venv").exists()
    assert install(small, [], "course", STAMP, FOUND) == 2, "later, all is there already"
    assert install(enough, ["torch"], "course", {}, {}) == 4


@pytest.mark.parametrize(("stops_at", "changed"), [("uv", False), ("torch", False), ("torch", True)])
def test_what_stops_before_anything_is_changed_leaves_the_old_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops_at: str, changed: bool
) -> None:
    start.write_stamp(tmp_path, STAMP)
    packages = tmp_path / "lib" / "python3.12" / "site-packages"
    (packages / "numpy-2.dist-info").mkdir(parents=True)

    def stopped(title: str, command: list[str], venv: Path) -> None:
        assert start.read_stamp(venv) == {}  # removed before anything is installed
        if command[-1] == stops_at:
            if changed:
                (packages / "torch-2.dist-info").mkdir()
            raise KeyboardInterrupt

    monkeypatch.setattr(start, "step", stopped)
    with pytest.raises(KeyboardInterrupt):
        start.install(tmp_path, "cpu", ["torch"], "course", STAMP, FOUND)
    assert start.read_stamp(tmp_path) == ({} if changed else STAMP)


# --- children


def python_child(code: str) -> int:
    return int(start.run_child([sys.executable, "-c", code], Path.cwd()))


def test_the_exit_code_of_the_child_is_passed_on() -> None:
    assert (python_child("raise SystemExit(42)"), python_child("pass")) == (42, 0)
    if sys.platform != "win32":  # it has no signals of this kind; a shell would give this code
        assert python_child("import os, signal; os.kill(os.getpid(), signal.SIGKILL)") == 128 + signal.SIGKILL


STOPPED = """
import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
sys.path.insert(0, sys.argv[1])
import start
start.set_up = lambda *root, **tests: pathlib.Path(sys.executable)
start.command_line = lambda command, python, root, extra: [str(python), "-c", sys.argv[2]]
sys.exit(start.main([]))
"""
COURSE = """
import sys, time
try:
    print("course", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    print("saved", flush=True)
    sys.exit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends Ctrl-C to a group of processes, as POSIX can")
def test_after_ctrl_c_we_wait_until_the_course_has_saved_and_give_130() -> None:
    command = [sys.executable, "-c", STOPPED, str(ROOT), COURSE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True
    ) as child:
        assert child.stdout and child.stdout.readline() == "course\n"
        os.killpg(child.pid, signal.SIGINT)
        time.sleep(0.2)
        os.kill(child.pid, signal.SIGINT)  # an impatient reader presses twice
        output, errors = child.communicate(timeout=20)
    assert (child.returncode, output, errors) == (130, "saved\n", "\nStopped.\n")
