"""The check proves what it says, and names the command that mends what is broken."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from starting import start

from kurdtts_lib.audio import io
from kurdtts_lib.cli import backend_check
from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.settings import REPOSITORY


def test_a_format_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend_check.check_decoding() == ("Audio", True, "WAV, FLAC, OGG, MP3 can be read", "")
    ordinary = io.decode

    def without_mp3(content: bytes, rate: int) -> np.ndarray:
        if content[:4] not in (b"RIFF", b"fLaC", b"OggS"):
            raise AudioError("no decoder")
        return ordinary(content, rate)

    monkeypatch.setattr(io, "decode", without_mp3)
    check = backend_check.check_decoding()
    assert (
        not check.ok and check.message == "MP3 cannot be read: no decoder" and check.fix.endswith("python start.py lab")
    )


def test_broken_torchcodec_does_not_stop_the_course(tmp_path: Path) -> None:
    (tmp_path / "torchcodec").mkdir()
    (tmp_path / "torchcodec" / "__init__.py").write_text("raise OSError('libtorch_cuda.so: cannot open')\n", "utf-8")
    command = [sys.executable, "-c", "import kurdtts_lib.data.prepare, kurdtts_lib.voices.finetune"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", cwd=REPOSITORY)
    assert result.returncode == 0, result.stderr


BROKEN = """
import sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name in sys.argv[2:]:
            raise {"OSError": OSError, "ImportError": ImportError}[sys.argv[1]]("DLL load failed: c10.dll")

sys.meta_path.insert(0, Broken())
from kurdtts_lib.cli.app import main
raise SystemExit(main(["check"]))
"""


@pytest.mark.parametrize(
    ("error", "audio", "model"), [("OSError", "soundfile", "torch"), ("ImportError", "soxr", "transformers")]
)
def test_a_package_that_does_not_load_gets_one_line_with_its_command(error: str, audio: str, model: str) -> None:
    command = [sys.executable, "-c", BROKEN, error, audio, model]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=REPOSITORY)
    assert (result.returncode, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    for package in (audio, model):
        number = lines.index(f"FIX  {package}: does not load: DLL load failed: c10.dll")
        assert lines[number + 1].startswith("     -> ")
        assert lines[number + 1].endswith("Delete the folder .venv, then: python start.py lab")
        assert [line for line in lines if line.startswith("FIX") and package in line] == [lines[number]]
    assert lines[-1].startswith("OK   Microphone")


@pytest.mark.parametrize(("cuda", "fix"), [(None, "python start.py lab --torch cuda"), ("13.0", "Update the driver")])
def test_a_card_that_torch_cannot_use_gets_the_advice_that_helps(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, fix: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(backend_check.shutil, "which", lambda name: name)
    check = backend_check.check_gpu()
    assert not check.ok and fix in check.fix


def test_the_oldest_driver_is_that_of_the_set_up() -> None:
    assert backend_check.OLDEST_DRIVER == start.OLDEST_DRIVER
