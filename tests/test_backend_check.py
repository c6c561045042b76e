"""The check proves what it says, and names the command that mends what is broken."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kurdtts_lib import backend_check
from kurdtts_lib.settings import REPOSITORY


def test_all_four_formats_survive_a_round_trip() -> None:
    checks = list(backend_check.check_decoding())
    assert [check.name for check in checks] == [f"Decoding {name}" for name in ("WAV", "FLAC", "OGG", "MP3")]
    assert all(check.ok for check in checks)


def test_a_decoder_that_returns_noise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    monkeypatch.setattr(backend_check, "decode", lambda *_: noise)
    assert not any(check.ok for check in backend_check.check_decoding())


def test_absent_package_is_ok() -> None:
    assert backend_check.check_intruder("kurdtts_no_such_package").ok


def broken_package(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise OSError('libtorch_cuda.so: cannot open')\n", encoding="utf-8")


def test_broken_package_gets_the_command_that_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_package(tmp_path, "torchcodec")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = backend_check.check_intruder("torchcodec")
    assert not check.ok
    assert "libtorch_cuda.so" in check.message
    assert "pip uninstall -y torchcodec" in check.fix


def test_broken_torchcodec_does_not_stop_the_course(tmp_path: Path) -> None:
    """Reading, decoding and preparing the corpus work with a torchcodec on the path that cannot be imported."""
    broken_package(tmp_path, "torchcodec")
    script = (
        "import dataclasses, pathlib, sys\n"
        "from kurdtts_lib.corpus.preparation import prepare\n"
        "from kurdtts_lib.settings import load_profile\n"
        "import kurdtts_lib.voices\n"
        "profile = load_profile('sample')\n"
        "corpus = dataclasses.replace(profile.corpus, max_samples=20)\n"
        "print(len(prepare(corpus, profile.audio, pathlib.Path(sys.argv[1])).kept))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")],
        env={**__import__("os").environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=REPOSITORY,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[-1]) > 5


def test_every_line_begins_with_ok_or_fix() -> None:
    lines = [str(check) for check in backend_check.run_checks()]
    assert all(line.startswith(("OK ", "FIX")) for line in lines)
    assert str(backend_check.Check("a", False, "b", "c")) == "FIX  a: b\n     -> c"
