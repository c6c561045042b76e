"""The trainer: the same result however often it is interrupted, clean gradients, and honest errors."""

import copy
import dataclasses
import json
import random
import threading
import warnings

import numpy as np
import pytest
import soundfile
import torch

from kurdtts_lib.errors import TrainingError
from kurdtts_lib.settings import AudioSettings, LossWeights
from kurdtts_lib.vits import training
from kurdtts_lib.vits.checkpoint import load_checkpoint, random_state, restore_random_state, save_checkpoint
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.training import Trainer

TERMS = {"mel", "kl", "duration", "generator", "feature_matching", "discriminator"}


@pytest.fixture
def start(make_voice, tone_clips, few_steps, audio, tmp_path):
    """Build a trainer, as a new process would, in a folder of that name: the untrained voice and five clips."""

    def build(folder: str = "run", voice=None, clips=tuple(tone_clips[:5]), held_out=(), **changes) -> Trainer:
        return Trainer(
            voice or make_voice(),
            clips,
            held_out,
            dataclasses.replace(few_steps, **changes),
            audio,
            tmp_path / folder,
        )

    return build


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    parts = {"generator": trainer.voice.model, "discriminator": trainer.voice.discriminator}
    return {f"{part}.{name}": value.clone() for part, m in parts.items() for name, value in m.state_dict().items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def logged(trainer: Trainer) -> list[dict]:
    lines = (trainer.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def losses_of(entries: list[dict]) -> list[tuple]:
    return [(entry["step"], entry["epoch"], entry["terms"]) for entry in entries]


def test_a_training_changes_every_weight_and_reports_every_term(start):
    trainer = start()
    before = weights(trainer)
    reports = []
    assert trainer.run(report=reports.append) is True
    after = weights(trainer)
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    assert [report.step for report in reports] == [1, 2, 3, 4]
    assert [report.epoch for report in reports] == [0, 0, 0, 1]  # five clips are three batches of two
    assert all(set(report.terms) == TERMS for report in reports)
    assert [dataclasses.asdict(report) for report in reports] == logged(trainer)


@pytest.mark.parametrize("stochastic", [False, True])
def test_an_interrupted_training_ends_with_the_very_same_weights(start, make_voice, stochastic):
    def voice():
        return make_voice(use_stochastic_duration_prediction=stochastic)

    whole = start("whole", voice())
    whole.run()
    for steps in (1, 3, 4):  # inside the first epoch, at its end, and after it
        torch.manual_seed(steps)  # whatever the new process drew before
        np.random.seed(steps)
        parts = start("parts", voice(), steps=steps)
        assert parts.step < steps
        assert parts.run() is True
    assert_same(weights(parts), weights(whole))
    assert losses_of(logged(parts)) == losses_of(logged(whole))
    assert [report.step for report in parts.history] == [1, 2, 3, 4]


def test_validating_and_saving_more_often_changes_nothing_that_is_learnt(start, tone_clips):
    rarely = start("rarely")
    rarely.run()
    often = start("often", held_out=tone_clips[5:], validate_every=2, checkpoint_every=1)
    often.run()
    assert_same(weights(often), weights(rarely))


def test_stop_leaves_a_checkpoint_of_the_last_whole_step_to_go_on_from(start):
    whole = start("whole")
    whole.run()
    stop = threading.Event()
    stopped = start("stopped")
    done = stopped.run(stop, report=lambda entry: stop.set() if entry.step == 2 else None)
    assert done is False
    assert load_checkpoint(stopped.folder / "checkpoint.pt")["step"] == stopped.step == 2
    resumed = start("stopped")
    assert resumed.step == 2
    assert resumed.run(threading.Event()) is True
    assert_same(weights(resumed), weights(whole))


def test_a_finished_training_can_be_opened_again_and_lengthened(start):
    trainer = start(steps=2)
    trainer.run()
    again = start(steps=2)
    assert again.run() is True
    assert_same(weights(again), weights(trainer))
    assert start(steps=3).run() is True


class Killed(Exception):
    pass


def die_at(step: int):
    def report(entry):
        if entry.step == step:
            raise Killed

    return report


def test_the_log_holds_each_step_once_after_dying_beyond_the_last_checkpoint(start):
    whole = start("whole")
    whole.run()
    dying = start("died", checkpoint_every=2)
    with pytest.raises(Killed):
        dying.run(report=die_at(3))
    assert [entry["step"] for entry in logged(dying)] == [1, 2, 3]
    resumed = start("died", checkpoint_every=2)
    assert resumed.step == 2
    resumed.run()
    assert losses_of(logged(resumed)) == losses_of(logged(whole))
    assert_same(weights(resumed), weights(whole))


def test_a_log_that_ends_in_half_a_line_can_be_resumed_wherever_it_was_cut(start):
    trainer = start(steps=2)
    trainer.run()
    log = trainer.folder / "log.jsonl"
    whole = log.read_text(encoding="utf-8")
    third = whole.splitlines()[1].replace('"step": 2', '"step": 3')
    after_braces = [place + 1 for place, character in enumerate(third[:-1]) if character == "}"]
    assert after_braces
    for length in (1, len(third) // 2, *after_braces, len(third) - 1):
        log.write_text(whole + third[:length], encoding="utf-8", newline="\n")
        trainer._resume_log()
        assert [report.step for report in trainer.history] == [1, 2]
        assert log.read_text(encoding="utf-8") == whole


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"eps": 0.5}, "eps"),
        ({"weights": LossWeights(mel=1.0), "seed": 2}, "seed, weights"),
        ({"batch_size": 3}, "batch_size"),
    ],
)
def test_other_settings_in_the_same_folder_are_an_error_that_names_them(start, changes, named):
    start(steps=1).run()
    with pytest.raises(TrainingError, match=rf"other settings \({named}\)"):
        start(**changes)


