"""Each condition begins and ends with its stream of signals, and a voice that really breaks is noticed."""

import math
import re

import pytest

from kurdtts_lib.cli import app, train
from kurdtts_lib.cli.setting_arguments import types_of
from kurdtts_lib.core.settings import TrainingSettings, load_profile
from kurdtts_lib.vits.monitor import BEGIN_AGAIN, CONDITIONS, WINDOW, Monitor
from kurdtts_lib.vits.state import FREE

HEALTHY = {"rms_db": -23.0, "real_rms_db": -22.0, "clipped": 0.0}
HEALTHY |= {"real_score": 0.6, "generated_score": 0.35, "diagonal": 0.05, "longest": 0.12}
BROKEN = [
    ("silence", {"rms_db": -60.0}),
    ("clipping", {"clipped": 0.05}),
    ("discriminator", {"real_score": 1.0, "generated_score": 0.01}),
    ("alignment", {"diagonal": 0.4}),
    ("alignment", {"longest": 0.8}),
]


def feed(health: Monitor, steps: int, skipped: bool = False, **changes: float) -> list[tuple[str, bool]]:
    """What began (True) and ended (False) in so many steps."""
    changes_found = []
    for _ in range(steps):
        changes_found += health.update({**HEALTHY, **changes}, skipped)
    return [(condition.name, began) for condition, began in changes_found]


def test_a_healthy_training_is_left_in_peace_and_one_bad_step_is_no_condition():
    health = Monitor()
    assert feed(health, 200) == [] and health.active == []
    for _, signals in BROKEN:
        assert feed(health, 1, **signals) == []
        feed(health, WINDOW)
    assert feed(Monitor(), WINDOW - 1, rms_db=-90.0) == []
    assert {condition.name for condition in CONDITIONS} - {"skipped"} == {name for name, _ in BROKEN}


@pytest.mark.parametrize(("name", "signals"), BROKEN)
def test_a_condition_begins_once_and_ends_once(name, signals):
    health = Monitor()
    feed(health, WINDOW)
    assert feed(health, 5 * WINDOW, **signals) == [(name, True)]
    (condition,) = health.active
    assert condition.name == name and condition.meaning.endswith(".") and condition.advice.endswith(".")
    assert feed(health, 5 * WINDOW) == [(name, False)]
    assert health.active == []


def test_many_skipped_steps_are_a_condition_and_a_few_are_not():
    health = Monitor()
    for _ in range(WINDOW):  # fp16 looking for its scale: one of four
        assert not feed(health, 3) and not feed(health, 1, skipped=True)
    found = [change for _ in range(WINDOW // 2) for change in feed(health, 1) + feed(health, 1, skipped=True)]
    assert found == [("skipped", True)]
    assert "fp16" in health.active[0].advice


def test_signals_that_are_missing_or_not_numbers_change_nothing():
    health = Monitor()
    feed(health, WINDOW)
    without_scores = {name: value for name, value in HEALTHY.items() if "score" not in name}
    for _ in range(2 * WINDOW):
        assert health.update({**without_scores, "clipped": math.nan}, skipped=False) == []
    assert Monitor().update({}, skipped=True) == []


def test_a_decoder_that_is_stuck_at_one_is_noticed_once_and_over_when_it_speaks(start, make_audible_voice):
    voice = make_audible_voice()
    # transformers' own first weights end like this: stuck near +1, and the mel loss cannot see it
    stuck = voice.model.decoder.register_forward_hook(lambda module, inputs, output: output * 0.001 + 0.995)
    trainer, active = start(voice=voice, steps=2 * WINDOW, learning_rate=1e-9), []

    def look(entry):
        active.append({condition.name for condition in trainer.state.health.active})
        if entry.step == WINDOW:
            stuck.remove()

    trainer.run(report=look)
    assert active[WINDOW - 2] == set() and active[WINDOW - 1] == {"clipping"}
    told = [event.kind for event in trainer.history.events if "waves are cut off" in event.text]
    assert told == ["warning", "recovered"]


def test_what_is_advised_can_be_set_and_a_training_goes_on_with_it():
    named = {one.name: {word for word in re.findall(r"\w+", one.advice) if "_" in word} for one in CONDITIONS}
    advised = {"learning_rate", "discriminator_learning_rate", "mixed_precision"}
    assert set().union(*named.values()) == advised <= set(types_of(TrainingSettings))
    for condition in CONDITIONS:
        assert "go on" not in condition.advice or named[condition.name] <= FREE
        assert "begin again" not in condition.advice or BEGIN_AGAIN in condition.advice
    rates = ["--set", "learning_rate=2e-4", "--set", "discriminator_learning_rate=1e-4"]
    options = app._parser().parse_args(["train", *rates, "--set", "mixed_precision=no"])
    settings = train.training_settings(options, load_profile("full"))
    assert (settings.learning_rate, settings.discriminator_learning_rate) == (2e-4, 1e-4)
    assert settings.mixed_precision == "no" and settings.gradient_checkpointing
