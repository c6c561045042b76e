"""One training step: the discriminator's half, then the generator's half against the updated discriminator."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.nn.utils import parametrize

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.settings import TrainingSettings
from kurdtts_lib.vits import losses
from kurdtts_lib.vits.batches import Batch
from kurdtts_lib.vits.checkpoint import random_state, restore_random_state
from kurdtts_lib.vits.diagnostics import in_decibels, path_signals, slice_signals
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.generator import GeneratorOutputs, TrainableVits, mel_term
from kurdtts_lib.vits.micro_batches import HalfStepOutcome, MicroBatch, Sums, micro_batches_of, sum_gradients
from kurdtts_lib.vits.optimised_ops import OptimisedOps

AUTOCAST_TYPES = {"no": None, "fp16": torch.float16, "bf16": torch.bfloat16}
FIRST_LOSS_SCALE = 2.0**10
"""fp16 settles near 2**8 here, because the weights make the losses large; torch's own 2**16 would skip eight steps."""


class StepOutcome(NamedTuple):
    """What one step did. All figures are of the whole batch: all micro-batches of all processes."""

    terms: dict[str, float]
    """The unweighted losses by name, of the halves that ran."""
    gradient_norms: dict[str, float]
    """By half, `generator` and `discriminator`, before clipping."""
    skipped: str | None
    """None, or which halves were not updated and why: `generator: loss mel is nan`."""
    loss_scale: float | None
    """fp16's factor on the losses after this step; None in other precisions."""
    signals: dict[str, float]
    """`rms_db` and `real_rms_db` (dB of full scale), `peak`, `clipped` (share of samples), `dc`, `diagonal`, `longest`;
    where the discriminator took part also `real_score` and `generated_score`. `signals.py` explains them."""


