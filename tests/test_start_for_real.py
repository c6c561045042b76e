"""start.py with real environments and a real pip, without a network.

The project, "PyTorch", "pytest" and "JupyterLab" are tiny packages that the test writes itself, served from folders
that look like package indexes. Their folder has spaces and Kurdish letters.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from starting import ROOT, refuse, start
from uv import find_uv_bin

pytestmark = pytest.mark.slow
CARD = ("RTX 2070", 581.0, 7.5)
BACKEND = """
import json, pathlib, tomllib, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = ["Metadata-Version: 2.1", "Name: kurdtts", "Version: 0.1"]
    for extra, needs in project["optional-dependencies"].items():
        metadata.append(f"Provides-Extra: {extra}")
        metadata += [f'Requires-Dist: {need}; extra == "{extra}"' for need in needs]
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
name = "kurdtts"
version = "0.1"

[project.optional-dependencies]
train = ["torch==2.13.0"]
course = ["kurdtts[train]", "jupyterlab"{more}]
test = ["kurdtts[course]", "pytest"]
"""
COURSE = """
import json, os, sys
import torch.version
print("COURSE", json.dumps({
    "prefix": sys.prefix, "cwd": os.getcwd(), "utf8": sys.flags.utf8_mode, "torch": torch.version.__version__,
    "telemetry": os.environ.get("HF_HUB_DISABLE_TELEMETRY"), "out": sys.stdout.encoding, "kurdish": "çêîşû"}))
sys.exit(5)
"""
UV = "import subprocess, sys\nsys.exit(subprocess.call([{uv!r}, *sys.argv[1:]]))\n"
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
    with page.open("a", encoding="utf-8") as links:
        links.write(f'<a href="{wheel}">{wheel}</a>\n')


def make_torch(folder: Path, version: str, cuda: str | None) -> None:
    about = f"__version__ = {version!r}\ncuda = {cuda!r}\n"
    make_wheel(folder, "torch", version, {"torch/__init__.py": "", "torch/version.py": about})


class Project:
    """A small project with start.py, and three package indexes: the usual one and PyTorch's own two."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "Kurdî û nû mapa"
        self.venv = self.root / ".venv"
        (self.root / "kurdtts_lib" / "cli").mkdir(parents=True)
        (self.root / "notebooks").mkdir()
        (self.root / "notebooks" / "01_backend_check.ipynb").touch()
        (self.root / "kurdtts_lib" / "cli" / "course.py").write_text(COURSE, encoding="utf-8")
        (self.root / "backend.py").write_text(BACKEND, encoding="utf-8")
        shutil.copy(ROOT / "start.py", self.root)
        self.needs()
        self.usual = folder / "usual index"
        make_torch(self.usual, "2.13.0", None)  # as on Windows: no local version, CPU
        make_torch(folder / "cpu", "2.13.0+cpu", None)
        make_torch(folder / "cu130", "2.13.0+cu130", "13.0")
        for name, version in (("pytest", "1.0"), ("jupyterlab", "1.0"), ("jupyterlab", "2.0")):
            make_wheel(self.usual, name, version, {f"{name}/__init__.py": "", f"{name}/__main__.py": ECHO})
        # The uv of the tests' own environment: a small package that starts it.
        make_wheel(self.usual, "uv", "0.13", {"uv/__init__.py": "", "uv/__main__.py": UV.format(uv=find_uv_bin())})
        (self.root / "lock.txt").write_text("jupyterlab==1.0\n", encoding="utf-8")
        self.torch_index = {"cpu": (folder / "cpu").as_uri(), "cuda": (folder / "cu130").as_uri()}
        self.environment = {
            "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": self.usual.as_uri(), "PIP_EXTRA_INDEX_URL": "",
            "PIP_FIND_LINKS": "", "PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1",
            "PIP_RETRIES": "1",  # with 0 retries pip does not say that the network is away
        }  # fmt: skip

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


