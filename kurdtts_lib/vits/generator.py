"""The training direction of VITS, composed from transformers' own modules.

`VitsModel.forward` implements inference only; its modules can be trained. Kim et al. 2021, figure 1a.
"""

import contextlib
import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import VitsModel

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.vits import losses
from kurdtts_lib.vits.alignment import expand_by_durations, prior_log_likelihood, search_durations
from kurdtts_lib.vits.batches import Batch
from kurdtts_lib.vits.duration import stochastic_duration_nll
from kurdtts_lib.vits.mel import mel_spectrogram


class GeneratorOutputs(NamedTuple):
    """Outputs of one training pass of the generator, for the losses. `kl` and `duration` are scalar losses."""

    generated: Tensor
    """(batch, 1, segment_samples): the decoded slices."""
    real: Tensor
    """(batch, 1, segment_samples): the same slices of the recordings."""
    kl: Tensor
    duration: Tensor
    durations: Tensor
    """(batch, positions): frames per text position found by the alignment search."""


class TrainableVits(nn.Module):
    """Training wrapper of a `VitsModel`; it has no parameters of its own."""

    def __init__(
        self, model: VitsModel, audio: AudioSettings, segment_samples: int, gradient_checkpointing: bool = False
    ) -> None:
        """gradient_checkpointing: keep only the inputs of the decoder's residual blocks and recompute the rest in the
        backward pass. Raises TrainingError if segment_samples is not a whole number of frames."""
        super().__init__()
        if segment_samples % audio.hop_length:
            raise TrainingError(
                f"segment_samples={segment_samples} must be a multiple of hop_length={audio.hop_length}."
            )
        self.model = model
        self.audio = audio
        self.segment_frames = segment_samples // audio.hop_length
        self.gradient_checkpointing = gradient_checkpointing
        # transformers drops whole text encoder layers at random in training; the published VITS does not.
        model.text_encoder.encoder.layerdrop = 0.0
        # Token 0 is the blank and the letter n: a base voice that declares it padding would get no gradient for it.
        model.text_encoder.embed_tokens.padding_idx = None

    def forward(self, batch: Batch) -> GeneratorOutputs:
        """One pass over a batch; see `GeneratorOutputs`."""
        text_mask = batch.attention_mask.unsqueeze(1).float()
        frames = batch.spectrograms.shape[2]
        inside = torch.arange(frames, device=batch.frame_lengths.device) < batch.frame_lengths.unsqueeze(1)
        frame_mask = inside.unsqueeze(1).float()

        condition = None
        if self.model.config.num_speakers > 1:
            condition = self.model.embed_speaker(batch.speakers).unsqueeze(-1)

        text = self.model.text_encoder(
            input_ids=batch.input_ids,
            padding_mask=text_mask.transpose(1, 2),
            attention_mask=batch.attention_mask,
        )
        hidden = text.last_hidden_state.transpose(1, 2)
        prior_means = text.prior_means.transpose(1, 2)
        # transformers calls this `prior_log_variances`, but its own forward uses it as a log standard deviation.
        prior_log_stddevs = text.prior_log_variances.transpose(1, 2)

        latents, _, posterior_log_stddevs = self.model.posterior_encoder(batch.spectrograms, frame_mask, condition)
        # The KL loss's exponentials amplify rounding errors of the flow: float32 under autocast too.
        with torch.autocast(latents.device.type, enabled=False):
            prior_latents = self.model.flow(latents.float(), frame_mask, condition)

        # Autocast would round the matrix products of the search, and exp(-2 log s) overflows in float16.
        with torch.no_grad(), torch.autocast(latents.device.type, enabled=False):
            scores = prior_log_likelihood(prior_latents, prior_means, prior_log_stddevs)
            durations = search_durations(scores, batch.frame_lengths, batch.text_lengths)

        kl = losses.kl_loss(
            prior_latents,
            posterior_log_stddevs,
            expand_by_durations(prior_means, durations, frames),
            expand_by_durations(prior_log_stddevs, durations, frames),
            frame_mask,
        )
        duration = self._duration_loss(hidden, text_mask, durations.unsqueeze(1).float(), condition)

        starts = self._slice_starts(batch.frame_lengths)
        with _checkpointed(self.model.decoder.resblocks if self.gradient_checkpointing else ()):
            generated = self.model.decoder(_slices(latents, starts, self.segment_frames), condition)
        hop = self.audio.hop_length
        real = _slices(batch.waveforms.unsqueeze(1), starts * hop, self.segment_frames * hop)
        return GeneratorOutputs(generated.float(), real, kl, duration, durations)

    def _duration_loss(self, hidden: Tensor, text_mask: Tensor, durations: Tensor, condition: Tensor | None) -> Tensor:
        predictor = self.model.duration_predictor
        if self.model.config.use_stochastic_duration_prediction:
            with torch.autocast(hidden.device.type, enabled=False):
                nll = stochastic_duration_nll(predictor, hidden.float(), text_mask, durations, condition)
            return losses.stochastic_duration_loss(nll, text_mask)
        return losses.log_duration_loss(predictor(hidden, text_mask, condition), durations, text_mask)

    def _slice_starts(self, frame_lengths: Tensor) -> Tensor:
        """A random start for each clip, in frames, so that the whole slice is inside the clip: (batch,), int64."""
        choices = (frame_lengths - self.segment_frames + 1).cpu()
        # Drawn on the CPU: the same seed gives the same slices on every device.
        return (torch.rand(len(choices)) * choices).long().to(frame_lengths.device)


@contextlib.contextmanager
def _checkpointed(blocks: Iterable[nn.Module]) -> Iterator[None]:
    """Within the context the blocks keep only their inputs for the backward pass."""
    blocks = list(blocks)
    for block in blocks:
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward  # uncovers the class's own method


def mel_term(outputs: GeneratorOutputs, audio: AudioSettings) -> Tensor:
    """The mel loss of the slices.

    Both spectrograms are computed from the slices, so that identical audio gives exactly zero; the published
    code cuts the real one out of the whole clip's spectrogram, so the edges differ by the padding.
    """
    return losses.mel_loss(
        mel_spectrogram(outputs.real.squeeze(1), audio), mel_spectrogram(outputs.generated.squeeze(1), audio)
    )


def _slices(values: Tensor, starts: Tensor, length: int) -> Tensor:
    """(batch, channels, time) -> (batch, channels, length), cut out at each row's own start."""
    index = (starts.unsqueeze(1) + torch.arange(length, device=values.device)).unsqueeze(1)
    return values.gather(2, index.expand(-1, values.shape[1], -1))
