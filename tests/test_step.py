"""The step: one batch in whatever parts gives one update, in the right order, in every precision, or none at all."""

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import two_processes
from plain_step import PlainStep
from tiny import STILL
from torch import Tensor

from kurdtts_lib.audio import levels
from kurdtts_lib.core.training_settings import LossWeights
from kurdtts_lib.vits import generator as generator_module
from kurdtts_lib.vits import losses
from kurdtts_lib.vits import step as step_module
from kurdtts_lib.vits.batches import Batch, collate
from kurdtts_lib.vits.generator import TrainableVits
from kurdtts_lib.vits.step import TrainingStep

SEGMENT = 4096
CPU = SimpleNamespace(device=torch.device("cpu"), num_processes=1)
TERMS = {"mel", "kl", "duration", "generator", "feature_matching", "discriminator"}
SIGNALS = {"rms_db", "real_rms_db", "clipped", "diagonal", "longest", "real_score", "generated_score"}


@pytest.fixture(params=[False, True], ids=["deterministic", "stochastic"])
def stochastic(request) -> bool:
    """Which duration predictor."""
    return request.param


@pytest.fixture
def make_step(make_audible_voice, few_steps, audio):
    """Build the same step at every call. The flow is pushed off its identity, or its inside would learn nothing."""

    def make(stochastic: bool = False, config: dict | None = None, **changes) -> TrainingStep:
        voice = make_audible_voice(use_stochastic_duration_prediction=stochastic, **(config or {}))
        noise = torch.Generator().manual_seed(9)
        with torch.no_grad():
            for flow in voice.model.flow.flows:
                flow.conv_post.weight.normal_(0, 0.1, generator=noise)
        settings = dataclasses.replace(few_steps, **changes)
        return TrainingStep(TrainableVits(voice.model, audio, SEGMENT), voice.discriminator, settings, CPU)

    return make


@pytest.fixture
def batch_of(reader):
    """Build the batch of these clips of six."""

    def build(*indices: int) -> Batch:
        return collate([reader[index] for index in indices])

    return build


@pytest.fixture
def batch(batch_of) -> Batch:
    return batch_of(0, 3, 5)


@pytest.fixture
def no_chance(monkeypatch) -> dict:
    """A voice's config without dropout. No noise, and every slice from the middle of its clip."""
    two_processes.no_chance(monkeypatch.setattr)
    return STILL


def state_of(step: TrainingStep, part: str) -> dict[str, Tensor]:
    """Copies of one half's weights and optimizer state, `part` being `generator` or `discriminator`."""
    module = getattr(step, part)
    optimizer = step.optimizer_g if part == "generator" else step.optimizer_d
    moments = {
        f"{number}.{name}": value
        for number, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    }
    return {name: value.detach().clone() for name, value in {**dict(module.named_parameters()), **moments}.items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[str]:
    assert before.keys() <= after.keys()
    return [name for name in after if name not in before or not torch.equal(before[name], after[name])]


def assert_close(found: TrainingStep, expected: TrainingStep, before: TrainingStep) -> None:
    """Both made the same move from `before`, but for rounding."""
    for part in ("generator", "discriminator"):
        ways = [dict(getattr(step, part).named_parameters()) for step in (found, expected, before)]
        for name in ways[0]:
            a, b, start = (way[name].detach() for way in ways)
            move = (b - start).norm()
            assert move > 0, name
            assert (a - b).norm() <= 2e-3 * move + 1e-7, name


# --- one batch, many parts ------------------------------------------------------------------------------------------

# A large eps keeps Adam's quotient from magnifying the rounding of gradients that are zero but for rounding.
SMOOTH = {"eps": 1e-2, "learning_rate": 1e-2}


@pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 2, 3), (5, 1)])
def test_micro_batches_make_the_update_of_the_whole_batch(make_step, batch_of, no_chance, stochastic, sizes):
    whole, parts, before = (make_step(stochastic, no_chance, **SMOOTH) for _ in range(3))
    ends = np.cumsum(sizes)
    micro = [batch_of(*range(end - size, end)) for end, size in zip(ends, sizes, strict=True)]
    for _ in range(2):
        expected = whole([batch_of(*range(6))])
        found = parts(micro)
        for values in ("terms", "gradient_norms", "signals"):
            assert getattr(found, values) == pytest.approx(getattr(expected, values), rel=1e-3, abs=1e-6), values
        assert found.skipped is expected.skipped is None
    assert set(found.terms) == TERMS and set(found.signals) == SIGNALS
    assert_close(parts, whole, before)


