"""The baseline: one adversarial VITS step in the usual form, full size, random weights and random clips.

The step itself is in notebook 4, where a reader sees it: the cells with the tag `plain-step`. Real and generated slices
pass the discriminator one after the other in the D step and the G step, the G step leaves gradients in the
discriminator, and AdamW is torch's default.
"""

import json
import time
from typing import Any

import torch
from transformers import VitsConfig, VitsModel

from kurdtts_lib.core.settings import REPOSITORY, AudioSettings, TrainingSettings
from kurdtts_lib.vits.batches import Batch
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.generator import TrainableVits
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


def notebook_functions() -> dict[str, Any]:
    """What the cells of notebook 4 with the tag `plain-step` define, by name."""
    path = REPOSITORY / "notebooks" / "04_vits_fine_tuning.ipynb"
    defined: dict[str, Any] = {"torch": torch}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if "plain-step" in cell["metadata"].get("tags", []):
            exec(compile("".join(cell["source"]), f"{path.name}, cell {cell['id']}", "exec"), defined)
    return defined


class PlainStep:
    """Call with a batch; returns the seconds of each phase."""

    def __init__(
        self, generator: TrainableVits, discriminator: VitsDiscriminator, settings: TrainingSettings | None = None
    ) -> None:
        self.generator, self.discriminator, self.settings = generator, discriminator, settings or TrainingSettings()
        self.functions = notebook_functions()
        optimizer_of = self.functions["optimizer_of"]
        self.optimizers = [optimizer_of(module, self.settings) for module in (generator, discriminator)]
        self.terms: dict[str, float] = {}
        """The losses of the last step, by name."""

    def __call__(self, batch: Batch) -> dict[str, float]:
        optimizer_g, optimizer_d = self.optimizers
        clock = [time.perf_counter()]
        outputs = self.generator(batch)
        clock.append(time.perf_counter())
        told = self.functions["discriminator_step"](self.discriminator, optimizer_d, outputs, self.settings)
        clock.append(time.perf_counter())
        terms = self.functions["generator_step"](
            self.generator, self.discriminator, optimizer_g, outputs, self.settings
        )
        clock.append(time.perf_counter())
        self.terms = terms | told
        names = ("generator forward", "D step", "G step")
        return {name: end - start for name, start, end in zip(names, clock, clock[1:], strict=False)}
