"""The trainer: the same result however often it is interrupted, the best voice kept, and honest errors."""

import copy
import dataclasses
import json
import threading
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.core.training_settings import LossWeights
from kurdtts_lib.text.lexicon import own_corrections, save_correction
from kurdtts_lib.vits import state
from kurdtts_lib.vits.checkpoint import load_latest
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.log import StepReport, Validation
from kurdtts_lib.vits.monitor import Monitor
from kurdtts_lib.vits.state import TrainingProgress
from kurdtts_lib.vits.step import TrainingStep
from kurdtts_lib.vits.trainer import MAX_SKIPPED_IN_A_ROW, Trainer
from kurdtts_lib.vits.voice import Voice

TERMS = {"mel", "kl", "duration", "generator", "feature_matching", "discriminator"}


def weights(trainer: Trainer | Voice) -> dict[str, torch.Tensor]:
    voice = trainer.voice if isinstance(trainer, Trainer) else trainer
    parts = {"generator": voice.model, "discriminator": voice.discriminator}
    return {f"{part}.{name}": value.clone() for part, m in parts.items() for name, value in m.state_dict().items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def logged(trainer: Trainer) -> list[dict]:
    """The log's lines about steps."""
    lines = (trainer.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if "event" not in entry]


def without_times(entries: list[dict]) -> list[dict]:
    return [{name: value for name, value in entry.items() if "seconds" not in name} for entry in entries]


def kinds(trainer: Trainer) -> list[str]:
    return [event.kind for event in trainer.history.events]


# --- the same result however often it is interrupted --------------------------------------------------------


def test_a_training_changes_every_weight_and_reports_every_term(start):
    trainer = start()
    before = weights(trainer)
    reports = []
    assert trainer.run(report=reports.append) is True
    after = weights(trainer)
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    assert [report.step for report in reports] == [1, 2, 3, 4]
    assert [report.epoch for report in reports] == [0, 0, 0, 1]  # five clips are three batches of at most two
    assert all(set(report.terms) == TERMS for report in reports)
    assert all(0 <= report.wait_seconds <= report.seconds for report in reports)
    assert [dataclasses.asdict(report) for report in reports] == logged(trainer)


@pytest.mark.parametrize(
    ("stochastic", "accumulation", "precision"),
    [
        (False, 1, "no"),
        (True, 2, "fp16"),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((True, 1, "no"), (False, 2, "no"), (True, 1, "bf16"))),
    ],
)
def test_an_interrupted_training_ends_with_the_very_same_weights_scores_and_counts(
    start, make_voice, tone_clips, monkeypatch, stochastic, accumulation, precision
):
    ordinary = TrainingStep.__call__

    def begin(folder: str, steps: int, first_skipped: bool) -> Trainer:
        left = [first_skipped]

        def call(step, batches, **options):
            outcome = ordinary(step, batches, **options)
            return outcome._replace(skipped="because") if left and left.pop() else outcome

        monkeypatch.setattr(TrainingStep, "__call__", call)
        voice = make_voice(use_stochastic_duration_prediction=stochastic)
        settings = {"mixed_precision": precision, "accumulation": accumulation, "batch_size": 3, "patience": 50}
        settings |= {"held_out": tone_clips[5:], "validate_every": 1, "checkpoint_every": 3, "steps": steps}
        return start(folder, voice, **settings)

    whole = begin("whole", 4, first_skipped=True)
    whole.run()
    for steps in (1, 2, 4):  # inside the first epoch, at its end, and after it
        torch.manual_seed(steps)  # whatever the new process drew before
        parts = begin("parts", steps, first_skipped=steps == 1)
        assert parts.step < steps
        assert parts.run() is True
    assert_same(weights(parts), weights(whole))
    assert without_times(logged(parts)) == without_times(logged(whole))
    assert [report.step for report in parts.history.steps] == [1, 2, 3, 4]
    assert parts.progress == whole.progress and parts.progress.skipped >= 1
    assert parts.progress.best_score == min(found.mel_distance for found in parts.history.validations)
    assert parts.state.health.state_dict() == whole.state.health.state_dict() != Monitor().state_dict()
    assert parts.history.validations == whole.history.validations
    assert [found.step for found in parts.history.validations] == [0, 1, 2, 3, 4]
    best = [torch.load(trainer.folder / "best.pt") for trainer in (parts, whole)]
    assert best[0]["step"] == best[1]["step"]
    assert_same(best[0]["generator"], best[1]["generator"])


def stop_after(step: int) -> tuple[threading.Event, Callable[[StepReport], None]]:
    stop = threading.Event()
    return stop, lambda entry: stop.set() if entry.step == step else None