class TrainingStep:
    """One update of the discriminator and one of the generator from one batch.

    Owns both optimizers and the precision. There is no `DistributedDataParallel`: it takes the mean over processes,
    which is not the joint batch's, and the generator's half passes through a frozen discriminator that it would not
    know. Gradients are summed here instead.
    """

    def __init__(
        self,
        generator: TrainableVits,
        discriminator: VitsDiscriminator,
        settings: TrainingSettings,
        state: PartialState,
    ) -> None:
        """Moves both modules to the process's device. Raises TrainingError if that has no bf16 and it is asked for."""
        self.settings, self.state = settings, state
        self._weights = dataclasses.asdict(settings.weights)
        self.generator = generator.to(state.device)
        self.discriminator = discriminator.to(state.device)
        self._autocast_type = AUTOCAST_TYPES[settings.mixed_precision]
        _check_precision(self._autocast_type, state.device)
        in_fp16 = self._autocast_type is torch.float16
        self.scaler = torch.amp.GradScaler(state.device.type, init_scale=FIRST_LOSS_SCALE, enabled=in_fp16)
        rate_g, rate_d = settings.learning_rate, settings.discriminator_learning_rate
        self.base_rates = (rate_g, rate_g if rate_d is None else rate_d)
        self.optimizer_g = self._optimizer(self.generator, self.base_rates[0])
        self.optimizer_d = self._optimizer(self.discriminator, self.base_rates[1])
        if state.num_processes > 1:  # whatever random numbers each process built them from
            for module in (self.generator, self.discriminator):
                for tensor in module.state_dict().values():
                    torch.distributed.broadcast(tensor, src=0)

    def _optimizer(self, module: nn.Module, rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            module.parameters(),
            lr=rate,
            betas=self.settings.betas,
            eps=self.settings.eps,
            weight_decay=self.settings.weight_decay,
            fused=self.state.device.type in ("cpu", "cuda"),
        )

    def __call__(
        self, batches: Sequence[Batch], *, adversarial: bool = True, generator_learns: bool = True
    ) -> StepOutcome:
        """Learn from this process's micro-batches, which lie on any device.

        A half whose loss or gradient is not finite changes nothing: weights and optimizer stay as they were, on all
        processes alike, and `StepOutcome.skipped` says so. If that is the discriminator's half, the generator's is
        skipped too: its partner stood still. Without `adversarial` there is no discriminator; without
        `generator_learns` the discriminator learns alone.
        """
        if not (adversarial or generator_learns):
            raise ValueError("adversarial and generator_learns are both False: nothing would learn")
        self.generator.train()
        with OptimisedOps():
            return self._step(micro_batches_of(batches, self.state), adversarial, generator_learns)

    def _step(self, parts: Sequence[MicroBatch], adversarial: bool, generator_learns: bool) -> StepOutcome:
        halves: dict[str, HalfStepOutcome] = {}
        outputs = None
        if adversarial:
            before = random_state() if len(parts) > 1 else None
            halves["discriminator"], outputs = self._discriminator_half(parts, generator_learns)
            if generator_learns and before:
                restore_random_state(before)  # the passes are made again: the same slices and noise
        if generator_learns and not any(half.bad for half in halves.values()):
            halves["generator"] = self._generator_half(parts, outputs, adversarial)
        skipped = _describe_skipped(halves, generator_learns)
        return StepOutcome(
            terms={name: value for half in reversed(halves.values()) for name, value in half.terms.items()},
            gradient_norms={name: half.gradient_norm for name, half in reversed(halves.items())},
            skipped=skipped,
            loss_scale=self._update_loss_scale(skipped is not None),
            signals=in_decibels({name: value for half in halves.values() for name, value in half.signals.items()}),
        )

    def set_rates(self, factor: float) -> None:
        """Set both optimizers' learning rates to `factor` times the settings'."""
        for optimizer, rate in zip((self.optimizer_g, self.optimizer_d), self.base_rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def state_dict(self) -> dict[str, Any]:
        """Both optimizers' state and the loss scale's; the weights are the caller's."""
        return {
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`. One of another precision knows no loss scale that would fit; this one's then stays."""
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])

    # --- the two halves -------------------------------------------------------------------------------------

    def _discriminator_half(
        self, parts: Sequence[MicroBatch], generator_learns: bool
    ) -> tuple[HalfStepOutcome, GeneratorOutputs | None]:
        """Returns also the generator's pass if the other half can use it.

        The graph of a single micro-batch is kept for that. Of several only one graph fits into the memory of one, so
        the generator's half computes each again.
        """
        keep = generator_learns and len(parts) == 1
        sums = Sums(self.state)
        for part in parts:
            with torch.set_grad_enabled(keep), self._autocast():
                outputs = self.generator(part.batch)
            scores, terms = self._judge_apart(part, outputs.real, outputs.generated.detach())
            # A pass of the generator that is not finite teaches nobody: its own losses are looked at here already.
            sums.add_terms(part, {**terms, "kl": outputs.kl, "duration": outputs.duration})
            sums.add_signals(part, scores)
            _add_signals(sums, part, outputs)
        half = self._learn(self.discriminator, self.optimizer_d, sums)
        return half._replace(terms={"discriminator": half.terms["discriminator"]}), outputs if keep else None

    def _generator_half(
        self, parts: Sequence[MicroBatch], only_outputs: GeneratorOutputs | None, adversarial: bool
    ) -> HalfStepOutcome:
        """only_outputs: the single micro-batch's pass, where the discriminator's half has made and kept it."""
        sums = Sums(self.state)
        for part in parts:
            if only_outputs is not None:
                outputs = only_outputs
            else:
                with self._autocast():
                    outputs = self.generator(part.batch)
            terms = {"mel": mel_term(outputs, self.generator.audio), "kl": outputs.kl, "duration": outputs.duration}
            total = self._weighted(part, terms)
            if adversarial:
                judged, gradient = self._judge_for_generator(part, outputs)
                torch.autograd.backward([self.scaler.scale(total), outputs.generated], [None, gradient])
                terms |= judged
            else:
                _add_signals(sums, part, outputs)
                self.scaler.scale(total).backward()
            sums.add_terms(part, terms)
        return self._learn(self.generator, self.optimizer_g, sums)

    # Both halves go through one sub-discriminator at a time, forward and backward: the loss is a sum over them, and
    # only one's hidden layers are in memory.

    def _judge_apart(
        self, part: MicroBatch, real: Tensor, generated: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Leaves the discriminator's gradients; real and generated slices pass it as one batch.

        Returns the mean scores, by signal, and the loss.
        """
        both = torch.cat([real, generated])
        means, found = [], []
        for judge in self.discriminator.discriminators:
            with self._autocast():
                real_scores, scores = judge(both)[-1].chunk(2)
            terms = {"discriminator": losses.discriminator_loss([real_scores], [scores])}
            self.scaler.scale(self._weighted(part, terms)).backward()
            means.append(torch.stack([real_scores.detach().float().mean(), scores.detach().float().mean()]))
            found.append(terms["discriminator"].detach())
        real_mean, generated_mean = torch.stack(means).mean(0)
        return (
            {"real_score": real_mean, "generated_score": generated_mean},
            {"discriminator": torch.stack(found).sum()},
        )

    def _judge_for_generator(self, part: MicroBatch, outputs: GeneratorOutputs) -> tuple[dict[str, Tensor], Tensor]:
        """The adversarial losses and their scaled gradient, (batch, 1, samples), at the generated slices."""
        generated = outputs.generated.detach().requires_grad_()
        found = []
        # Frozen here: the generator's half must leave nothing in the discriminator's gradients, and computing them
        # only to throw them away would cost time.
        self.discriminator.requires_grad_(False)
        try:
            for judge in self.discriminator.discriminators:
                with self._autocast(), parametrize.cached():  # the weights' norms once for both passes
                    with torch.no_grad():
                        real_features = judge(outputs.real)
                    features = judge(generated)
                terms = {
                    "generator": losses.generator_loss(features[-1:]),
                    "feature_matching": losses.feature_matching_loss(real_features, features),
                }
                self.scaler.scale(self._weighted(part, terms)).backward()
                found.append({name: term.detach() for name, term in terms.items()})
        finally:
            self.discriminator.requires_grad_(True)
        assert generated.grad is not None
        return {name: torch.stack([terms[name] for terms in found]).sum() for name in found[0]}, generated.grad

    def _weighted(self, part: MicroBatch, terms: Mapping[str, Tensor]) -> Tensor:
        """What the gradients are taken of: this micro-batch's share of the whole batch's loss."""
        return torch.stack([self._weights[name] * part.share(name) * term for name, term in terms.items()]).sum()

    def _learn(self, module: nn.Module, optimizer: torch.optim.Optimizer, sums: Sums) -> HalfStepOutcome:
        """Update the module from its gradients. If anything is not finite, drop them instead."""
        parameters = [parameter for parameter in module.parameters() if parameter.grad is not None]
        sum_gradients(parameters, self.state)
        self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.gradient_clip)
        half = sums.read(norm)  # the half's one wait for the device; the same on all processes, so all decide alike
        if not half.bad:
            optimizer.step()
        # Directly after the update: the two halves' gradients are never in memory together.
        optimizer.zero_grad(set_to_none=True)
        return half

    # --- precision ------------------------------------------------------------------------------------------

    def _autocast(self) -> torch.autocast:
        # Entered anew for each pass: autocast keeps casts of the weights, and an update would make them stale.
        enabled = self._autocast_type is not None
        return torch.autocast(self.state.device.type, dtype=self._autocast_type, enabled=enabled)

    def _update_loss_scale(self, skipped: bool) -> float | None:
        if not self.scaler.is_enabled():
            return None
        before = self.scaler.get_scale()
        self.scaler.update()
        if skipped and self.scaler.get_scale() >= before:  # a loss overflowed though the gradients did not
            self.scaler.update(before * self.scaler.get_backoff_factor())
        return self.scaler.get_scale()


@torch.no_grad()
def _add_signals(sums: Sums, part: MicroBatch, outputs: GeneratorOutputs) -> None:
    sums.add_signals(part, slice_signals(outputs.real, outputs.generated))
    sums.add_signals(part, path_signals(outputs.durations, part.batch))


def _describe_skipped(halves: Mapping[str, HalfStepOutcome], generator_learns: bool) -> str | None:
    for name, half in halves.items():
        if half.bad:
            also = " and generator" if name == "discriminator" and generator_learns else ""
            return f"{name}{also}: {', '.join(half.bad)}"
    return None


def _check_precision(autocast_type: torch.dtype | None, device: torch.device) -> None:
    needs_bf16 = autocast_type is torch.bfloat16 and device.type == "cuda"
    # Emulated bf16 runs on every card and is slower than float32.
    if needs_bf16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise TrainingError("This graphics card has no bf16. Train with mixed_precision='fp16'.")
