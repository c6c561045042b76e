"""`kurdtts check`: what works on this machine, and how to repair what does not.

No package outside the standard library is imported at the top: the checks must report a broken one.
"""

import argparse
import importlib
import io
import platform
import shutil
import sys
from typing import NamedTuple

from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.settings import IS_CHECKOUT, REPOSITORY

FULL_SIZE_GB = 6.0
"""Free GPU memory that fine-tuning the MMS voice needs at least."""
OLDEST_DRIVER = 580
"""The first NVIDIA driver that runs CUDA 13."""
NEW_DRIVER = (
    "Update the driver. Windows: the NVIDIA app, page Drivers. Ubuntu: sudo ubuntu-drivers install. "
    "Then restart the computer."
)
SET_UP_AGAIN = "Delete the folder .venv, then: python start.py lab"
REDISTRIBUTABLE = "winget install Microsoft.VCRedist.2015+.x64 (libraries of Windows). If that is not enough: "
AUDIO_PACKAGES = ("numpy", "soundfile", "soxr", "scipy.signal", "pyloudnorm", "kurdtts_lib.audio.io")
FORMATS = ("WAV", "FLAC", "OGG", "MP3")


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
        Check("Python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        check_disk(),
        _broken(*AUDIO_PACKAGES) or check_decoding(),
        _broken("torch", "transformers.models.vits.modeling_vits") or check_gpu(),
        Check("Microphone", True, note),
    ]


def check_disk() -> Check:
    free = shutil.disk_usage(REPOSITORY).free / 1e9
    fix = "" if free > 5 else "Free at least 5 GB: voices and checkpoints are large."
    return Check("Disk", not fix, f"{free:.0f} GB free", fix)


def _broken(*modules: str) -> Check | None:
    """A line with the repair for the first of the modules that does not load; None if all do."""
    for module in modules:
        try:
            importlib.import_module(module)
        except (ImportError, OSError, AttributeError, RuntimeError, SyntaxError, ValueError) as error:
            named = error.name if isinstance(error, ModuleNotFoundError) and error.name else module
            package = named.split(".")[0]
            cause = error.__cause__ or error  # transformers hides the cause behind an error of its own
            message = (str(cause) or type(cause).__name__).splitlines()[0][:300]
            return Check(package, False, f"does not load: {message}", _repair())
    return None


def _repair() -> str:
    """What repairs a package that does not load."""
    again = SET_UP_AGAIN if IS_CHECKOUT else f'"{sys.executable}" -m pip install --force-reinstall "kurdtts[train]"'
    return (REDISTRIBUTABLE if sys.platform == "win32" else "") + again


def check_decoding() -> Check:
    """Encode a second of silence in each format and decode it: more reliable than a version number."""
    import numpy as np
    import soundfile

    from kurdtts_lib.audio.io import decode

    for name in FORMATS:
        buffer = io.BytesIO()
        try:
            soundfile.write(buffer, np.zeros(16_000), 16_000, format=name)
            decode(buffer.getvalue(), 16_000)
        except (AudioError, soundfile.LibsndfileError, ValueError) as error:
            return Check("Audio", False, f"{name} cannot be read: {error}", _repair())
    return Check("Audio", True, f"{', '.join(FORMATS)} can be read")


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
    message = f"torch {version} cannot use the card here; it needs NVIDIA driver {OLDEST_DRIVER} or newer"
    return Check("GPU", False, message, NEW_DRIVER)