def test_the_second_pass_over_micro_batches_repeats_the_first(make_step, batch_of):
    step = make_step(True, learning_rate=0.0)  # slices, noise and dropout are real, the generator stands still
    forward, passes = step.generator.forward, []
    step.generator.forward = lambda batch: (passes.append(forward(batch)), passes[-1])[1]
    step([batch_of(0, 3), batch_of(1, 2), batch_of(4, 5)])
    assert len(passes) == 6
    for first, second in zip(passes[:3], passes[3:], strict=True):
        for name in ("real", "generated", "kl", "duration", "durations"):
            assert torch.equal(getattr(first, name), getattr(second, name)), name
        assert not first.kl.requires_grad and second.kl.requires_grad
    after = torch.rand(3)
    torch.manual_seed(0)
    with torch.no_grad():
        for part in (batch_of(0, 3), batch_of(1, 2), batch_of(4, 5)):
            forward(part)
    assert torch.equal(torch.rand(3), after), "the random numbers are not where a single pass leaves them"


# --- the plain training ---------------------------------------------------------------------------------------------


def test_three_steps_are_those_of_the_plain_training(make_step, batch, no_chance, stochastic):
    """Of notebook 4, which promises it."""
    changes = {
        **SMOOTH,
        "discriminator_learning_rate": 2e-2,
        "weights": LossWeights(5.0, 1.5, 2.0, 3.0, 4.0, 0.5),
        "gradient_clip": 20.0,  # clips the generator only
    }
    step, plain, before = (make_step(stochastic, no_chance, **changes) for _ in range(3))
    by_hand = PlainStep(plain.generator.train(), plain.discriminator, plain.settings)
    by_hand.optimizers[1].param_groups[0]["lr"] = changes["discriminator_learning_rate"]
    for _ in range(3):
        outcome = step([batch])
        by_hand(batch)
    assert outcome.gradient_norms["generator"] > 20 > outcome.gradient_norms["discriminator"]
    assert outcome.terms == pytest.approx(by_hand.terms, rel=1e-3)
    assert_close(step, plain, before)


def test_signals_are_those_of_the_slices_and_the_path(make_step, batch, no_chance):
    step = make_step(False, no_chance, learning_rate=0.0, discriminator_learning_rate=0.0)
    found = step([batch]).signals
    with torch.no_grad():
        outputs = step.generator(batch)
        scores = [[s.mean().item() for s in step.discriminator(x)[0]] for x in (outputs.real, outputs.generated)]
    generated = outputs.generated.numpy()
    assert found["rms_db"] == pytest.approx(levels.rms_db(generated), rel=1e-4)
    assert found["real_rms_db"] == pytest.approx(levels.rms_db(outputs.real.numpy()), rel=1e-4)
    assert found["clipped"] == pytest.approx((np.abs(generated) > 0.99).mean())
    assert [found["real_score"], found["generated_score"]] == pytest.approx(np.mean(scores, axis=1), rel=1e-4)
    longest = (outputs.durations.amax(1) / batch.frame_lengths).mean().item()
    assert found["longest"] == pytest.approx(longest) and 0 < found["diagonal"] < 0.5


# --- stages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 2])
def test_while_warming_up_only_the_discriminator_learns(make_step, batch_of, monkeypatch, parts):
    step, batches = make_step(), [batch_of(0, 1), batch_of(2)][:parts]
    before = {part: state_of(step, part) for part in ("generator", "discriminator")}
    step.generator.eval()  # as a voice that has just spoken, and learns with dropout again
    outcome = step(batches, generator_learns=False)
    assert all(module.training for module in step.generator.modules())
    assert set(outcome.terms) == {"discriminator", "kl", "duration"}
    assert set(outcome.gradient_norms) == {"discriminator"}
    assert set(outcome.signals) == SIGNALS and outcome.skipped is None
    assert changed(before["generator"], state_of(step, "generator")) == []
    learnt = changed(before["discriminator"], state_of(step, "discriminator"))
    assert set(dict(step.discriminator.named_parameters())) <= set(learnt)
    spoil(step, monkeypatch, "discriminator")
    assert step(batches, generator_learns=False).skipped == "discriminator: loss discriminator is nan"


def test_without_the_adversary_only_the_generator_learns(make_step, batch_of, no_chance):
    whole, parts = make_step(False, no_chance), make_step(False, no_chance)
    before = state_of(whole, "discriminator")
    found = whole([batch_of(0, 1, 2)], adversarial=False)
    assert set(found.terms) == {"mel", "kl", "duration"} and set(found.gradient_norms) == {"generator"}
    assert set(found.signals) == SIGNALS - {"real_score", "generated_score"}
    assert changed(before, state_of(whole, "discriminator")) == []
    in_parts = parts([batch_of(0, 1), batch_of(2)], adversarial=False)
    assert in_parts.terms == pytest.approx(found.terms, rel=1e-4)
    assert in_parts.gradient_norms == pytest.approx(found.gradient_norms, rel=1e-3)


# --- precision ------------------------------------------------------------------------------------------------------