def test_stop_leaves_a_checkpoint_of_the_last_whole_step_to_go_on_from(start):
    whole = start("whole")
    whole.run()
    assert whole.best_voice() == (whole.voice, 4)  # nothing says that another is better
    stopped = start("stopped")
    assert stopped.run(*stop_after(2)) is False
    assert load_latest(stopped.folder)["progress"]["step"] == stopped.step == 2
    assert kinds(stopped) == ["stopped"]
    resumed, told = start("stopped"), []
    assert resumed.step == 2
    assert resumed.run(threading.Event(), notify=told.append) is True
    assert kinds(resumed) == ["stopped", "resumed", "done"] and told == resumed.history.events[1:]
    assert_same(weights(resumed), weights(whole))
    again = start("stopped")
    assert again.run() is True  # there is nothing left to do
    assert_same(weights(again), weights(whole))


class Killed(Exception):
    pass


def die_at(step: int):
    def report(entry):
        if entry.step == step:
            raise Killed

    return report


def test_a_training_killed_before_its_first_checkpoint_begins_anew_with_a_log_of_its_own(start, tone_clips):
    killed = start(held_out=tone_clips[5:])
    with pytest.raises(Killed):
        killed.run(report=die_at(1))
    halves = [killed.folder / ".best-0123.pt", killed.folder / "checkpoints" / ".step-000001-0123.pt"]
    halves[1].parent.mkdir()
    for half in halves:
        half.write_bytes(b"half")
    start(held_out=tone_clips[5:]).run()
    resumed = start(held_out=tone_clips[5:])
    assert [found.step for found in resumed.history.validations] == [0, 4]
    assert not any(half.exists() for half in halves)


# --- whose folder it is -------------------------------------------------------------------------------------


def test_another_training_in_the_same_folder_is_an_error_that_names_the_difference(start, make_voice, tone_clips):
    start(steps=1).run()
    other, letters_changed = make_voice(), make_voice()
    with torch.no_grad():
        other.model.decoder.conv_pre.bias += 1
    letters = make_voice().tokenizer.get_vocab()
    letters |= {"a": letters["e"], "e": letters["a"]}
    letters_changed.tokenizer = copy.copy(letters_changed.tokenizer)
    letters_changed.tokenizer.get_vocab = lambda: letters
    for changes, message in (
        ({"eps": 0.5}, r"other settings \(eps\)"),
        (
            {"weights": LossWeights(mel=1.0), "seed": 2, "batch_size": 3},
            r"other settings \(batch_size, seed, weights\)",
        ),
        ({"voice": other}, "another voice"),
        ({"voice": letters_changed}, "other clips or texts"),
        ({"clips": tone_clips[1:6]}, "other clips"),
    ):
        with pytest.raises(TrainingError, match=message):
            start(**changes)


def test_a_second_training_of_a_folder_is_refused_and_the_first_one_goes_on(start):
    first, second, refused = start(), start(), []

    def meanwhile(entry):
        with pytest.raises(
            TrainingError, match=r"Another training is running in .*run\. Wait until it is done"
        ) as error:
            second.run()
        refused.append(error)

    assert first.run(report=meanwhile) and len(refused) == 4
    assert [entry.step for entry in start().history.steps] == [1, 2, 3, 4]
    assert start("another").run()


def test_a_training_that_another_one_has_overtaken_is_refused_and_built_anew_it_goes_on(start):
    overtaken = start()
    start(steps=2).run()
    with pytest.raises(
        TrainingError, match=r"run holds step 2 of another training; this one stands at 0\. Build it anew"
    ):
        overtaken.run()
    assert load_latest(overtaken.folder)["progress"]["step"] == 2
    assert start().run()


def test_audio_settings_that_are_not_the_voices_are_an_error(make_voice, tone_clips, few_steps, tmp_path):
    for changes in ({"sampling_rate": 22_050}, {"hop_length": 128}, {"n_fft": 2048}):
        with pytest.raises(TrainingError, match="Change the audio settings"):
            Trainer(make_voice(), tone_clips, None, few_steps, AudioSettings(**changes), tmp_path)


@pytest.mark.parametrize(("before", "after"), [("no", "fp16"), ("fp16", "bf16")])
def test_a_training_may_go_on_in_another_precision_and_with_another_rate(start, before, after):
    first = start(steps=1, mixed_precision=before)
    first.run()
    other = start(steps=2, mixed_precision=after, learning_rate=1e-5)
    optimizers = [trainer.state.training_step.optimizer_d for trainer in (first, other)]
    assert torch.equal(*(optimizer.state_dict()["state"][0]["exp_avg"] for optimizer in optimizers))
    assert (other.step, other.run()) == (1, True)
    groups = other.state.training_step.optimizer_g.param_groups
    assert [group["lr"] for group in groups] == pytest.approx([1e-5], rel=1e-2)


