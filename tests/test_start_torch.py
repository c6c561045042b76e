"""start.py chooses the build of PyTorch by the card that is there, and says what it found."""

import contextlib
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from starting import refuse, start


def fake_nvidia_smi(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, str] | Exception) -> Mock:
    """nvidia-smi gives these answers, one a call."""
    made = [
        answer if isinstance(answer, Exception) else SimpleNamespace(returncode=answer[0], stdout=answer[1])
        for answer in answers
    ]
    run = Mock(side_effect=made)
    monkeypatch.setattr(start.subprocess, "run", run)
    return run


RTX = (0, "NVIDIA GeForce RTX 2070, 581.15, 7.5\n")


@pytest.mark.parametrize(
    ("answers", "cards"),
    [
        ([RTX], [("NVIDIA GeForce RTX 2070", 581, 7.5)]),
        ([(0, "A, 580.95.05, 9.0\nB, 580.95.05, 8.6\n")], [("A", 580, 9.0), ("B", 580, 8.6)]),
        ([(2, 'Field "compute_cap" is not a valid field to query.'), (0, "C, 456.71\n")], [("C", 456, 0)]),
        ([(0, "No devices were found\n"), (0, "No devices were found\n")], []),
        ([FileNotFoundError(), FileNotFoundError()], []),
        ([subprocess.TimeoutExpired("nvidia-smi", 20)] * 2, []),
    ],
)
def test_nvidia_cards(monkeypatch: pytest.MonkeyPatch, answers: list[Any], cards: list[Any]) -> None:
    run = fake_nvidia_smi(monkeypatch, *answers)
    assert start.nvidia_cards("linux") == cards
    assert [0 < call.kwargs["timeout"] <= 30 for call in run.mock_calls] == [True] * len(answers)


def test_windows_finds_nvidia_smi_outside_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    monkeypatch.setenv("SYSTEMROOT", "W:\\Windows")
    run = fake_nvidia_smi(monkeypatch, RTX)
    assert len(start.nvidia_cards("win32")) == 1
    assert run.call_args.args[0][0] == str(Path("W:\\Windows", "System32", "nvidia-smi.exe"))


GOOD, OLD_DRIVER, OLD_CARD = ("RTX 2070", 581.0, 7.5), ("RTX 2070", 566.0, 7.5), ("GTX 1060", 580.0, 6.1)


@pytest.mark.parametrize(
    ("asked", "platform", "cards", "choice", "said"),
    [
        ("auto", "win32", [GOOD], "cuda", "RTX 2070. PyTorch: CUDA"),
        ("auto", "win32", [], "cpu", "No NVIDIA card was found. PyTorch: CPU"),
        ("auto", "linux", [OLD_CARD], "cpu", "too old for CUDA 13"),
        ("auto", "linux", [OLD_CARD, GOOD], "cuda", "RTX 2070"),
        ("auto", "win32", [OLD_DRIVER], "cuda", "needs 580 or"),
        ("cuda", "linux", [OLD_CARD], "cuda", "GTX 1060. PyTorch: CUDA"),
        ("cuda", "linux", [], "cuda", "No NVIDIA card was found. PyTorch: CUDA"),
        ("cpu", "win32", None, "cpu", "PyTorch: CPU"),
        ("auto", "darwin", None, "plain", ""),
        ("cuda", "darwin", None, "plain", "does not exist on macOS"),
    ],
)
def test_choice_of_torch(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
    platform: str,
    cards: list[Any] | None,
    choice: str,
    said: str,
) -> None:
    monkeypatch.setattr(start, "nvidia_cards", refuse if cards is None else lambda platform: cards)
    assert start.choose_torch(asked, platform) == choice
    output = capsys.readouterr().out
    assert said in output
    assert ("Warning" in output) == (cards == [OLD_DRIVER])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, True),
        (urllib.error.URLError(OSError("no name resolution")), False),
        (urllib.error.HTTPError("u", 403, "Forbidden", None, None), False),  # type: ignore[arg-type]
        (urllib.error.URLError(ssl.SSLCertVerificationError("unable to get local issuer certificate")), True),
    ],
)
def test_the_extra_index_is_asked_for_four_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch, answer: Exception | None, expected: bool
) -> None:
    urlopen = Mock(side_effect=answer, return_value=contextlib.nullcontext())
    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    assert start.index_answers(start.TORCH_INDEX["cpu"]) is expected
    urlopen.assert_called_once_with("https://download.pytorch.org/whl/cpu/", timeout=4)


@pytest.mark.parametrize(
    ("choice", "platform", "said"),
    [
        ("cpu", "linux", "It may be the larger CUDA build"),
        ("cuda", "win32", "It will be the CPU build"),
        ("cuda", "linux", ""),
    ],
)
def test_an_index_that_does_not_answer_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], choice: str, platform: str, said: str
) -> None:
    monkeypatch.setattr(start, "index_answers", lambda url: url == "there")
    assert start.torch_index(choice, platform) is start.torch_index("plain", "darwin") is None
    first, *more = capsys.readouterr().out.splitlines()
    assert (
        first.startswith("download.pytorch.org does not answer") and said in "".join(more) and len(more) == bool(said)
    )
    monkeypatch.setattr(start, "TORCH_INDEX", {choice: "there"})
    assert start.torch_index(choice, platform) == "there" and capsys.readouterr().out == ""
