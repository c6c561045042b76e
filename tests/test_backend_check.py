"""The check proves what it says, and names the command that mends what is broken."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kurdtts_lib.audio import io
from kurdtts_lib.cli import backend_check as backend_check
from kurdtts_lib.core.settings import REPOSITORY


def test_all_four_formats_survive_a_round_trip() -> None:
    checks = list(backend_check.check_decoding())
    assert [check.name for check in checks] == [f"Decoding {name}" for name in ("WAV", "FLAC", "OGG", "MP3")]
    assert all(check.ok for check in checks)


def test_a_decoder_that_returns_noise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    monkeypatch.setattr(io, "decode", lambda *_: noise)
    assert not any(check.ok for check in backend_check.check_decoding())


def broken_package(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise OSError('libtorch_cuda.so: cannot open')\n", encoding="utf-8")


def test_broken_package_gets_the_command_that_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_package(tmp_path, "torchcodec")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = backend_check.check_unneeded_package("torchcodec")
    assert not check.ok
    assert "libtorch_cuda.so" in check.message
    assert "pip uninstall -y torchcodec" in check.fix
    assert backend_check.check_unneeded_package("kurdtts_no_such_package").ok


def test_broken_torchcodec_does_not_stop_the_course(tmp_path: Path) -> None:
    """Reading, decoding and preparing the corpus work with a torchcodec on the path that cannot be imported."""
    broken_package(tmp_path, "torchcodec")
    script = (
        "import dataclasses, pathlib, sys\n"
        "from kurdtts_lib.data.prepare import prepare\n"
        "from kurdtts_lib.core.settings import load_profile\n"
        "import kurdtts_lib.voices.finetune\n"
        "profile = load_profile('sample')\n"
        "corpus = dataclasses.replace(profile.corpus, max_samples=20)\n"
        "print(len(prepare(corpus, profile.audio, pathlib.Path(sys.argv[1])).kept))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=REPOSITORY,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[-1]) > 5


BROKEN = """
import sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name in sys.argv[2:]:
            raise {"OSError": OSError, "ImportError": ImportError}[sys.argv[1]]("DLL load failed: c10.dll")

sys.meta_path.insert(0, Broken())
from kurdtts_lib.cli import main
raise SystemExit(main(["check"]))
"""


@pytest.mark.parametrize(
    ("error", "audio", "model", "fix"),
    [
        ("OSError", "soundfile", "torch", "Delete the folder .venv, then: python start.py lab"),
        ("ImportError", "soxr", "transformers", "-m pip install --force-reinstall --no-deps transformers=="),
    ],
)
def test_a_package_that_does_not_load_gets_one_line_with_its_command(
    error: str, audio: str, model: str, fix: str
) -> None:
    command = [sys.executable, "-c", BROKEN, error, audio, model]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=REPOSITORY)
    assert (result.returncode, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    for package, mends in ((audio, f"-m pip install --force-reinstall --no-deps {audio}=="), (model, fix)):
        number = lines.index(f"FIX  {package}: does not load: DLL load failed: c10.dll")
        assert lines[number + 1].startswith("     -> ") and mends in lines[number + 1]
        assert [line for line in lines if line.startswith("FIX") and package in line] == [lines[number]]
    assert lines[-1].startswith("OK   Microphone")


@pytest.mark.parametrize(
    ("macos", "machine", "ok", "said"),
    [
        ("13.6.1", "arm64", False, "PyTorch needs macOS 14 or newer"),
        ("14.0", "arm64", True, "on macOS 14.0 arm64"),
        ("15.2", "x86_64", False, "PyTorch needs Apple silicon"),
    ],
)
def test_a_mac_that_has_no_pytorch_is_told_so(
    monkeypatch: pytest.MonkeyPatch, macos: str, machine: str, ok: bool, said: str
) -> None:
    monkeypatch.setattr(backend_check.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(backend_check.platform, "machine", lambda: machine)
    monkeypatch.setattr(backend_check.platform, "mac_ver", lambda: (macos, ("", "", ""), machine))
    check = backend_check.check_python()
    assert check.ok == ok and said in check.message and bool(check.fix) != ok


@pytest.mark.parametrize(
    ("cuda", "driver", "said", "fix"),
    [
        (None, "535.104.05", "without CUDA", "python start.py lab --torch cuda"),
        ("13.0", "535.104.05", "the NVIDIA driver 535 is too old", "Update the driver"),
        ("13.0", "590.10", "the NVIDIA driver 590 is here", "restart the computer"),
        ("13.0", "", "the NVIDIA driver does not answer", "Update the driver"),
    ],
)
def test_a_card_that_torch_cannot_use_gets_the_advice_that_helps(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, driver: str, said: str, fix: str
) -> None:
    answer = subprocess.CompletedProcess([], 0 if driver else 9, f"{driver}\n", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(backend_check.shutil, "which", lambda name: name)
    monkeypatch.setattr(backend_check.subprocess, "run", lambda *_, **__: answer)
    check = backend_check.check_gpu()
    assert not check.ok and said in check.message and fix in check.fix


def test_the_oldest_driver_is_that_of_the_set_up() -> None:
    specification = importlib.util.spec_from_file_location("kurdtts_start", REPOSITORY / "start.py")
    assert specification and specification.loader
    start = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(start)
    assert backend_check.OLDEST_DRIVER == start.OLDEST_DRIVER


def test_a_line_begins_with_ok_or_fix() -> None:
    assert str(backend_check.Check("a", False, "b", "c")) == "FIX  a: b\n     -> c"