def test_a_correction_of_a_word_after_the_preparation_changes_neither_the_training_nor_its_resume(start, tone_clips):
    def spoken() -> tuple[list[list[int]], float | None]:
        trainer = start(folder=f"run-{len(own_corrections())}", steps=1, held_out=tone_clips[5:])
        trainer.run()
        return [ids.tolist() for ids in trainer.reader.input_ids], trainer.progress.best_score

    before = spoken()
    start(steps=1).run()
    for word in tone_clips[0].text.split() + tone_clips[5].text.split():
        save_correction(word, "watsap")
    assert spoken() == before
    assert start().step == 1


# --- what is taught when ------------------------------------------------------------------------------------


def test_the_discriminator_waits_for_its_first_step_and_rates_fall_by_the_decay_after_each_epoch(start):
    changes = {"lr_decay": 0.5, "discriminator_learning_rate": 4e-4, "adversarial_from": 2, "steps": 7}
    trainer = start(**changes)
    step, before = trainer.state.training_step, copy.deepcopy(trainer.voice.discriminator.state_dict())
    untouched, rates = [], []

    def look(entry):
        now = trainer.voice.discriminator.state_dict()
        untouched.append(all(torch.equal(before[name], now[name]) for name in before))
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in (step.optimizer_g, step.optimizer_d)])

    trainer.run(report=look)
    assert untouched == [True] * 2 + [False] * 5
    assert [set(entry["terms"]) for entry in logged(trainer)] == [{"mel", "kl", "duration"}] * 2 + [TERMS] * 5
    np.testing.assert_allclose(rates, [(1e-3 * 0.5**epoch, 4e-4 * 0.5**epoch) for epoch in (0, 0, 0, 1, 1, 1, 2)])


@pytest.fixture
def voice_alone(make_voice, monkeypatch):
    """Make a voice that comes without its discriminator."""
    small = make_voice().discriminator.settings
    monkeypatch.setattr(state, "VitsDiscriminator", lambda: VitsDiscriminator(small))
    return lambda: dataclasses.replace(make_voice(), discriminator=None)


def test_a_new_discriminator_learns_alone_at_first_also_over_an_interruption(start, voice_alone, tone_clips):
    changes = {"discriminator_warmup": 2, "held_out": tone_clips[5:], "validate_every": 1}
    with pytest.warns(UserWarning, match="No discriminator was published"):
        trainer = start(voice=voice_alone(), **changes)
    before, moved = weights(trainer), []

    def look(entry):
        now = weights(trainer)
        moved.append({name.split(".")[0] for name in before if not torch.equal(before[name], now[name])})

    stop, _ = stop_after(1)
    trainer.run(report=lambda entry: (look(entry), stop.set()), stop=stop)
    with pytest.warns(UserWarning, match="for the first 2 steps"):
        trainer = start(voice=voice_alone(), **changes)
    trainer.run(report=look)
    assert moved == [{"discriminator"}] * 2 + [{"discriminator", "generator"}] * 2
    assert [report.warming_up for report in trainer.history.steps] == [True, True, False, False]
    # A voice that stands still is not validated: it would use up the patience. Step 2 is the base voice still.
    assert [found.step for found in trainer.history.validations] == [2, 3, 4]
    assert kinds(trainer).count("warm-up") == 2