def test_a_training_may_go_on_with_another_learning_rate(start):
    start(steps=1).run()
    slower = start(learning_rate=1e-5)
    slower.run()
    assert [group["lr"] for group in slower.optimizer_g.param_groups] == pytest.approx([1e-5], rel=1e-2)


def test_another_base_voice_of_the_same_shape_in_the_same_folder_is_an_error(start, make_voice):
    start(steps=1).run()
    other = make_voice()
    with torch.no_grad():
        other.model.decoder.conv_pre.bias += 1
    with pytest.raises(TrainingError, match="another voice"):
        start(voice=other)


def test_other_clips_in_the_same_folder_are_an_error(start, tone_clips):
    start(steps=1).run()
    with pytest.raises(TrainingError, match="other clips"):
        start(clips=tone_clips[1:6])


def test_another_voice_in_the_same_folder_is_an_error(start, make_voice):
    start(steps=1).run()
    with pytest.raises(TrainingError, match="run"):
        start(voice=make_voice(prior_encoder_num_flows=4))


def damaged_versions(whole: bytes) -> dict[str, bytes]:
    middle = len(whole) // 2
    return {
        "empty": b"",
        "cut at the start": whole[:100],
        "cut in the middle": whole[:middle],
        "cut at the end": whole[:-1],
        "zeros": bytes(len(whole)),
        "text": b"this is not a checkpoint",
        "noise": np.random.default_rng(0).bytes(3000),
        "zeros in a weight": whole[: middle - 200] + bytes(400) + whole[middle + 200 :],
        "zeros at the start": bytes(2000) + whole[2000:],
        "zeros in the first entry": whole[:80] + bytes(100) + whole[180:],
    }


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 7, "weight": torch.randn(5000), "random": random_state()})
    return path


def test_a_checkpoint_comes_back_as_it_was_saved(checkpoint):
    state = load_checkpoint(checkpoint)
    assert state["step"] == 7
    assert state["weight"].std() > 0.9


@pytest.mark.parametrize("damage", list(damaged_versions(b"")))
def test_a_damaged_checkpoint_is_an_error_that_names_it_and_says_what_to_do(checkpoint, damage):
    whole = checkpoint.read_bytes()
    damaged = damaged_versions(whole)[damage]
    assert damaged != whole
    checkpoint.write_bytes(damaged)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt .*Delete it"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("content", [{"format": 0, "step": 1}, [1, 2], {"step": 1}])
def test_a_checkpoint_of_another_version_is_an_error(checkpoint, content):
    torch.save(content, checkpoint)
    with pytest.raises(TrainingError, match="not a checkpoint of this version"):
        load_checkpoint(checkpoint)


def test_a_checkpoint_that_would_run_code_is_refused(checkpoint):
    torch.save({"format": 1, "step": print}, checkpoint)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt"):
        load_checkpoint(checkpoint)


