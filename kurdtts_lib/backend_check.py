"""What this machine has, and what to do about what it lacks."""

import importlib.util
import io
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
import torch

from kurdtts_lib.audio import decode
from kurdtts_lib.errors import AudioError
from kurdtts_lib.settings import REPOSITORY

FULL_SIZE_GB = 6.0
"""GPU memory, free, that fine-tuning the MMS voice asks for at least."""
REINSTALL = f'"{sys.executable}" -m pip install --force-reinstall soundfile'


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
    """All checks, in the order a reader needs them."""
    return [
        check_python(),
        check_disk(),
        *check_decoding(),
        *check_intruders(),
        check_gpu(),
        microphone_note(),
    ]


def check_python() -> Check:
    version = platform.python_version()
    return Check("Python", True, f"{version} on {platform.system()} {platform.machine()}")


def check_disk() -> Check:
    free = shutil.disk_usage(REPOSITORY).free / 1e9
    enough = free > 5
    fix = "" if enough else "Free at least 5 GB: voices and checkpoints are large."
    return Check("Disk", enough, f"{free:.0f} GB free", fix)


def check_decoding() -> Iterator[Check]:
    """Write a tone in each format, read it back, and compare: proof, not a version number."""
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
            heard = decode(buffer.getvalue(), rate)
        except (AudioError, soundfile.LibsndfileError, ValueError) as error:
            yield Check(f"Decoding {name}", False, str(error), REINSTALL)
            continue
        likeness = _likeness(tone, heard)
        message = f"a round trip keeps {100 * likeness:.1f} % of a tone"
        yield Check(f"Decoding {name}", likeness > 0.99, message, "" if likeness > 0.99 else REINSTALL)


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of the middle parts at the best small delay: MP3 shifts a sound by some samples."""
    middle = first[4000:8000]
    scores = np.correlate(second[2000:10_000], middle, mode="valid")
    at = 2000 + int(scores.argmax())
    return float(np.corrcoef(middle, second[at : at + len(middle)])[0, 1])


def check_intruders() -> Iterator[Check]:
    """torchcodec and torchaudio are not needed; broken ones make other libraries fail."""
    for package in ("torchcodec", "torchaudio"):
        yield check_intruder(package)


def check_intruder(package: str) -> Check:
    """Import `package` in its own process: a broken one may take the whole process with it."""
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


def check_gpu() -> Check:
    """The GPU's name and memory, and what fits in it."""
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
        return Check(
            "GPU",
            False,
            f"an NVIDIA driver is here, but torch {torch.__version__} cannot use it",
            "python start.py lab --torch cuda",
        )
    return Check(
        "GPU",
        True,
        f"none; torch {torch.__version__} on the CPU: right for the sample, slow for the full profile",
    )


def microphone_note() -> Check:
    return Check("Microphone", True, "the browser asks for it; it works on localhost or https, not inside VS Code")
