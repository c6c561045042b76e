"""Checks of this machine: what works, and how to repair what does not.

No package outside the standard library is imported at the top: the checks must report a broken one.
"""

import importlib.metadata
import importlib.util
import io
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kurdtts_lib.cli.packages import extra_of
from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.settings import REPOSITORY, is_checkout

if TYPE_CHECKING:
    import numpy as np

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


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    ok: bool
    message: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{'OK ' if self.ok else 'FIX'}  {self.name}: {self.message}" + (
            f"\n     -> {self.fix}" if self.fix else ""
        )


def run_checks() -> list[Check]:
    """All checks, in the order in which a user needs them."""
    return [
        check_python(),
        check_disk(),
        *_explained(check_decoding()),
        *check_unneeded_packages(),
        *_explained(check_models()),
        microphone_note(),
    ]


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
    enough = free > 5
    fix = "" if enough else "Free at least 5 GB: voices and checkpoints are large."
    return Check("Disk", enough, f"{free:.0f} GB free", fix)


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
    if not packages and not is_checkout() and (extra := extra_of(module)):
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
    for name, subtype in (
        ("WAV", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"),
    ):
        buffer = io.BytesIO()
        try:
            soundfile.write(buffer, tone, rate, format=name, subtype=subtype)
            decoded = audio.decode(buffer.getvalue(), rate)
        except (AudioError, soundfile.LibsndfileError, ValueError) as error:
            yield Check(f"Decoding {name}", False, str(error), _repair("soundfile"))
            continue
        similarity = _similarity(tone, decoded)
        message = f"a round trip keeps {100 * similarity:.1f} % of a tone"
        yield Check(f"Decoding {name}", similarity > 0.99, message, "" if similarity > 0.99 else _repair("soundfile"))


def _similarity(first: "np.ndarray", second: "np.ndarray") -> float:
    """Correlation of the middle parts at the best small delay: MP3 delays the audio by some samples."""
    import numpy as np

    middle = first[4000:8000]
    scores = np.correlate(second[2000:10_000], middle, mode="valid")
    at = 2000 + int(scores.argmax())
    return float(np.corrcoef(middle, second[at : at + len(middle)])[0, 1])


def check_unneeded_packages() -> Iterator[Check]:
    """torchcodec and torchaudio are not needed, but broken ones make other libraries fail."""
    for package in ("torchcodec", "torchaudio"):
        yield check_unneeded_package(package)


def check_unneeded_package(package: str) -> Check:
    """Import `package` in a process of its own: a broken one may crash the process."""
    if importlib.util.find_spec(package) is None:
        return Check(package, True, "absent, as it should be")
    remove = f'"{sys.executable}" -m pip uninstall -y {package}'
    command = [sys.executable, "-c", f"import {package}"]
    try:
        trial = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=120)
    except subprocess.TimeoutExpired:
        return Check(package, False, "installed, but loading it takes longer than two minutes", remove)
    if trial.returncode == 0:
        return Check(package, True, "present and loads; the course does not use it")
    reason = trial.stderr.strip().splitlines()[-1] if trial.stderr.strip() else f"exit code {trial.returncode}"
    return Check(package, False, f"installed but broken ({reason[:200]})", remove)


def check_models() -> Iterator[Check]:
    """PyTorch with its GPU, and transformers with its VITS."""
    _load("torch")
    yield check_gpu()
    _load("transformers.models.vits.modeling_vits")
    yield Check("transformers", True, f"{importlib.metadata.version('transformers')}, with its VITS")


def check_gpu() -> Check:
    """The GPU's name and free memory, and which profiles fit into it."""
    import torch

    if torch.cuda.is_available():
        free, total = (value / 1e9 for value in torch.cuda.mem_get_info())
        name = torch.cuda.get_device_name()
        if free >= FULL_SIZE_GB:
            return Check("GPU", True, f"{name}, {free:.1f} of {total:.1f} GB free: sample and full profile fit")
        return Check(
            "GPU",
            False,
            f"{name}, {free:.1f} of {total:.1f} GB free: enough for the sample only",
            f"Close programs that use the card; the full profile needs {FULL_SIZE_GB:g} GB.",
        )
    if shutil.which("nvidia-smi"):
        return _unused_gpu(torch.__version__, torch.version.cuda)
    return Check(
        "GPU",
        True,
        f"none; torch {torch.__version__} on the CPU: right for the sample, slow for the full profile",
    )


def _unused_gpu(version: str, cuda: str | None) -> Check:
    """Why torch does not use the NVIDIA card. cuda: the version for which torch was built; None: a CPU build."""
    if cuda is None:
        fix = "python start.py lab --torch cuda"
        return Check("GPU", False, f"an NVIDIA driver is here, but torch {version} is the build without CUDA", fix)
    found = _driver()
    age = "does not answer" if found is None else f"{found} is too old" if found < OLDEST_DRIVER else f"{found} is here"
    message = f"the NVIDIA driver {age}; torch {version} cannot use the card and needs driver {OLDEST_DRIVER} or newer"
    return Check("GPU", False, message, NEW_DRIVER)


def _driver() -> int | None:
    """The major version of the NVIDIA driver; None if it does not answer."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, timeout=20, capture_output=True, encoding="utf-8", errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    main = answer.stdout.strip().split(".")[0]
    return int(main) if answer.returncode == 0 and main.isdecimal() else None


def microphone_note() -> Check:
    return Check("Microphone", True, "the browser asks for it; it works on localhost or https, not inside VS Code")
