"""One training step: the D step, then the G step against the updated discriminator."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, reduce
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, parameters_to_vector, parametrize, vector_to_parameters

from kurdtts_lib.core.settings import TrainingSettings
from kurdtts_lib.vits import losses, winograd
from kurdtts_lib.vits.batches import Batch, Losses, MicroBatch, micro_batches_of
from kurdtts_lib.vits.checkpoint import random_state, restore_random_state
from kurdtts_lib.vits.diagnostics import in_decibels, step_diagnostics
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.generator import GeneratorOutputs, TrainableVits, mel_term
from kurdtts_lib.vits.optimised_ops import OptimisedOps

AUTOCAST_TYPES = {"no": None, "fp16": torch.float16, "bf16": torch.bfloat16}
FIRST_LOSS_SCALE = 2.0**10
"""fp16 settles near 2**8 here, because the loss weights are large; torch's default of 2**16 would skip eight steps."""


class StepOutcome(NamedTuple):
    """Results of one step, over the whole batch: all micro-batches of all processes."""

    terms: dict[str, float]
    """The unweighted losses by name, those that were computed."""
    gradient_norms: dict[str, float]
    """`generator` and `discriminator`, before clipping."""
    skipped: str | None
    """None, or which module was not updated and why: `generator: loss mel is nan`."""
    loss_scale: float | None
    """The loss scale of fp16 after this step; None in other precisions."""
    signals: dict[str, float]
    """`rms_db` and `real_rms_db` (dB of full scale), `clipped` (share of samples), `diagonal`, `longest`; with
    the discriminator also `real_score` and `generated_score`. See `diagnostics.py` for the definitions."""


class UpdateOutcome(NamedTuple):
    """Results of the D step or the G step, over the whole batch."""

    means: dict[str, float]
    """Losses and diagnostics."""
    gradient_norm: float
    fault: str
    """Losses or gradient norm that were not finite. If there are any, the weights were not updated."""