PRECISIONS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_learns_in_one_process_after_the_other(make_step, batch_of, precision):
    step = make_step(True, mixed_precision=precision)
    outcomes = [step([batch_of(0, 3)]) for _ in range(12)]
    learnt = [outcome for outcome in outcomes if not outcome.skipped]
    assert len(learnt) >= (8 if precision == "fp16" else 12)
    for found in learnt:
        assert np.isfinite([*found.terms.values(), *found.gradient_norms.values(), *found.signals.values()]).all()
    for name in ("kl", "discriminator"):
        assert learnt[-1].terms[name] < 0.95 * learnt[0].terms[name], name
    assert all(parameter.dtype == torch.float32 for parameter in step.generator.parameters())
    assert all((outcome.loss_scale is None) == (precision != "fp16") for outcome in outcomes)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_what_overflows_is_computed_in_float32(make_step, batch, monkeypatch, precision):
    step = make_step(True, mixed_precision=precision)
    seen: dict[str, torch.dtype] = {}
    for name, module in (
        ("decoder", step.generator.model.decoder.conv_pre),
        ("discriminator", step.discriminator.discriminators[0].conv_post),
        ("flow", step.generator.model.flow.flows[1].conv_pre),
        ("duration predictor", step.generator.model.duration_predictor.conv_pre),
    ):
        module.register_forward_hook(lambda _, __, result, name=name: seen.update({name: result.dtype}))
    search = generator_module.prior_log_likelihood

    def noted(*args: Tensor) -> Tensor:
        seen["search"] = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype  # that of matrix products here and now
        return search(*args)

    monkeypatch.setattr(generator_module, "prior_log_likelihood", noted)
    step([batch])
    low = dict.fromkeys(("decoder", "discriminator"), PRECISIONS[precision])
    assert seen == low | dict.fromkeys(("flow", "duration predictor", "search"), torch.float32)


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.05), ("fp16", 0.01)])
def test_low_precision_is_near_float32(make_step, batch, no_chance, monkeypatch, precision, tolerance):
    monkeypatch.setattr(step_module, "FIRST_LOSS_SCALE", 32.0)  # so low that the very first step learns
    # Without the processor's own kernels for low precision, whose rounding differs from machine to machine.
    with torch.backends.mkldnn.flags(enabled=False):
        exact = make_step(True, no_chance)([batch])
        found = make_step(True, no_chance, mixed_precision=precision)([batch])
    assert found.skipped is None
    assert found.terms == pytest.approx(exact.terms, rel=tolerance)
    assert found.gradient_norms == pytest.approx(exact.gradient_norms, rel=0.1)


# --- what is not finite ---------------------------------------------------------------------------------------------


def spoil(step: TrainingStep, monkeypatch, what: str) -> None:
    """Make one thing of the coming steps not finite."""
    if what.endswith("gradient"):
        parameter = next(getattr(step, what.split()[0]).parameters())
        parameter.register_hook(lambda gradient: gradient * torch.inf)
        return
    if what == "sound":
        forward = step.generator.forward
        monkeypatch.setattr(
            step.generator, "forward", lambda batch: (out := forward(batch))._replace(generated=out.generated * np.nan)
        )
        return
    module, name = (step_module, "mel_term") if what == "mel" else (losses, f"{what.split()[0]}_loss")
    original = getattr(module, name)
    # An infinity that is added leaves the gradient finite.
    spoilt = (lambda loss: loss + np.inf) if "overflow" in what else (lambda loss: loss * np.nan)
    monkeypatch.setattr(module, name, lambda *args: spoilt(original(*args)))


@pytest.mark.parametrize(
    ("precision", "parts"), [("no", 1), pytest.param("no", 2, marks=pytest.mark.slow), ("fp16", 1)]
)
@pytest.mark.parametrize(
    ("what", "skipped"),
    [
        ("mel", "generator: loss mel is nan"),
        ("generator gradient", "generator: gradient norm is (nan|inf)"),
        ("kl", "discriminator and generator: loss kl is nan"),
        ("kl overflow", "discriminator and generator: loss kl is inf"),
        ("sound", "discriminator and generator: loss discriminator is nan"),
        ("discriminator gradient", "discriminator and generator: gradient norm is (nan|inf)"),
    ],
)
def test_a_half_that_is_not_finite_changes_nothing_and_says_so(
    make_step, batch_of, monkeypatch, precision, parts, what, skipped
):
    step = make_step(mixed_precision=precision)
    batches = [batch_of(0, 3), batch_of(5)][:parts]
    while step(batches).skipped:  # fp16 finds its scale, and the optimizers get a state to lose
        pass
    before = {part: state_of(step, part) for part in ("generator", "discriminator")}
    scale = step.scaler.get_scale()
    spoil(step, monkeypatch, what)
    outcome = step(batches)
    assert outcome.skipped is not None
    assert re.fullmatch(skipped, outcome.skipped), outcome.skipped
    for part in ("generator", "discriminator"):
        assert (changed(before[part], state_of(step, part)) == []) == (part in skipped.split(":")[0]), part
    for module in (step.generator, step.discriminator):
        assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())
    expected = scale if "kl" in what else scale / 2  # the gradients of the D step are finite: the scale is not at fault
    assert outcome.loss_scale == (expected if precision == "fp16" else None)
    monkeypatch.undo()
    if precision == "no" and "gradient" not in what:  # the next step is an ordinary one
        after = step(batches)
        assert after.skipped is None and set(after.terms) == TERMS
