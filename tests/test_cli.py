"""The commands do the notebooks' work and answer bad input with one clear line."""

import dataclasses
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from kurdtts_lib import cli
from kurdtts_lib.corpus.clips import read_metadata, split
from kurdtts_lib.vits.voice import Voice, save_voice


@pytest.fixture
def base(make_voice: Callable[..., Voice], tmp_path: Path) -> Path:
    save_voice(make_voice(), tmp_path / "base voice ş", "base\n")
    return tmp_path / "base voice ş"


def test_prepare_train_and_say_work_one_after_the_other(
    base: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "prepared"
    assert cli.main(["prepare", "--output-dir", str(data), "--max-samples", "150"]) == 0
    printed = capsys.readouterr().out
    assert "kept" in printed and "too few votes" in printed
    assert cli.main(["train", "--data-dir", str(data), "--base-voice", str(base), "--steps", "1"]) == 0
    assert "mel cepstral distance" in capsys.readouterr().out
    assert (home / "models" / "voice-sample" / "model.safetensors").is_file()
    target = tmp_path / "Kurdî ş.wav"
    assert cli.main(["say", "Roj baş", "-o", str(target)]) == 0
    assert soundfile.info(target).samplerate == 16_000


def test_epochs_become_steps_by_the_number_of_training_clips(tmp_path: Path) -> None:
    (tmp_path / "preparation.json").write_text('{"corpus": {"validation_share": 0.1}}', encoding="utf-8")
    lines = [f"wavs/{number}.wav|gotina hejmar {'a' * number}" for number in range(1, 31)]
    (tmp_path / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    options = cli._parser().parse_args(["train", "--data-dir", str(tmp_path), "--epochs", "3"])
    profile = dataclasses.replace(cli.load_profile("sample"), data_dir=tmp_path)
    training, _ = split(read_metadata(tmp_path), 0.1)
    expected = 3 * -(-len(training) // profile.training.batch_size)
    assert cli._with_length(options, profile).steps == expected > 3


def test_say_without_a_voice_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["say", "Roj baş", "-o", str(tmp_path / "a.wav")]) == 1
    assert "no fine-tuned voice yet" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "named"), [("Ez 5 sêv dixwim", "'5'"), ("روژ", "'ر'"), ("...", "nothing to say")])
def test_text_a_voice_cannot_say_is_named_and_no_file_is_written(
    text: str, named: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["say", text, "-o", str(tmp_path / "a.wav"), "--voice", str(base)]) == 1
    assert named in capsys.readouterr().err
    assert not (tmp_path / "a.wav").exists()


def test_speech_is_not_written_under_another_formats_name(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["say", "Roj baş", "-o", str(tmp_path / "a.mp3"), "--voice", str(base)]) == 1
    assert ".wav" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["0", "-1", "many"])
def test_numbers_below_one_are_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--steps", wrong])
    assert "whole number from 1 up" in capsys.readouterr().err


def test_training_without_prepared_data_says_how_to_prepare(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train"]) == 1
    assert "kurdtts prepare" in capsys.readouterr().err


def test_check_prints_a_line_for_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["check"])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(("OK ", "FIX")) for line in lines) >= 9


def test_ctrl_c_sets_the_stop_event_and_the_old_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with cli._stop_on_ctrl_c() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGINT) is before


def test_kurmanji_letters_reach_a_console_that_lacks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    console = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(console, encoding="cp1252", errors="strict"))
    cli.utf8_console()
    print("Roj baş, şev xweş", flush=True)
    assert console.getvalue().decode("utf-8").strip() == "Roj baş, şev xweş"


def test_help_needs_no_torch() -> None:
    import subprocess

    script = "import sys; import kurdtts_lib.cli as cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    script += "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, env=dict(os.environ))
    assert result.returncode == 0, result.stderr.decode("utf-8", "replace")