def test_a_training_in_a_folder_with_a_damaged_checkpoint_does_not_begin(start):
    trainer = start(steps=1)
    trainer.run()
    checkpoint = trainer.folder / "checkpoint.pt"
    half = checkpoint.read_bytes()[: checkpoint.stat().st_size // 2]
    checkpoint.write_bytes(half)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt"):
        start()
    assert checkpoint.read_bytes() == half


def test_saving_that_fails_keeps_the_last_checkpoint(start, monkeypatch):
    trainer = start(steps=1)
    trainer.run()

    def half_written(state, path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half_written)
    with pytest.raises(OSError, match="disk full"):
        trainer.save()
    monkeypatch.undo()
    assert start(steps=1).step == 1
    assert {path.name for path in trainer.folder.iterdir()} >= {"checkpoint.pt", "log.jsonl", "settings.json"}
    assert not list(trainer.folder.glob(".*"))


def test_the_discriminator_learns_from_its_own_loss_alone(start, monkeypatch):
    # With a still generator its updates must be the same with and without the generator's half between them.
    still = {"learning_rate": 0.0, "discriminator_learning_rate": 1e-3, "steps": 3}
    both = start("both", **still)
    untrained = weights(both)
    both.run()
    alone = start("alone", **still)
    monkeypatch.setattr(alone, "_adversarial_terms", lambda real, generated: {})
    alone.run()
    found, expected = weights(both), weights(alone)
    assert_same(found, expected)
    moved = {name.split(".")[0] for name in untrained if not torch.equal(untrained[name], found[name])}
    assert moved == {"discriminator"}


def test_the_discriminator_waits_for_its_first_step(start):
    trainer = start(adversarial_from=2, steps=3)
    before = copy.deepcopy(trainer.voice.discriminator.state_dict())
    untouched = []

    def look(entry):
        state = trainer.voice.discriminator.state_dict()
        untouched.append(all(torch.equal(before[name], state[name]) for name in before))

    trainer.run(report=look)
    assert untouched == [True, True, False]
    assert [set(entry["terms"]) for entry in logged(trainer)] == [{"mel", "kl", "duration"}] * 2 + [TERMS]


def test_rates_fall_by_the_decay_after_each_epoch(start):
    trainer = start(lr_decay=0.5, discriminator_learning_rate=4e-4, steps=7)
    seen = []

    def look(entry):
        seen.append((trainer.optimizer_g.param_groups[0]["lr"], trainer.optimizer_d.param_groups[0]["lr"]))

    trainer.run(report=look)
    expected = [(1e-3 * 0.5**epoch, 4e-4 * 0.5**epoch) for epoch in (0, 0, 0, 1, 1, 1, 2)]
    np.testing.assert_allclose(seen, expected)


def test_the_step_takes_the_weighted_sum_of_the_losses(start, monkeypatch):
    trainer = start(steps=1, weights=LossWeights(35.0, 1.5, 2.0, 3.0, 4.0, 5.0))
    totals = []
    backward = trainer.accelerator.backward
    monkeypatch.setattr(trainer.accelerator, "backward", lambda loss: (totals.append(loss.item()), backward(loss)))
    trainer.run()
    terms = trainer.history[0].terms
    weighted = (
        35 * terms["mel"]
        + 1.5 * terms["kl"]
        + 2 * terms["duration"]
        + 3 * terms["generator"]
        + 4 * terms["feature_matching"]
    )
    assert totals == pytest.approx([5 * terms["discriminator"], weighted], rel=1e-5)


def test_validation_speaks_the_held_out_sentence_and_measures_it(start, tone_clips, audio):
    trainer = start(held_out=tone_clips[5:], steps=3, validate_every=2)
    trainer.run()
    demos = sorted(path.name for path in (trainer.folder / "demos").iterdir())
    assert demos == ["step-000002-1.wav", "step-000003-1.wav"]
    samples, rate = soundfile.read(trainer.folder / "demos" / demos[0])
    assert rate == audio.sampling_rate and len(samples) >= 256
    assert trainer.history[0].validation is None
    for report in trainer.history[1:]:
        assert set(report.validation) == {"mel_distance", "loudness_difference_db"}
        assert report.validation["mel_distance"] > 0


def test_a_loss_that_is_not_a_number_stops_the_training_and_keeps_the_checkpoint(start, monkeypatch):
    trainer = start(checkpoint_every=2)
    real_term = training.mel_term
    monkeypatch.setattr(
        training, "mel_term", lambda outputs, audio: real_term(outputs, audio) * (np.nan if trainer.step == 2 else 1)
    )
    with pytest.raises(TrainingError, match=r"not a number at step 2 .*mel nan.*checkpoint is whole"):
        trainer.run()
    monkeypatch.undo()
    assert start(checkpoint_every=2).step == 2


def test_gradients_are_clipped_at_the_setting(start, monkeypatch):
    trainer = start(steps=1, gradient_clip=1e-3)
    norms = []
    for module, optimizer in ((trainer.generator, trainer.optimizer_g), (trainer.discriminator, trainer.optimizer_d)):

        def step(module=module, original=optimizer.step):
            norms.append(torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None]).norm().item())
            original()

        monkeypatch.setattr(optimizer, "step", step)
    trainer.run()
    assert norms == pytest.approx([1e-3, 1e-3], rel=1e-2)


@pytest.mark.parametrize("changes", [{"sampling_rate": 22_050}, {"hop_length": 128}, {"n_fft": 2048}])
def test_audio_settings_that_are_not_the_voices_are_an_error(make_voice, tone_clips, few_steps, tmp_path, changes):
    with pytest.raises(TrainingError, match="Change the audio settings"):
        Trainer(make_voice(), tone_clips, [], few_steps, AudioSettings(**changes), tmp_path)


def test_a_voice_without_a_discriminator_gets_a_new_one_and_a_warning(start, make_voice, monkeypatch):
    small = make_voice().discriminator.settings
    monkeypatch.setattr(training, "VitsDiscriminator", lambda: VitsDiscriminator(small))
    voice = make_voice()
    voice.discriminator = None
    with pytest.warns(UserWarning, match="No discriminator was published"):
        start(voice=voice)
    assert isinstance(voice.discriminator, VitsDiscriminator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start("other")


def test_random_states_come_back_exactly():
    def draw():
        return torch.rand(3).tolist(), np.random.normal(size=3).tolist(), random.random(), random.gauss(0, 1)

    draw()
    state = random_state()
    first = draw()
    assert draw() != first
    restore_random_state(state)
    assert draw() == first
