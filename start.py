"""The front door of the Kurmanji voice course: sets up what it needs in the folder .venv, then starts it.

Standard library only, and only syntax of Python 3.6: an old Python must be able to say that it is too old.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Sequence  # noqa: UP035 - old Pythons have it only here

# Not resolve(): on Windows it turns a mapped network drive into an address that some programs refuse.
ROOT = Path(os.path.abspath(__file__)).parent  # noqa: PTH100
TORCH_INDEX = {"cpu": "https://download.pytorch.org/whl/cpu", "cuda": "https://download.pytorch.org/whl/cu130"}
DISK_GB = {"cuda": 8, "cpu": 3, "plain": 3}
OLDEST_PYTHON = (3, 11, 4)
OLDEST_MACOS = 14  # of the wheels of PyTorch and onnxruntime
OLDEST_DRIVER = 580  # the first NVIDIA driver that runs CUDA 13
OLDEST_CAPABILITY = 7.5  # CUDA 13 dropped the cards before Turing; an RTX 2070 has 7.5
LONGEST_WINDOWS_ROOT = 120
STAMP, LOG = "kurdtts-setup.json", "install.log"

HELP = """\
Set up the Kurmanji voice course and start it. The first start installs all that is needed into the folder .venv,
beside this file. To remove it again, delete that folder.

  python start.py          run all notebooks and show the summary
  python start.py lab      open the course in your browser
  python start.py test     run the tests, after installing what they need; what follows goes to pytest: test -k audio
                           (--slow: also those that take long)

Which build of PyTorch is installed:
  --torch auto    look for an NVIDIA card and choose
  --torch cpu     for the processor: works on every computer, slower
  --torch cuda    for an NVIDIA card
"""

FIRST = """\
First set-up: 0.5 GB (CPU build of PyTorch) or several GB (CUDA build) are downloaded. It takes 1 to 20 minutes.
Later starts take a moment."""

# What pip says, what happened, what to do. The first pattern that fits is taken.
# fmt: off
PIP_FAILURES = [
    (r"No space left|WinError 112|not enough space",
     "The disk is full.", "Free some space on the disk of this folder and of the temporary folder."),
    (r"Long Path|WinError 206|name or extension is too long",
     "A path is longer than Windows allows.", "Move this folder to a short path, for example C:\\kurdtts."),
    (r"WinError (32|5)\b|being used by another process",
     "A file of .venv is in use.", "Close Jupyter, your editor and all other windows with Python."),
    (r"Connection(Error|Reset| reset| refused|Timeout)|ConnectTimeout|ReadTimeout|timed out|name resolution|"
     r"getaddrinfo|Max retries|Network is unreachable|Disconnected|Incomplete|ProxyError|CERTIFICATE_VERIFY",
     "The packages could not be downloaded: there is no network, or it stopped in the middle.",
     "Check your Internet connection (also VPN, proxy, firewall). What is already downloaded is kept."),
    (r"No matching distribution|requires a different Python",
     "A package does not exist for this computer with this Python.",
     "Use Python 3.12, 64-bit. On Windows: py -3.12 start.py   Other systems: python3.12 start.py"),
    ("", "The set-up stopped with an error.", "If it happens again, send the log file to somebody who can help."),
]
# fmt: on
# Runs inside .venv. Finds out which PyTorch is there without importing it, which would take seconds.
INSPECTION = """
import json, os, runpy, sys
from importlib.util import find_spec
torch = find_spec("torch")
files = [os.path.join(folder, "version.py") for folder in torch.submodule_search_locations] if torch else []
about = [runpy.run_path(file) for file in files if os.path.isfile(file)] or [{}]
build = ("cuda" if about[0].get("cuda") else "cpu") if about[0] else None
print(json.dumps({"python": list(sys.version_info[:2]), "pip": find_spec("pip") is not None,
                  "torch": str(about[0].get("__version__")), "build": build}))
