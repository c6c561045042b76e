"""`--set NAME=VALUE` sets every setting of a command, and says what there is where it cannot."""

import argparse
import dataclasses
from operator import attrgetter
from typing import Any

import pytest

from kurdtts_lib.cli import app, train
from kurdtts_lib.cli.setting_arguments import add_set, changed, types_of
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.settings import CorpusSettings, TrainingSettings, load_profile


def parsed(kind: type, *texts: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_set(parser, kind, "a=b")
    return dict(parser.parse_args([argument for text in texts for argument in ("--set", text)]).set)


@pytest.mark.parametrize("kind", [CorpusSettings, TrainingSettings])
def test_every_setting_can_be_given_as_it_is_printed(kind: type) -> None:
    values = {name: attrgetter(name)(kind()) for name in types_of(kind)}
    assert {name.partition(".")[0] for name in values} == {field.name for field in dataclasses.fields(kind)}
    texts = [f"{name}={str(value).strip('()').replace(', ', ',')}" for name, value in values.items()]
    assert parsed(kind, *texts) == values
    assert changed(kind(), parsed(kind, *texts)) == kind()


def test_values_have_the_types_of_their_settings_and_the_rest_stays() -> None:
    given = parsed(TrainingSettings, "patience=none", "batch_size=4", "betas=0.5,0.9", "weights.mel=45", "weights.kl=2")
    found = changed(TrainingSettings(patience=3, seed=7), given)
    assert parsed(TrainingSettings, "frozen=flow,decoder") == {"frozen": ("flow", "decoder")}
    assert (found.patience, found.batch_size, found.betas, found.seed) == (None, 4, (0.5, 0.9), 7)
    assert dataclasses.asdict(found.weights) == dataclasses.asdict(TrainingSettings().weights) | {"mel": 45, "kl": 2}
    assert changed(found, parsed(TrainingSettings, "gradient_checkpointing=True")).gradient_checkpointing is True


@pytest.mark.parametrize(
    ("command", "wrong", "said"),
    [
        ("prepare", "pace=3", "pace_mads (float or none)"),
        ("prepare", "speaker", "is not NAME=VALUE of one of: source (str)"),
        ("prepare", "pace_mads=fast", "pace_mads takes float or none, not 'fast'"),
        ("prepare", "one_clip_per_sentence=2", "one_clip_per_sentence takes bool, not '2'"),
        ("train", "rate=1", "learning_rate (float)"),
        ("train", "weights=1", "weights.mel (float)"),
        ("train", "batch_size=4.5", "batch_size takes int, not '4.5'"),
        ("train", "betas=0.9", "betas takes float,float, not '0.9'"),
        ("train", "patience=", "patience takes int or none, not ''"),
    ],
)
def test_a_wrong_setting_says_which_there_are_and_what_they_take(
    command: str, wrong: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        app.main([command, "--set", wrong])
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("wrong", ["learning_rate=nan", "weights.mel=-1", "betas=0.8,1"])
def test_a_value_that_cannot_be_is_a_clear_error(wrong: str) -> None:
    with pytest.raises(KurdTTSError, match=r"These settings cannot be: .* must be (a number from 0 up|at least 0 and)"):
        changed(TrainingSettings(), parsed(TrainingSettings, wrong))


def test_a_training_takes_its_preset_then_its_settings() -> None:
    arguments = ["train", "--preset", "gpu-8gb", "--steps", "9", "--set", "accumulation=8", "--set", "patience=2"]
    settings = train.training_settings(app._parser().parse_args(arguments), load_profile("sample"))
    assert (settings.accumulation, settings.mixed_precision) == (8, "fp16")
    assert (settings.steps, settings.patience, settings.batch_size) == (9, 2, 4)
