"""The baseline: one adversarial VITS step in the usual form, full size, random weights and random clips.

Real and generated slices pass the discriminator one after the other in the D step and the G step, the G step leaves
gradients in the discriminator, and AdamW is torch's default.
"""

import dataclasses
import time

import torch
from transformers import VitsConfig, VitsModel

from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.core.training_settings import LossWeights
from kurdtts_lib.vits import losses
from kurdtts_lib.vits.batches import Batch
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.generator import TrainableVits, mel_term
from kurdtts_lib.vits.mel import linear_spectrogram
from kurdtts_lib.vits.weight_norm import apply_decoder_weight_norm

AUDIO = AudioSettings()
SEGMENT_SAMPLES = 8192
TOKENS, FRAMES = (121, 201), (250, 375)
"""Text positions and frames of the shortest and longest clip of the batch: sentences of 4 to 6 s."""


def full_size_models() -> tuple[TrainableVits, VitsDiscriminator]:
    """MMS's sizes: 36.3 M parameters with the stochastic duration predictor, and 46.7 M in the discriminator."""
    torch.manual_seed(0)
    model = VitsModel(VitsConfig(vocab_size=40))
    apply_decoder_weight_norm(model)
    return TrainableVits(model, AUDIO, SEGMENT_SAMPLES).train(), VitsDiscriminator()


def random_batch(size: int) -> Batch:
    """Clips of noise, lengths evenly spaced between the shortest and the longest."""
    generator = torch.Generator().manual_seed(1)
    text_lengths = torch.linspace(*TOKENS, size).long()
    frame_lengths = torch.linspace(*FRAMES, size).long()
    mask = (torch.arange(TOKENS[1]) < text_lengths[:, None]).long()
    ids = torch.randint(1, 38, mask.shape, generator=generator) * mask
    inside = torch.arange(FRAMES[1] * AUDIO.hop_length) < frame_lengths[:, None] * AUDIO.hop_length
    waveforms = 0.1 * torch.randn(inside.shape, generator=generator) * inside
    frames_inside = (torch.arange(FRAMES[1]) < frame_lengths[:, None])[:, None]
    spectrograms = linear_spectrogram(waveforms, AUDIO) * frames_inside
    return Batch(ids, mask, text_lengths, spectrograms, frame_lengths, waveforms, torch.zeros_like(text_lengths))


class PlainStep:
    """Call with a batch; returns the seconds of each phase."""

    def __init__(self, generator: TrainableVits, discriminator: VitsDiscriminator) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.optimizers = [
            torch.optim.AdamW(module.parameters(), lr=2e-5, betas=(0.8, 0.99), eps=1e-9)
            for module in (generator, discriminator)
        ]
        self.weights = dataclasses.asdict(LossWeights())

    def __call__(self, batch: Batch) -> dict[str, float]:
        optimizer_g, optimizer_d = self.optimizers
        clock = [time.perf_counter()]

        outputs = self.generator(batch)
        clock.append(time.perf_counter())

        real_scores, _ = self.discriminator(outputs.real)
        scores, _ = self.discriminator(outputs.generated.detach())
        optimizer_d.zero_grad()
        (self.weights["discriminator"] * sum(map(losses.discriminator_loss, real_scores, scores))).backward()
        torch.nn.utils.clip_grad_norm_(self.discriminator.parameters(), 1000.0)
        optimizer_d.step()
        clock.append(time.perf_counter())

        _, real_features = self.discriminator(outputs.real)
        scores, features = self.discriminator(outputs.generated)
        terms = {
            "mel": mel_term(outputs, AUDIO),
            "kl": outputs.kl,
            "duration": outputs.duration,
            "generator": sum(map(losses.generator_loss, scores)),
            "feature_matching": losses.feature_matching_loss(real_features, features),
        }
        optimizer_g.zero_grad()
        torch.stack([self.weights[name] * term for name, term in terms.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 1000.0)
        optimizer_g.step()
        clock.append(time.perf_counter())
        names = ("generator forward", "D step", "G step")
        return {name: end - start for name, start, end in zip(names, clock, clock[1:], strict=False)}
