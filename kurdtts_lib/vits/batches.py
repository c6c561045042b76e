"""From prepared clips to batches: reading, encoding, bucketing by length, padding."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import soundfile
import torch
from torch import Tensor
from transformers import VitsTokenizer

from kurdtts_lib.corpus.clips import Clip
from kurdtts_lib.errors import TextError, TrainingError
from kurdtts_lib.settings import AudioSettings
from kurdtts_lib.text import encode
from kurdtts_lib.vits.mel import linear_spectrogram


class Batch(NamedTuple):
    """Padded with zeros at the end. Text positions include the blanks."""

    input_ids: Tensor
    """(batch, positions), int64."""
    attention_mask: Tensor
    """(batch, positions), int64: 1 inside a text."""
    text_lengths: Tensor
    spectrograms: Tensor
    """(batch, n_fft // 2 + 1, frames), float32."""
    frame_lengths: Tensor
    waveforms: Tensor
    """(batch, frames * hop_length), float32."""

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


class Example(NamedTuple):
    """One clip, ready to be padded."""

    input_ids: Tensor
    spectrogram: Tensor
    waveform: Tensor


class ClipReader:
    """Checks every clip once, then reads one at a time: memory does not grow with the corpus."""

    def __init__(
        self, clips: Sequence[Clip], tokenizer: VitsTokenizer, audio: AudioSettings, segment_samples: int
    ) -> None:
        """Raises TrainingError naming the file if a clip cannot be trained on."""
        if not clips:
            raise TrainingError("There is no clip to train on. Prepare the data first (notebook 3).")
        self.clips = list(clips)
        self.audio = audio
        self.input_ids = [_checked_ids(clip, tokenizer) for clip in self.clips]
        self.frames = [
            _checked_frames(clip, len(ids), audio, segment_samples)
            for clip, ids in zip(self.clips, self.input_ids, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Example:
        waveform, _ = soundfile.read(self.clips[index].path, dtype="float32")
        kept = torch.from_numpy(waveform[: self.frames[index] * self.audio.hop_length])
        spectrogram = linear_spectrogram(kept.unsqueeze(0), self.audio).squeeze(0)
        return Example(self.input_ids[index], spectrogram, kept)


def _checked_ids(clip: Clip, tokenizer: VitsTokenizer) -> Tensor:
    try:
        return torch.tensor(encode(clip.text, tokenizer))
    except TextError as error:
        raise TrainingError(f"{clip.path}: {error} Take its line out of metadata.csv.") from error


def _checked_frames(clip: Clip, positions: int, audio: AudioSettings, segment_samples: int) -> int:
    """Whole frames of a clip, after everything that would otherwise fail in the middle of a training."""
    try:
        info = soundfile.info(clip.path)
    except soundfile.LibsndfileError as error:
        raise TrainingError(f"{clip.path} cannot be read: {error}. Prepare the data again (notebook 3).") from error
    if info.samplerate != audio.sampling_rate or info.channels != 1:
        raise TrainingError(
            f"{clip.path} has {info.samplerate} Hz and {info.channels} channel(s); this voice needs mono at "
            f"{audio.sampling_rate} Hz. Prepare the data again (notebook 3)."
        )
    frames = info.frames // audio.hop_length
    if info.frames < segment_samples:
        raise TrainingError(
            f"{clip.path} has {info.frames / info.samplerate:.2f} s; training needs at least "
            f"{segment_samples / info.samplerate:.2f} s. Leave it out (min_seconds)."
        )
    if positions > frames:
        raise TrainingError(
            f"{clip.path} has {frames} frames of {1000 * audio.hop_length / audio.sampling_rate:.0f} ms for "
            f"{positions} text positions; nobody speaks so fast. Does this text belong to this file: {clip.text!r}?"
        )
    return frames


def collate(examples: Sequence[Example]) -> Batch:
    """Pad a list of examples with zeros to the longest of each kind."""
    pad = torch.nn.utils.rnn.pad_sequence
    ids = [example.input_ids for example in examples]
    return Batch(
        input_ids=pad(ids, batch_first=True),
        attention_mask=pad([torch.ones_like(item) for item in ids], batch_first=True),
        text_lengths=torch.tensor([len(item) for item in ids]),
        spectrograms=pad([example.spectrogram.T for example in examples], batch_first=True)
        .transpose(1, 2)
        .contiguous(),
        frame_lengths=torch.tensor([example.spectrogram.shape[1] for example in examples]),
        waveforms=pad([example.waveform for example in examples], batch_first=True),
    )


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of one epoch's batches: similar lengths together, order shuffled.

    The same (seed, epoch) gives the same batches, so a resumed training needs to remember only its position.
    Every index occurs exactly once; the last batch of an epoch may be smaller.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    pool = batch_size * 8  # sorting inside pools keeps padding low and the mixture random
    batches = []
    for start in range(0, len(order), pool):
        nearby = sorted(order[start : start + pool], key=lambda index: lengths[index])
        batches += [nearby[i : i + batch_size] for i in range(0, len(nearby), batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def batches_from(
    reader: ClipReader, batch_size: int, seed: int, epoch: int, position: int
) -> Iterator[tuple[int, int, Batch]]:
    """Endless batches from a position on: (epoch, position in the epoch, batch)."""
    while True:
        order = epoch_batches(reader.frames, batch_size, seed, epoch)
        for index in range(position, len(order)):
            yield epoch, index, collate([reader[i] for i in order[index]])
        epoch, position = epoch + 1, 0