def test_the_first_set_up_in_a_folder_with_spaces_and_kurdish_letters_and_the_second_installs_nothing(
    raw_project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    project = raw_project
    assert not project.venv.exists()
    code, output = run_here(capfd)
    assert code == 5, output  # what the course gave
    lines = output.splitlines()
    titles = ["Making the Python environment", "Getting the installer uv", "Installing PyTorch"]
    titles.append("Installing the course and its packages")
    assert [line.strip() for line in lines if line.startswith("  ")] == titles
    assert "Installed" in (project.venv / start.LOG).read_text(encoding="utf-8")  # in the words of uv
    course = json.loads(lines[-1].removeprefix("COURSE "))
    assert Path(course.pop("prefix")).samefile(project.venv)
    assert Path(course.pop("cwd")).samefile(project.root)
    expected = {"utf8": 1, "torch": "2.13.0+cpu", "telemetry": "1", "out": "utf-8", "kurdish": "çêîşû"}
    assert course == expected
    assert not (project.venv / (start.STAMP + ".part")).exists()
    for name in ("step", "nvidia_cards", "index_answers", "remove", "write_stamp"):
        monkeypatch.setattr(start, name, refuse)
    code, output = run_here(capfd)
    assert (code, len(output.splitlines())) == (5, 1)


def test_the_tests_get_their_packages_which_stay_and_all_have_the_locked_versions(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, output = run_here(capfd, "lab")
    arguments = json.loads(output.splitlines()[-2].removeprefix("ECHO "))
    assert (code, arguments[0]) == (0, f"--ServerApp.root_dir={project.root}")
    assert (project.root / arguments[1]).is_file()
    assert list(project.venv.rglob("jupyterlab-1.0.dist-info")) and not list(project.venv.rglob("pytest"))
    sentinel = project.venv / "sentinel"
    sentinel.touch()
    code, output = run_here(capfd, "test", "-k", "dengê nû", "-x")
    assert (code, output.splitlines()[-2:]) == (0, ['ECHO ["-n", "2", "-k", "deng\\u00ea n\\u00fb", "-x"]', "WARN 1"])
    assert "Installing the course and its packages, and those of the tests" in output
    assert "Making the Python environment" not in output and "Installing PyTorch" not in output
    assert list(project.venv.rglob("pytest-1.0.dist-info")) and sentinel.exists()
    monkeypatch.setattr(start, "step", refuse)
    assert run_here(capfd)[0] == 5  # and none is installed or removed again


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
        patch.setattr(start, "nvidia_cards", lambda platform: [CARD])
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
    monkeypatch.setattr(start, "nvidia_cards", lambda platform: [CARD])
    with monkeypatch.context() as patch:
        patch.setattr(start, "index_answers", lambda url: False)
        code, output = run_here(capfd)
        assert code == 5 and "download.pytorch.org does not answer" in output
        assert project.torch() == ("2.13.0", "cpu")
        patch.setattr(start, "step", refuse)
        code, output = run_here(capfd)  # quick, but it is said each time
        assert "start.py --torch cuda" in output and "does not answer" not in output
        code, output = run_here(capfd, "--torch", "cuda")  # the page is still away: nothing is installed in vain
        assert (code, "does not answer" in output) == (5, True)
    code, output = run_here(capfd, "--torch", "cuda")
    assert project.torch() == ("2.13.0+cu130", "cuda") and "Note:" not in output


def test_pip_that_fails_is_explained_and_the_old_environment_stays(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stamp = start.read_stamp(project.venv)
    project.needs("nobody-has-this")
    code, output = run_here(capfd)
    assert code == 1 and "A package does not exist for this computer" in output
    assert "No matching distribution found for nobody-has-this" in output
    with monkeypatch.context() as patch:
        patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nothing listens there: as without a network
        code, output = run_here(capfd)
    assert code == 1 and "there is no network" in output and "Traceback" not in output
    assert start.read_stamp(project.venv) == stamp
    project.needs()
    monkeypatch.setattr(start, "step", refuse)
    assert run_here(capfd)[0] == 5  # as good as before


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
    assert not sentinel.exists() and not (project.root / ".venv-old").exists()
