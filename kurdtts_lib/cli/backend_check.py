"""`kurdtts check`: what works on this machine, and how to repair what does not.

No package outside the standard library is imported at the top: the checks must report a broken one.
"""

import argparse
import importlib.metadata
import importlib.util
import io
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.settings import REPOSITORY, is_checkout

EXTRAS = {
    "train": (
        *("accelerate", "datasets", "huggingface_hub", "jinja2", "librosa", "llvmlite", "markupsafe", "matplotlib"),
        *("numba", "onnx", "pandas", "pyarrow", "pystoi", "safetensors", "speechmos", "torch", "transformers"),
    ),
    "service": ("anyio", "fastapi", "pydantic", "python_multipart", "starlette", "uvicorn"),
    "course": ("IPython", "anywidget", "ipywidgets", "nbclient", "nbconvert", "nbformat", "traitlets"),
}
"""The packages that this library imports, by the extra of `pip install kurdtts[...]` that installs them. All others
come with kurdtts itself."""
FULL_SIZE_GB = 6.0
"""Free GPU memory that fine-tuning the MMS voice needs at least."""
OLDEST_MACOS = 14
"""PyTorch's builds for macOS need it, and Apple silicon."""
OLDEST_DRIVER = 580
"""The first NVIDIA driver that runs CUDA 13."""
NEW_DRIVER = (
    "Update the driver. Windows: the NVIDIA app, page Drivers. Ubuntu: sudo ubuntu-drivers install. "
    "Then restart the computer."
)
SET_UP_AGAIN = "Delete the folder .venv, then: python start.py lab"
REDISTRIBUTABLE = "winget install Microsoft.VCRedist.2015+.x64 (libraries of Windows). If that is not enough: "
AUDIO_PACKAGES = ("numpy", "soundfile", "soxr", "scipy.signal", "pyloudnorm", "kurdtts_lib.audio.io")


class Check(NamedTuple):
    """One line of the report."""

    name: str
    ok: bool
    message: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f"\n     -> {self.fix}" if self.fix else ""
        return f"{'OK ' if self.ok else 'FIX'}  {self.name}: {self.message}{fix}"


def check(_: argparse.Namespace) -> int:
    checks = run_checks()
    print(*checks, sep="\n")
    return 0 if all(check.ok for check in checks) else 1


def run_checks() -> list[Check]:
    """All checks, in the order in which a user needs them."""
    note = "the browser asks for it; it works on localhost or https, not inside VS Code"
    return [
        check_python(),
        check_disk(),
        *_explained(check_decoding()),
        # Not needed, but broken ones make other libraries fail
        *map(check_unneeded_package, ("torchcodec", "torchaudio")),
        *_explained(check_models()),
        Check("Microphone", True, note),
    ]


def missing_package(error: ModuleNotFoundError) -> str | None:
    """One sentence with the extra to install; None for a package that no extra installs."""
    package = (error.name or "").partition(".")[0]
    extra = _extra_of(package)
    return extra and f"This needs the packages of `pip install kurdtts[{extra}]` ({package} is not installed)."


def _extra_of(package: str) -> str | None:
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def check_python() -> Check:
    version, system, machine = platform.python_version(), platform.system(), platform.machine()
    if system != "Darwin":
        return Check("Python", True, f"{version} on {system} {machine}")
    macos = platform.mac_ver()[0]
    message = f"{version} on macOS {macos} {machine}"
    if machine != "arm64":
        fix = "Use a Mac with an M chip, and a Python that is made for it"
        return Check("Python", False, f"{message}: PyTorch needs Apple silicon", fix)
    if int(macos.split(".")[0]) < OLDEST_MACOS:
        fix = "System Settings, General, Software Update"
        return Check("Python", False, f"{message}: PyTorch needs macOS {OLDEST_MACOS} or newer", fix)
    return Check("Python", True, message)


def check_disk() -> Check:
    free = shutil.disk_usage(REPOSITORY).free / 1e9
    fix = "" if free > 5 else "Free at least 5 GB: voices and checkpoints are large."
    return Check("Disk", not fix, f"{free:.0f} GB free", fix)


def _explained(checks: Iterable[Check]) -> Iterator[Check]:
    """The lines of a check; if a package does not load, a line with the repair replaces the remaining ones."""
    try:
        yield from checks
    except ImportError as error:
        package = error.name or "Packages"
        yield Check(package, False, f"does not load: {str(error).splitlines()[0][:300]}", _repair(package))