def test_a_warm_up_must_leave_a_step_for_the_voice_and_a_voice_with_its_discriminator_needs_none(start, voice_alone):
    with pytest.raises(TrainingError, match="discriminator_warmup"):
        start(voice=voice_alone(), discriminator_warmup=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert start(discriminator_warmup=4).progress.warmup == 0


# --- the best voice -----------------------------------------------------------------------------------------


@pytest.fixture
def scores(monkeypatch):
    """Let the validations find these scores, one after the other."""

    def set_scores(*values: float) -> None:
        found = iter(values)
        monkeypatch.setattr(
            "kurdtts_lib.evaluation.validation.Validator.__call__",
            lambda validator, voice, step, folder: Validation(step, next(found), 0.0),
        )

    return set_scores


def test_the_best_voice_is_kept_and_not_the_last_one(start, tone_clips, scores):
    scores(5.0, 3.0, 2.0, 2.5, 2.0)
    trainer = start(held_out=tone_clips[5:], validate_every=1)
    after_two = {}
    trainer.run(report=lambda entry: after_two.update(weights(trainer)) if entry.step == 2 else None)
    voice, step = trainer.best_voice()
    assert (step, trainer.progress.best_score, trainer.progress.stale) == (2, 2.0, 2)
    assert_same(weights(voice), after_two)
    assert any(not torch.equal(after_two[name], value) for name, value in weights(trainer).items())
    assert [event.step for event in trainer.history.events if event.kind == "best"] == [0, 1, 2]


def test_a_better_mean_counts_only_beyond_the_standard_error_of_the_pairs():
    progress = TrainingProgress(step=3)
    assert progress.count_scores([1.0, 2.0, 3.0]) and progress.best_score == 2.0
    # Better by 0.1 in the mean, and by 0.5, 0.1 and -0.3 in pairs: their standard error is 0.23.
    assert not progress.count_scores([0.5, 1.9, 3.3]) and (progress.best_score, progress.stale) == (2.0, 1)
    assert progress.count_scores([0.9, 1.9, 2.9]) and (progress.best_step, progress.stale) == (3, 0)
    assert not progress.count_scores([1.95]) and progress.count_scores([1.8]), "other sentences: means are compared"


def test_patience_ends_the_training_for_good_unless_it_is_raised(start, tone_clips, scores):
    changes = {"held_out": tone_clips[5:], "validate_every": 1}
    scores(1.0, 2.0, 2.0)
    trainer = start(patience=2, **changes)
    assert trainer.run() is True
    assert (trainer.step, trainer.stopped_early, trainer.best_voice()[1]) == (2, True, 0)
    assert "no better voice in 2 validations" in trainer.history.events[-1].text
    again = start(patience=2, **changes)
    assert again.run() is True and again.step == 2
    scores(2.0, 0.5)
    longer = start(patience=4, **changes)
    assert longer.run() is True
    assert (longer.step, longer.best_voice()[1]) == (4, 4)


def test_a_best_voice_that_cannot_be_read_is_an_error_and_deleted_it_is_chosen_anew(start, tone_clips):
    trainer = start(held_out=tone_clips[5:])
    trainer.run()
    (trainer.folder / "best.pt").write_bytes(b"half")
    with pytest.raises(TrainingError, match=r"best\.pt cannot be read.*Delete it"):
        trainer.best_voice()
    (trainer.folder / "best.pt").unlink()
    again = start(held_out=tone_clips[5:])
    again.run()
    assert again.best_voice()[1] == 4


# --- what goes wrong ----------------------------------------------------------------------------------------


def test_steps_with_numbers_that_are_not_finite_are_counted_and_ten_in_a_row_end_it(start, monkeypatch):
    ordinary, calls = TrainingStep.__call__, []

    def broken_after_three(step, batches, **options):
        calls.append(len(calls) + 1)
        if len(calls) not in (1, 3):
            with torch.no_grad():
                batches = [batch._replace(waveforms=batch.waveforms * np.nan) for batch in batches]
        return ordinary(step, batches, **options)

    monkeypatch.setattr(TrainingStep, "__call__", broken_after_three)
    trainer = start(steps=50, checkpoint_every=5)
    third = {}
    with pytest.raises(TrainingError) as raised:
        trainer.run(report=lambda entry: third.update(weights(trainer)) if entry.step == 3 else None)
    message = str(raised.value)
    assert f"checkpoint in {trainer.folder} is whole" in message and "half the learning rate" in message
    assert (trainer.step, trainer.progress.skipped) == (3 + MAX_SKIPPED_IN_A_ROW, 1 + MAX_SKIPPED_IN_A_ROW)
    reasons = [report.skipped for report in trainer.history.steps]
    assert [reason is None for reason in reasons[:3]] == [True, False, True]
    assert "nan" in reasons[1] and logged(trainer)[1]["skipped"] == reasons[1]
    assert logged(trainer)[-1]["terms"]["discriminator"] is None  # JSON knows no NaN
    monkeypatch.undo()
    resumed = start(steps=50, checkpoint_every=5, learning_rate=1e-4)
    assert resumed.step == 10
    assert_same(weights(resumed), third)  # the last step that changed anything
    assert resumed.run(*stop_after(12)) is False and resumed.progress.skipped_in_a_row == 0


def test_weights_that_are_not_finite_never_replace_a_checkpoint(start):
    trainer = start(checkpoint_every=2)

    def spoil(entry):
        if entry.step == 3:
            with torch.no_grad():
                trainer.voice.model.decoder.conv_pre.bias[0] = np.inf
            trainer.settings = dataclasses.replace(trainer.settings, steps=3)

    with pytest.raises(TrainingError, match=r"step 3 weights of the generator are not finite \(decoder"):
        trainer.run(report=spoil)
    assert start(checkpoint_every=2).step == 2


def test_a_voice_whose_sound_is_not_a_number_ends_the_training(start, tone_clips, monkeypatch):
    broken = np.full(16_000, np.nan, np.float32)
    monkeypatch.setattr("kurdtts_lib.evaluation.validation.speak", lambda voice, text, **how: broken)
    with pytest.raises(TrainingError, match="sound is not a number"):
        start(held_out=tone_clips[5:]).run()