"""


class Problem(Exception):
    """Something that the reader can mend: what happened, and what to do. Shown without a traceback."""

    def __str__(self) -> str:
        happened, to_do = (str(part).replace("\n", "\n  ") for part in self.args)
        return f"\nWhat happened\n  {happened}\n\nWhat to do\n  {to_do}\n  Then start again.\n"


def say(text: str) -> None:
    print(text, flush=True)  # at once: the programs we start write to the same window


def check_python(version: "Sequence[Any]", largest_number: int = sys.maxsize) -> None:
    """Raise Problem for a Python that is too old, is 32-bit, or cannot make environments."""
    mend = "Install Python 3.12, 64-bit. On Windows: winget install Python.Python.3.12\nOpen a new window."
    if tuple(version[:3]) < OLDEST_PYTHON:
        found, needed = (".".join(map(str, numbers)) for numbers in (version[:3], OLDEST_PYTHON))
        raise Problem(f"This is Python {found}. The course needs {needed} or newer.", mend)
    if largest_number < 2**32:
        raise Problem("This Python is 32-bit. PyTorch exists for 64-bit Python only.", mend)
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise Problem(
            "This Python cannot make environments: its parts venv and ensurepip are missing.",
            "Debian and Ubuntu: sudo apt install python3-venv\nOther systems: install Python 3.12 again.",
        )


def check_mac(release: str, machine: str) -> None:
    """Raise Problem for a Mac that the packages are not made for. release: of macOS; empty on other systems."""
    if release and machine != "arm64":
        raise Problem(
            "This Python is made for Macs with an Intel processor, and PyTorch no longer is.",
            "On a Mac with Apple silicon: install Python 3.12 for Apple silicon (universal).\n"
            "Else use another computer.",
        )
    if release and int(release.split(".")[0]) < OLDEST_MACOS:
        raise Problem(
            f"This is macOS {release}. PyTorch needs macOS {OLDEST_MACOS} or newer.",
            "Update macOS: System Settings, General, Software Update.",
        )


def check_folder(root: Path, platform: str) -> None:
    """Raise Problem for an incomplete copy; warn about a path that Windows may find too long."""
    needed = ("pyproject.toml", "lock.txt", "kurdtts_lib", "notebooks")
    missing = [name for name in needed if not (root / name).exists()]
    if missing:
        raise Problem(
            f"This copy of the course is not complete: {', '.join(missing)} not found in\n{root}",
            "If you opened a zip file: unpack all of it (Windows: right click, Extract All) and\n"
            "use start.py in the unpacked folder. Else get a new copy of the course.",
        )
    if platform == "win32" and len(str(root)) > LONGEST_WINDOWS_ROOT:
        say(
            f"Warning: the path of this folder has {len(str(root))} letters, and Windows allows 260 for a file. "
            "If the set-up fails, move this folder to a short path, for example C:\\kurdtts."
        )


def torch_requirement(root: Path) -> str:
    """The requirement of PyTorch, from the one place where it is stated."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    found = re.search(r'"(torch *==[^"]+)"', text)
    if not found:
        raise Problem(
            "The file pyproject.toml is damaged: the version of PyTorch was not found in it.",
            "Undo your changes in pyproject.toml, or get a new copy of the course.",
        )
    return found.group(1)


def nvidia_cards(platform: str) -> "list[tuple[str, float, float]]":
    """Name, driver version, compute capability (0 if unknown) of each NVIDIA card; empty without a driver."""
    program = shutil.which("nvidia-smi")
    if program is None and platform == "win32":  # some drivers put it where PATH does not lead
        program = str(Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvidia-smi.exe"))
    for fields in ("name,driver_version,compute_cap", "name,driver_version"):  # old drivers lack the third
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            command = [program or "nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
            answer = subprocess.run(command, timeout=20, capture_output=True, encoding="utf-8", errors="replace")
            cards = re.findall(r"^(.+?), *(\d+)[\d.]*(?:, *(\d+\.\d+))?\s*$", answer.stdout, re.MULTILINE)
            if answer.returncode == 0 and cards:
                return [(name, float(driver), float(capability or 0)) for name, driver, capability in cards]
    return []


def choose_torch(asked: str, platform: str) -> str:
    """From --torch to a build: "cuda", "cpu", or "plain" (macOS has only one). Says what was found."""
    if platform == "darwin":
        if asked == "cuda":
            say("CUDA does not exist on macOS: the normal build of PyTorch is used.")
        return "plain"
    cards = nvidia_cards(platform) if asked != "cpu" else []
    if not cards:
        choice = "cuda" if asked == "cuda" else "cpu"
        say(f"{'' if asked == 'cpu' else 'No NVIDIA card was found. '}PyTorch: {choice.upper()} build.")
        return choice
    name, driver, capability = max(cards, key=lambda card: card[2])
    if 0 < capability < OLDEST_CAPABILITY and asked == "auto":
        say(f"NVIDIA card: {name}. It is too old for CUDA 13. PyTorch: CPU build.")
        return "cpu"
    say(f"NVIDIA card: {name}. PyTorch: CUDA build.")
    if driver < OLDEST_DRIVER:
        say(
            f"Warning: the driver of the card has version {driver:.0f}. CUDA 13 needs {OLDEST_DRIVER} or\n"
            "newer. Until you update it, all work runs on the slower processor. Windows: open the NVIDIA app,\n"
            "page Drivers. Ubuntu: sudo ubuntu-drivers install. Then restart the computer. The set-up goes on."
        )
    return "cuda"


def index_answers(url: str) -> bool:
    """Whether PyTorch's own package page answers within a few seconds."""
    import ssl
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url + "/", timeout=4):
            return True
    except urllib.error.URLError as error:  # a certificate that Python does not know: pip has its own list
        return isinstance(error.reason, ssl.SSLCertVerificationError)
    except OSError:
        return False


def torch_index(choice: str, platform: str) -> "str | None":
    """The extra package page of a build; None if it has none, or if the page does not answer (says so)."""
    url = TORCH_INDEX.get(choice)
    if url is None or index_answers(url):
        return url
    say("download.pytorch.org does not answer: taking the PyTorch that pip finds elsewhere.")
    if (choice, platform) == ("cpu", "linux"):
        say("It may be the larger CUDA build, which works too.")
    elif (choice, platform) == ("cuda", "win32"):
        say("It will be the CPU build, which does not use your NVIDIA card.")
    return None


def python_of(venv: Path) -> Path:
    return venv / "Scripts" / "python.exe" if sys.platform == "win32" else venv / "bin" / "python"


def child_environment(venv: Path) -> "dict[str, str]":
    """For every program we start: UTF-8 everywhere, no telemetry, .venv as if it were activated."""
    unwanted = ["PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"]  # would mix in packages of another Python
    unwanted += ["PYTHONDONTWRITEBYTECODE"]  # each notebook would compile torch and all others again: 10 s more
    result = {name: value for name, value in os.environ.items() if name not in unwanted}
    result.update(PYTHONUTF8="1", PYTHONIOENCODING="utf-8", HF_HUB_DISABLE_TELEMETRY="1", PIP_USER="0")
    result.update(VIRTUAL_ENV=str(venv), PATH=f"{python_of(venv).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    return result


def inspect(venv: Path) -> "dict[str, Any]":
    """What the Python of .venv tells of itself; empty if it does not start."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired, ValueError):
        command = [str(python_of(venv)), "-I", "-c", INSPECTION]
        answer = subprocess.run(command, timeout=60, capture_output=True, encoding="utf-8", errors="replace")
        return dict(json.loads(answer.stdout))
    return {}


def read_stamp(venv: Path) -> "dict[str, Any]":
    """What the last finished set-up wrote down; empty if there is none, or not a whole one."""
    with contextlib.suppress(OSError, ValueError):
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
        if isinstance(stamp, dict) and {"key", "asked", "choice", "torch", "root"} <= set(stamp):
            return stamp
    return {}


def write_stamp(venv: Path, stamp: "dict[str, Any]") -> None:
    """Write the stamp whole or not at all."""
    part = venv / (STAMP + ".part")
    part.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    part.replace(venv / STAMP)


def fault_of(venv: Path, stamp: "dict[str, Any]", found: "dict[str, Any]") -> str:
    """Why the .venv that is there must be made again; "" if it need not (pip may have work all the same)."""
    if not found:
        return "its Python does not start" if python_of(venv).exists() else "its Python is missing"
    if tuple(found["python"]) != sys.version_info[:2]:
        return "it was made by Python {}.{}, this is Python {}.{}".format(*found["python"], *sys.version_info)
    if not found["pip"]:
        return "it has no pip"
    if not stamp:  # without our log it is not our work: pip completes it, and nothing is deleted
        return "an earlier set-up did not come to its end" if (venv / LOG).exists() else ""
    same = Path(stamp["root"]).exists() and Path(stamp["root"]).samefile(venv.parent)
    return "" if same else "this folder was moved or copied"


def remove(venv: Path) -> None:
    """Delete .venv. Renamed first: if a program holds it, Windows refuses that and nothing is lost."""
    if venv.exists() and venv.samefile(sys.prefix):
        raise Problem(
            f"{venv}\nmust be made again, but start.py itself runs with the Python inside it.", "Type: deactivate"
        )
    old = venv.with_name(".venv-old")
    try:
        if venv.is_symlink() or venv.is_file():
            return venv.unlink()
        if old.exists():
            shutil.rmtree(str(old))
        venv.rename(old)
        shutil.rmtree(str(old))
    except OSError as error:
        folder = old if old.exists() else venv
        raise Problem(
            f"A folder could not be deleted:\n{folder}\nA program may still use it ({error}).",
            "Is start.py at work in another window? Then wait for it. Else close Jupyter and all\n"
            "windows with Python, and delete that folder by hand.",
        ) from error


def step(title: str, command: "list[str]", venv: Path) -> None:
    """Run one part of the set-up: output to the log, one live line in the window. Problem if it fails."""
    live, width, began = sys.stdout.isatty(), shutil.get_terminal_size().columns - 1, time.monotonic()
    log = venv / LOG

    def show(now: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print("\r" + f"  {title}  {minutes}:{seconds:02d}  {now}"[:width].ljust(width), end="", flush=True)

    if not live:
        say(f"  {title}")
    with log.open("ab") as sink:
        begin = sink.tell()
        child = subprocess.Popen(
            command,
            cwd=str(venv.parent),
            env=child_environment(venv),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
        try:
            while child.returncode is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=0.5)
                if live:
                    show(log.read_bytes()[-300:].decode("utf-8", "replace").strip().rpartition("\n")[2])
        except KeyboardInterrupt:  # pip got it too and needs a moment
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=5)
            child.kill()
            raise
    if live:
        show("failed" if child.returncode else "ready")
        say("")
    if child.returncode:
        raise pip_problem(title, log.read_bytes()[begin:].decode("utf-8", "replace"), log)


def pip_problem(title: str, output: str, log: Path) -> Problem:
    """Put into words what stopped pip, with the last lines that it wrote."""
    lines = [line for line in output.splitlines() if line.strip()]
    recent = "\n".join(lines[-40:])
    _, happened, to_do = next(failure for failure in PIP_FAILURES if re.search(failure[0], recent))
    happened += f"\nIt was in this step: {title}. The last lines:\n"
    return Problem("\n".join([happened, *lines[-15:], "", f"All lines: {log}"]), to_do)


def pip_settings(python: Path) -> "list[str]":
    """pip's own settings of where packages come from, as options of uv, which does not read them."""
    import ast

    def pip(*words: str) -> str:
        command = [str(python), "-m", "pip", *words]
        return subprocess.run(command, timeout=60, capture_output=True, encoding="utf-8", errors="replace").stdout

    told = pip("config", "list")
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # the later one wins, as in pip
        found = re.findall(rf"^{section}\.([\w-]+)=(.*)$", told, re.MULTILINE)
        settings.update((name, ast.literal_eval(value)) for name, value in found)
    index, extra = settings.get("index-url"), settings.get("extra-index-url", "").split()
    if extra:  # uv takes a version's files from one index only, the first: it must be the usual one
        index = index or re.findall(r"\(default\s+(\w+:\S+)\)", pip("install", "--help"))[0]
    result = ["--no-index"] if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else []
    result += ["--cert", settings["cert"]] if "cert" in settings else ["--system-certs"]
    result += ["--default-index", index] if index and not extra else []
    for option, values in (
        ("--index", [index, *extra] if extra else []),
        ("--find-links", settings.get("find-links", "").split()),
        ("--allow-insecure-host", settings.get("trusted-host", "").split()),
    ):
        for value in values:
            result += [option, str(value)]
    return result


def uv_installer(venv: Path, pip: "list[str]") -> "list[str]":
    """The start of a command that installs with uv; empty where uv cannot be had, which is said."""
    python = python_of(venv)
    with contextlib.suppress(Problem, OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        step("Getting the installer uv", [*pip, "uv"], venv)
        command = [str(python), "-m", "uv", "pip", "install", "--python", str(python), "-c", "lock.txt"]
        # Of several indexes the best version, as pip takes it.
        return [*command, "--index-strategy", "unsafe-best-match", *pip_settings(python)]
    say("  uv cannot be had: pip does its work, which takes a few minutes more.")
    return []


def installed(venv: Path) -> "set[tuple[str, int]]":
    """What tells whether a package of .venv was added, changed or removed."""
    found = [*venv.glob("lib/python*/site-packages/*.dist-info"), *venv.glob("Lib/site-packages/*.dist-info")]
    return {(path.name, path.stat().st_mtime_ns) for path in found}


def install(
    venv: Path, choice: str, torch: "list[str]", extra: str, stamp: "dict[str, Any]", found: "dict[str, Any]"
) -> None:
    """Make .venv if it is not there, then PyTorch, then the project with all it needs. No stamp meanwhile.

    extra: of the project's packages, "course", or "test" for those and the tests'.
    """
    free = shutil.disk_usage(str(venv.parent)).free / 1e9
    if not found and free < DISK_GB[choice]:
        raise Problem(
            f"The disk has {free:.1f} GB of free space. The set-up needs {DISK_GB[choice]} GB.",
            "Free some space, or move this folder to a disk with more space.",
        )
    venv.mkdir(exist_ok=True)
    (venv / LOG).write_bytes(b"")
    (venv / STAMP).unlink(missing_ok=True)
    pip = [str(python_of(venv)), "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar=off"]
    pip += ["-c", "lock.txt"]
    title = "Installing the course and its packages" + (", and those of the tests" if extra == "test" else "")
    before = installed(venv)
    try:
        if not found:
            step("Making the Python environment", [sys.executable, "-m", "venv", str(venv)], venv)
        uv = uv_installer(venv, pip)
        before = installed(venv)  # uv itself is no change
        for part, packages in ("Installing PyTorch", torch), (title, ["-e", f".[{extra}]"]):
            if packages:
                uv = install_part(part, packages, venv, uv, pip)
    except BaseException:
        if stamp and installed(venv) == before:  # nothing was changed yet: the old state is still good
            write_stamp(venv, stamp)
        raise


def install_part(title: str, packages: "list[str]", venv: Path, uv: "list[str]", pip: "list[str]") -> "list[str]":
    """Install with uv, or with pip where uv fails; gives the uv command that the next part may use."""
    if uv:
        with contextlib.suppress(Problem):
            step(title, [*uv, *packages], venv)
            return uv
        say("  uv did not succeed: pip tries the same.")
    step(title, [*pip, *packages], venv)
    return []


def set_up(root: Path, asked: str, tests: bool = False) -> Path:
    """Bring .venv to what pyproject.toml, lock.txt and --torch ask for; gives its Python. Quick if nothing changed.

    tests: with the tests' packages too; once installed they stay.
    """
    check_folder(root, sys.platform)
    venv, torch = root / ".venv", [torch_requirement(root)]
    stamp, found = read_stamp(venv), inspect(venv)
    fault = fault_of(venv, stamp, found) if os.path.lexists(str(venv)) else ""
    if fault:
        say(f"The folder .venv cannot be used: {fault}. It is made again.")
        remove(venv)
        stamp, found = {}, {}
    choice = stamp["choice"] if stamp.get("asked") == asked else choose_torch(asked, sys.platform)
    extra = "test" if tests or stamp.get("extra") == "test" else "course"
    text = f"{sys.version_info[:2]} {choice} {extra} ".encode()
    text += (root / "pyproject.toml").read_bytes() + (root / "lock.txt").read_bytes()
    key = hashlib.sha256(text).hexdigest()
    wanted = {"key": key, "asked": asked, "choice": choice, "extra": extra, "root": str(root)}
    same = stamp.get("key") == wanted["key"] and stamp["torch"] == found["torch"]
    other_build = choice != "plain" and found.get("build") not in (None, choice)
    if not other_build and torch == ["torch==" + str(found.get("torch")).partition("+")[0]]:
        torch = []  # the right one is there already
    index = torch_index(choice, sys.platform) if torch and not (same and asked == "auto") else None
    if index:
        torch += ["--extra-index-url", index]
        if other_build:
            torch.append("--force-reinstall")  # else pip is content with the other build of the same version
    if not same or index:
        say("The set-up is brought up to date." if found else FIRST)
        install(venv, choice, torch, extra, stamp, found)
        found = inspect(venv)
        write_stamp(venv, dict(wanted, torch=found.get("torch")))
        say("The set-up is ready.")
    elif stamp["asked"] != asked:
        write_stamp(venv, dict(stamp, asked=asked))
    if choice == "cuda" and found.get("build") == "cpu":
        say(
            "Note: the CPU build of PyTorch is installed, it uses no NVIDIA card. To change that, with\n"
            "a network that reaches download.pytorch.org: python start.py --torch cuda"
        )
    return python_of(venv)


def command_line(command: str, python: Path, root: Path, extra: "list[str]") -> "list[str]":
    """What to start, as a list: never through a shell, so that any folder name works."""
    if command == "test":
        return [str(python), "-X", "warn_default_encoding", "-m", "pytest", "-n", "2", *extra]
    if command == "lab":
        first = [str(path.relative_to(root)) for path in sorted(root.glob("notebooks/*.ipynb"))[:1]]
        return [str(python), "-m", "jupyterlab", f"--ServerApp.root_dir={root}", *first]
    return [str(python), "-m", "kurdtts_lib.cli.course"]


def run_child(command: "list[str]", root: Path) -> int:
    """Run in this window; gives the exit code. Ctrl-C reaches the child too: we wait until it has saved."""
    interrupted = False
    child = subprocess.Popen(command, cwd=str(root), env=child_environment(root / ".venv"))
    while child.returncode is None:
        try:
            child.wait()
        except KeyboardInterrupt:
            interrupted = True
    if interrupted and child.returncode:
        raise KeyboardInterrupt
    return child.returncode if child.returncode >= 0 else 128 - child.returncode  # negative: a signal


def main(arguments: "list[str] | None" = None) -> int:
    """Run one command. Gives the exit code: the program's own, 1 after a problem, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python start.py", description=HELP, formatter_class=argparse.RawTextHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("command", nargs="?", choices=["run", "lab", "test"], default="run", help="default: run")
    parser.add_argument("--torch", choices=["auto", "cpu", "cuda"], default="auto", help="default: auto")
    try:
        check_python(sys.version_info)
        check_mac(platform.mac_ver()[0], platform.machine())
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # an old window shows "?" for a letter and goes on
        options, extra = parser.parse_known_args(arguments)
        if extra and options.command != "test":
            parser.error(f"unknown: {' '.join(extra)}")
        python = set_up(ROOT, options.torch, tests=options.command == "test")
        return run_child(command_line(options.command, python, ROOT, extra), ROOT)
    except Problem as problem:
        sys.stderr.write(str(problem))
        return 1
    except OSError as error:
        happened = f"The computer refused to read, write or start something:\n{error}"
        to_do = "Free some space if the disk is full. Or move this folder into your own home folder (Documents)."
        sys.stderr.write(str(Problem(happened, to_do)))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