def _load(module: str) -> None:
    """Import `module`. Raises ImportError with the package's name, whatever a broken module raises."""
    try:
        importlib.import_module(module)
    except (ImportError, OSError, AttributeError, RuntimeError, SyntaxError, ValueError) as error:
        cause = error.__cause__ or error  # transformers hides the cause behind an error of its own
        named = error.name if isinstance(error, ModuleNotFoundError) and error.name else module
        raise ImportError(str(cause) or type(cause).__name__, name=named.split(".")[0]) from error


def _repair(module: str) -> str:
    """The command that repairs a package that does not load."""
    packages = importlib.metadata.packages_distributions().get(module, [])
    if not packages and not is_checkout() and (extra := _extra_of(module)):
        return f'"{sys.executable}" -m pip install "kurdtts[{extra}]"'
    if module == "torch" or not packages:  # pip does not know which build of torch it was
        return (REDISTRIBUTABLE if sys.platform == "win32" and packages else "") + SET_UP_AGAIN
    version = importlib.metadata.version(packages[0])
    return f'"{sys.executable}" -m pip install --force-reinstall --no-deps {packages[0]}=={version}'


def check_decoding() -> Iterator[Check]:
    """Encode a tone in each format, decode it, and compare: more reliable than a version number."""
    for package in AUDIO_PACKAGES:
        _load(package)
    import numpy as np
    import soundfile

    from kurdtts_lib.audio import io as audio

    rate = 16_000
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    for name, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")):
        buffer = io.BytesIO()
        try:
            soundfile.write(buffer, tone, rate, format=name, subtype=subtype)
            decoded = audio.decode(buffer.getvalue(), rate)
        except (AudioError, soundfile.LibsndfileError, ValueError) as error:
            yield Check(f"Decoding {name}", False, str(error), _repair("soundfile"))
            continue
        # Correlation of the middle parts at the best small delay: MP3 delays the audio by some samples.
        middle = tone[4000:8000]
        at = 2000 + int(np.correlate(decoded[2000:10_000], middle, mode="valid").argmax())
        similarity = float(np.corrcoef(middle, decoded[at : at + len(middle)])[0, 1])
        message = f"a round trip keeps {100 * similarity:.1f} % of a tone"
        yield Check(f"Decoding {name}", similarity > 0.99, message, "" if similarity > 0.99 else _repair("soundfile"))


def check_unneeded_package(package: str) -> Check:
    if importlib.util.find_spec(package) is None:
        return Check(package, True, "absent, as it should be")
    remove = f'"{sys.executable}" -m pip uninstall -y {package}'
    trial = _run(120, sys.executable, "-c", f"import {package}")
    if trial is None:
        return Check(package, False, "installed, but loading it takes longer than two minutes", remove)
    if trial.returncode == 0:
        return Check(package, True, "present and loads; the course does not use it")
    reason = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
    return Check(package, False, f"installed but broken ({reason[:200]})", remove)


def _run(seconds: float, *command: str) -> subprocess.CompletedProcess[str] | None:
    """The result of a command; None if it does not start, or takes longer."""
    try:
        return subprocess.run(command, timeout=seconds, capture_output=True, encoding="utf-8", errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None


def check_models() -> Iterator[Check]:
    """PyTorch with its GPU, and transformers with its VITS."""
    _load("torch")
    yield check_gpu()
    _load("transformers.models.vits.modeling_vits")
    yield Check("transformers", True, f"{importlib.metadata.version('transformers')}, with its VITS")


def check_gpu() -> Check:
    """The GPU's name and free memory, and which profiles fit into it; or why torch does not use it."""
    import torch

    if torch.cuda.is_available():
        free, total = (value / 1e9 for value in torch.cuda.mem_get_info())
        message = f"{torch.cuda.get_device_name()}, {free:.1f} of {total:.1f} GB free"
        if free >= FULL_SIZE_GB:
            return Check("GPU", True, f"{message}: sample and full profile fit")
        fix = f"Close programs that use the card; the full profile needs {FULL_SIZE_GB:g} GB."
        return Check("GPU", False, f"{message}: enough for the sample only", fix)
    version = torch.__version__
    if not shutil.which("nvidia-smi"):
        return Check("GPU", True, f"none; torch {version} on the CPU: right for the sample, slow for the full profile")
    if torch.version.cuda is None:
        message = f"an NVIDIA driver is here, but torch {version} is the build without CUDA"
        return Check("GPU", False, message, "python start.py lab --torch cuda")
    answer = _run(20, "nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    driver = answer.stdout.strip().split(".")[0] if answer and answer.returncode == 0 else ""
    age = "does not answer"
    if driver.isdecimal():
        age = f"{driver} is too old" if int(driver) < OLDEST_DRIVER else f"{driver} is here"
    message = f"the NVIDIA driver {age}; torch {version} cannot use the card and needs driver {OLDEST_DRIVER} or newer"
    return Check("GPU", False, message, NEW_DRIVER)