class TrainingStep:
    """One update of the discriminator and one of the generator from one batch.

    Owns both optimizers and the precision. `DistributedDataParallel` is not used: it averages over processes, which is
    not the mean over the joint batch, and it does not support the G step's pass through a frozen discriminator.
    Gradients are summed here instead.
    """

    def __init__(
        self,
        generator: TrainableVits,
        discriminator: VitsDiscriminator,
        settings: TrainingSettings,
        state: PartialState,
    ) -> None:
        """Moves both modules to the process's device."""
        self.settings, self.state = settings, state
        self._weights = dataclasses.asdict(settings.weights)
        self.generator = generator.to(state.device)
        self.discriminator = discriminator.to(state.device)
        for name, parameter in self.generator.model.named_parameters():
            parameter.requires_grad_(not name.startswith(settings.frozen))
        self._autocast_type = AUTOCAST_TYPES[settings.mixed_precision]
        in_fp16 = self._autocast_type is torch.float16
        self.scaler = torch.amp.GradScaler(state.device.type, init_scale=FIRST_LOSS_SCALE, enabled=in_fp16)
        pays = winograd.pays(state.device, self.generator, self.discriminator)
        self._convolutions = winograd.Convolutions if pays else contextlib.nullcontext
        rate_g, rate_d = settings.learning_rate, settings.discriminator_learning_rate
        self.base_rates = (rate_g, rate_g if rate_d is None else rate_d)
        self.optimizer_g = self._optimizer(self.generator, self.base_rates[0])
        self.optimizer_d = self._optimizer(self.discriminator, self.base_rates[1])
        for module in (self.generator, self.discriminator):  # each process may have initialised them differently
            broadcast(module.state_dict())

    def _optimizer(self, module: nn.Module, rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            [parameter for parameter in module.parameters() if parameter.requires_grad],
            lr=rate,
            betas=self.settings.betas,
            eps=self.settings.eps,
            weight_decay=self.settings.weight_decay,
            fused=True,
        )

    def __call__(
        self, batches: Sequence[Batch], *, adversarial: bool = True, generator_learns: bool = True
    ) -> StepOutcome:
        """Learn from this process's micro-batches, which may be on any device.

        A D or G step whose loss or gradient is not finite is skipped: weights and optimizer stay unchanged, on all
        processes alike, and `StepOutcome.skipped` says why. If the D step is skipped, so is the G step, because the
        discriminator was not updated. Without `adversarial` only the G step runs, without adversarial losses; without
        `generator_learns` only the D step runs.
        """
        self.generator.train()
        with OptimisedOps(), self._convolutions():
            return self._step(micro_batches_of(batches, self.state), adversarial, generator_learns)

    def _step(self, micro_batches: Sequence[MicroBatch], adversarial: bool, generator_learns: bool) -> StepOutcome:
        updates: dict[str, UpdateOutcome] = {}
        skipped = None
        # A single micro-batch's graph is kept for the G step. Those of several would take several times the memory:
        # the G step repeats their forward passes, with the same slices and noise.
        single = len(micro_batches) == 1
        kept = self._outputs(micro_batches[0], graph=generator_learns) if single else None
        if adversarial:
            before = random_state()
            update = updates["discriminator"] = self._discriminator_step(micro_batches, kept)
            if generator_learns:
                restore_random_state(before)
            if update.fault:
                skipped = f"discriminator{' and generator' if generator_learns else ''}: {update.fault}"
        if generator_learns and not skipped:
            update = updates["generator"] = self._generator_step(micro_batches, kept, adversarial)
            if update.fault:
                skipped = f"generator: {update.fault}"
        self.scaler.update()
        means = {name: value for update in updates.values() for name, value in update.means.items()}
        return StepOutcome(
            terms={name: means.pop(name) for name in self._weights if name in means},
            gradient_norms={name: update.gradient_norm for name, update in updates.items()},
            skipped=skipped,
            loss_scale=self.scaler.get_scale() if self.scaler.is_enabled() else None,
            signals=in_decibels(means),
        )

    def set_rates(self, factor: float) -> None:
        """Set both optimizers' learning rates to `factor` times the settings'."""
        for optimizer, rate in zip((self.optimizer_g, self.optimizer_d), self.base_rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def state_dict(self) -> dict[str, Any]:
        """The state of both optimizers and of the loss scale; not the weights, which the caller saves."""
        return {
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned. If it is not of fp16, the loss scale stays unchanged."""
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])

    # --- D step and G step ----------------------------------------------------------------------------------

    def _discriminator_step(self, micro_batches: Sequence[MicroBatch], kept: GeneratorOutputs | None) -> UpdateOutcome:
        """kept: the generator's outputs for the single micro-batch."""

        def backward(micro_batch: MicroBatch) -> Losses:
            outputs = kept or self._outputs(micro_batch, graph=False)
            found = self._discriminator_backward(micro_batch, outputs.real, outputs.generated.detach())
            # If the generator's own losses are not finite, its output must not train the discriminator either.
            own = {"kl": outputs.kl, "duration": outputs.duration}
            return {**found, **own, **step_diagnostics(micro_batch.batch, outputs)}

        return self._update(self.discriminator, self.optimizer_d, micro_batches, backward)

    def _generator_step(
        self, micro_batches: Sequence[MicroBatch], kept: GeneratorOutputs | None, adversarial: bool
    ) -> UpdateOutcome:
        """kept: as in the D step, with their graph."""

        def backward(micro_batch: MicroBatch) -> Losses:
            outputs = kept or self._outputs(micro_batch)
            terms = {"mel": mel_term(outputs, self.generator.audio), "kl": outputs.kl, "duration": outputs.duration}
            if self._weights["stft"]:
                terms["stft"] = losses.stft_loss(outputs.real.squeeze(1), outputs.generated.squeeze(1))
            total = self._scaled_loss(micro_batch, terms)
            if not adversarial:
                total.backward()
                return terms | step_diagnostics(micro_batch.batch, outputs)
            adversarial_terms, gradient = self._adversarial_backward(micro_batch, outputs)
            torch.autograd.backward([total, outputs.generated], [None, gradient])
            return {**terms, **adversarial_terms}

        return self._update(self.generator, self.optimizer_g, micro_batches, backward)

    def _outputs(self, micro_batch: MicroBatch, graph: bool = True) -> GeneratorOutputs:
        with torch.set_grad_enabled(graph), self._autocast():
            return self.generator(micro_batch.batch)

    def _scaled_loss(self, micro_batch: MicroBatch, terms: Losses) -> Tensor:
        """The scalar to differentiate: this micro-batch's share of the whole batch's weighted loss."""
        shares = micro_batch.weighted(terms)
        return self.scaler.scale(torch.stack([self._weights[name] * share for name, share in shares.items()]).sum())

    # Both steps process one sub-discriminator at a time, forward and backward: the loss is a sum over them, and only
    # one's hidden layers are in memory.

    def _discriminator_backward(self, micro_batch: MicroBatch, real: Tensor, generated: Tensor) -> Losses:
        """Accumulates the discriminator's gradients; real and generated slices pass it as one batch.

        Returns the loss and the mean scores.
        """
        both, computed = torch.cat([real, generated]), []
        count = len(self.discriminator.discriminators)
        for sub_discriminator in self.discriminator.discriminators:
            with self._autocast():
                real_scores, scores = sub_discriminator(both)[-1].chunk(2)
            terms = {"discriminator": losses.discriminator_loss(real_scores, scores)}
            self._scaled_loss(micro_batch, terms).backward()
            means = {"real_score": real_scores.float().mean() / count, "generated_score": scores.float().mean() / count}
            computed.append({name: value.detach() for name, value in (terms | means).items()})
        return summed(computed)

    def _adversarial_backward(self, micro_batch: MicroBatch, outputs: GeneratorOutputs) -> tuple[Losses, Tensor]:
        """The adversarial losses and their scaled gradient at the generated slices, (batch, 1, samples)."""
        generated = outputs.generated.detach().requires_grad_()
        computed = []
        # Frozen: the G step must not add to the discriminator's gradients, and computing them would cost time.
        self.discriminator.requires_grad_(False)
        try:
            for sub_discriminator in self.discriminator.discriminators:
                with self._autocast(), parametrize.cached():  # weight norm once for both passes
                    with torch.no_grad():
                        real_features = sub_discriminator(outputs.real)
                    features = sub_discriminator(generated)
                terms = {
                    "generator": losses.generator_loss(features[-1]),
                    "feature_matching": losses.feature_matching_loss(real_features, features),
                }
                self._scaled_loss(micro_batch, terms).backward()
                computed.append({name: term.detach() for name, term in terms.items()})
        finally:
            self.discriminator.requires_grad_(True)
        assert generated.grad is not None
        return summed(computed), generated.grad

    def _update(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        micro_batches: Sequence[MicroBatch],
        backward: Callable[[MicroBatch], Losses],
    ) -> UpdateOutcome:
        """Update the module from all micro-batches; if a loss or gradient is not finite, only drop the gradients.

        backward: adds the gradients of a micro-batch's share to the parameters; returns its losses and diagnostics.
        """
        own = summed(micro_batch.weighted(backward(micro_batch)) for micro_batch in micro_batches)
        parameters = [parameter for parameter in module.parameters() if parameter.grad is not None]
        if self.state.num_processes > 1:  # in one flat buffer: one message instead of hundreds
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            vector_to_parameters(reduce(parameters_to_vector(gradients), "sum"), gradients)
        self.scaler.unscale_(optimizer)
        norm = clip_grad_norm_(parameters, self.settings.gradient_clip)
        # The step's only transfer from the device; equal on all processes, so all decide alike.
        *values, gradient_norm = torch.cat([reduce(torch.stack([*own.values()]), "sum"), norm.view(1)]).tolist()
        means = dict(zip(own, values, strict=True))
        faults = [f"loss {name} is {means[name]}" for name in self._weights if not math.isfinite(means.get(name, 0.0))]
        if not faults and not math.isfinite(gradient_norm):
            faults = [f"gradient norm is {gradient_norm}"]
        if not faults:
            optimizer.step()
        # Directly after the update: the gradients of both modules are never in memory together.
        optimizer.zero_grad(set_to_none=True)
        return UpdateOutcome(means, gradient_norm, ", ".join(faults))

    # --- precision ------------------------------------------------------------------------------------------

    def _autocast(self) -> torch.autocast:
        # A new context for each pass: autocast caches cast weights, which an update would make stale.
        enabled = self._autocast_type is not None
        return torch.autocast(self.state.device.type, dtype=self._autocast_type, enabled=enabled)


def summed(parts: Iterable[Losses]) -> Losses:
    """The sums of the parts' losses and diagnostics, without their graphs."""
    values = [{name: value.detach().float() for name, value in part.items()} for part in parts]
    return {name: torch.stack([part[name] for part in values]).sum() for name in values[0]}
