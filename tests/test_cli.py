"""The commands do the notebooks' work and answer bad input with one clear line."""

import contextlib
import dataclasses
import io
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
import soundfile

from kurdtts_lib.cli import app, train
from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.data.training_set import corpus_settings
from kurdtts_lib.vits import optimised_ops
from kurdtts_lib.vits.log import StepReport
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, save_voice

pytestmark = pytest.mark.usefixtures("few_words")


@pytest.fixture
def base(make_voice: Callable[..., Voice], tmp_path: Path) -> Path:
    save_voice(make_voice(), tmp_path / "base voice ş", "base\n")
    return tmp_path / "base voice ş"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small training set of the sample, and what `kurdtts prepare` said."""
    folder, said = tmp_path_factory.mktemp("cli"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setenv("KURDTTS_HOME", str(folder / "home"))
        changes = ["--max-samples", "150", "--set", "pace_mads=none", "--set", "one_clip_per_sentence=false"]
        assert app.main(["prepare", "--output-dir", str(folder / "prepared"), *changes]) == 0
    return folder / "prepared", said.getvalue()


def test_prepare_train_and_say_work_one_after_the_other(
    base: Path, prepared: tuple[Path, str], home: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data, printed = prepared
    assert "kept" in printed and "too few votes" in printed
    assert "pace too far" not in printed and "read better" not in printed, "as --set says"
    assert (corpus_settings(data).pace_mads, corpus_settings(data).one_clip_per_sentence) == (None, False)
    assert app.main(["train", "--data-dir", str(data), "--base-voice", str(base), "--steps", "1"]) == 0
    assert "mel cepstral distance" in capsys.readouterr().out
    assert (home / "models" / "voice-0001-sample" / "model.safetensors").is_file()
    target = tmp_path / "Kurdî ş.wav"
    assert app.main(["say", "Roj baş", "-o", str(target)]) == 1
    assert "almost silent" in capsys.readouterr().err, "a voice of one step is no voice to speak with by default"
    monkeypatch.chdir(tmp_path)
    for name in ("roj-bas.wav", "roj-bas-2.wav"):  # what is there is not overwritten
        assert app.main(["say", "Roj baş 🙂", "--voice", "1"]) == 0
        assert soundfile.info(name).samplerate == 16_000
    assert "'🙂' (slightly smiling face) is not spoken" in capsys.readouterr().err


def test_epochs_become_steps_by_the_number_of_training_clips(tmp_path: Path) -> None:
    (tmp_path / "preparation.json").write_text('{"corpus": {"held_out_share": 0.1}}', encoding="utf-8")
    table = pandas.DataFrame({"file": "wavs/1.wav", "text": "roj", "part": ["train"] * 27 + ["validation", "test"]})
    table.to_parquet(tmp_path / "metadata.parquet")
    options = app._parser().parse_args(["train", "--data-dir", str(tmp_path), "--epochs", "3"])
    profile = dataclasses.replace(load_profile("sample"), data_dir=tmp_path)
    expected = 3 * -(-27 // profile.training.batch_size)
    assert train.training_settings(options, profile).steps == expected > 3


def test_a_text_file_is_read_out_with_subtitles(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "çîrok.txt"
    text.write_text("\ufeffRoj baş, heval!\n\nEz diçim malê 🙂.", encoding="utf-8")
    arguments = ["say", "--file", str(text), "-o", str(tmp_path / "a.mp3"), "--voice", str(base)]
    assert app.main([*arguments, "--subtitles", "words", "--speed", "0.5", "--variation", "0", "--seed", "3"]) == 0
    printed = capsys.readouterr()
    seconds = soundfile.info(tmp_path / "a.mp3").duration
    assert f"a.mp3: {seconds:.0f}" in printed.out and "'🙂' (slightly smiling face) is not spoken" in printed.err
    assert (tmp_path / "a.srt").read_text(encoding="utf-8").count("-->") == 6


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["روژ", "-o", "a.wav"], "nothing to say in 'روژ'"),
        (["...", "-o", "a.wav"], "nothing to say"),
        (["Roj baş", "-o", "a.m4a"], ".wav, .flac"),
        (["--file", "gone.txt", "-o", "a.wav"], "gone.txt"),
        (["--file", "latin.txt", "-o", "a.wav"], "Save it as UTF-8"),
    ],
)
def test_say_names_what_it_cannot_say_write_or_read(
    arguments: list[str],
    named: str,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.txt").write_bytes("Roj baş".encode("cp1254"))
    assert app.main(["say", *arguments, "--voice", str(base)]) == 1
    assert named in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["latin.txt"]


def test_arguments_that_cannot_be_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    speak = ("say", "Roj baş", "-o", "a.wav")
    for command, value, said in (
        *(((*speak, "--speed"), value, "number from 0.25 to 4") for value in ("0", "nan", "fast")),
        ((*speak, "--variation"), "-1", "number from 0 to 2"),
        ((*speak, "--subtitles"), "x", "invalid choice"),
        *((("train", "--steps"), value, "whole number from 1 up") for value in ("0", "-1", "many")),
        (("judge", "--sentences"), "0", "whole number from 1 up"),
        (("listen", "make", "a", "--voices", "1", "--sentences"), "501", "whole number from 1 to 500"),
        *((("serve", "--max-mb"), value, "number of megabytes") for value in ("0", "-1", "many", "nan")),
        *((("feedback", "train", "--base-share"), value, "(not with) 1") for value in ("1", "-0.1", "half")),
    ):
        with pytest.raises(SystemExit):
            app.main([*command, value])
        error = capsys.readouterr().err
        assert said in error and repr(value) in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train"], "kurdtts prepare"),
        (["say", "Roj baş", "-o", "a.wav"], "no fine-tuned voice yet"),
        (["prepare", "--set", "held_out_share=3"], "held_out_share=3.0 must lie between 0 and 1"),
    ],
)
def test_what_a_command_lacks_is_told_in_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(arguments) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("number", train.STOPPING)  # Ctrl-Break too, where there is one
def test_the_first_signal_sets_the_stop_event_and_the_second_one_is_the_old_handlers(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    caught: list[int] = []
    before = signal.signal(number, lambda *_: caught.append(number))
    try:
        with train.stop_on_signals(alone=True) as stop:
            signal.raise_signal(number)
            assert stop.is_set() and not caught
            assert "Stopping after this step" in capfd.readouterr().err
            signal.raise_signal(number)
        assert caught == [number]
    finally:
        signal.signal(number, before)


def test_a_launcher_may_pass_a_signal_on_as_often_as_it_likes() -> None:
    before = [signal.getsignal(number) for number in train.STOPPING]
    with train.stop_on_signals(alone=False) as stop:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
        assert stop.is_set()
    assert [signal.getsignal(number) for number in train.STOPPING] == before


def test_a_stopped_training_says_so_and_the_same_command_goes_on(
    base: Path,
    prepared: tuple[Path, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    command = ["train", "--data-dir", str(prepared[0]), "--base-voice", str(base), "--steps", "3"]
    ordinary = Trainer._one_step
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def step_then_signal(trainer: Trainer, batches: object) -> StepReport:
        signal.raise_signal(signal.SIGTERM)
        return ordinary(trainer, batches)  # type: ignore[arg-type]

    tuned: list[bool] = []
    monkeypatch.setattr(optimised_ops, "keep_freed_memory", lambda: tuned.append(True))
    monkeypatch.setattr(Trainer, "_one_step", step_then_signal)
    assert app.main(command) == 130 and tuned == [True]
    assert "Stopped at step 1; everything is saved" in capsys.readouterr().out

    def step_twice_interrupted(trainer: Trainer, batches: object) -> StepReport:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one must not be waited for")

    monkeypatch.setattr(Trainer, "_one_step", step_twice_interrupted)
    assert app.main(command) == 130
    assert "goes on from the last checkpoint" in capsys.readouterr().out
    monkeypatch.setattr(Trainer, "_one_step", ordinary)
    assert app.main(command) == 0
    printed = capsys.readouterr().out
    assert (
        "resumed: Goes on from step 1" in printed and "done: 3 steps" in printed and "mel cepstral distance" in printed
    )


def test_kurmanji_letters_reach_a_console_that_lacks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    console = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(console, encoding="cp1252", errors="strict"))
    app.utf8_console()
    print("Roj baş, şev xweş", flush=True)
    assert console.getvalue().decode("utf-8").strip() == "Roj baş, şev xweş"


def test_help_loads_nothing_slow() -> None:
    script = "import sys; import kurdtts_lib.cli.app as cli\ncli.main([])\ntry: cli.main(['feedback', '--help'])\n"
    script += "except SystemExit: pass\n"
    script += "assert {'numpy', 'scipy', 'sqlite3', 'torch', 'transformers'}.isdisjoint(sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8")
    assert result.returncode == 0 and "withdraw" in result.stdout, result.stderr
    assert "--version" in result.stdout and 'kurdtts say "Roj baş"' in result.stdout, "help is what no command gives"
