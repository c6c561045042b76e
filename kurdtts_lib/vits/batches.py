"""Batches from prepared clips: reading, encoding, bucketing by length, padding, prefetching."""

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor
from transformers import VitsTokenizer

from kurdtts_lib.core.errors import TextError, TrainingError
from kurdtts_lib.core.settings import AudioSettings, TrainingSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.text import encode_spoken
from kurdtts_lib.vits.mel import linear_spectrogram

BATCHES_AHEAD = 2
"""Prefetched: one is taken while the next is being made; a third would only cost memory."""


class Batch(NamedTuple):
    """Padded with zeros at the end. Text positions include the blanks. Both lengths are (batch,), int64."""

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
    speakers: Tensor
    """(batch,), int64: rows of the voice's speaker embedding; 0 for a voice with one speaker."""

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))

    def pin_memory(self) -> "Batch":
        """A copy in page-locked memory, which a GPU can read while it computes."""
        return Batch(*(tensor.pin_memory() for tensor in self))


class Example(NamedTuple):
    """One clip, ready to be padded."""

    input_ids: Tensor
    spectrogram: Tensor
    waveform: Tensor
    speaker: int


class ClipReader:
    """Checks every clip once, then reads clips on demand. They are not cached: reading takes 1 % of a step's time."""

    def __init__(
        self,
        clips: Sequence[Clip],
        tokenizer: VitsTokenizer,
        audio: AudioSettings,
        segment_samples: int,
        speaker_ids: Mapping[str, int] | None = None,
    ) -> None:
        """speaker_ids: of the voice, by name; None or empty for a voice with one speaker.

        Raises TrainingError naming the file if a clip cannot be trained on.
        """
        if not clips:
            raise TrainingError("There is no clip to train on. Prepare the data first (notebook 3).")
        self.clips = list(clips)
        self.audio = audio
        for clip in clips:
            if speaker_ids and clip.speaker not in speaker_ids:
                known = f"this voice has the speakers {', '.join(speaker_ids)}"
                raise TrainingError(f"{clip.path} was read by {clip.speaker!r}, and {known}.")
        self.speakers = [speaker_ids[clip.speaker] if speaker_ids else 0 for clip in clips]
        self.input_ids = [_checked_ids(clip, tokenizer) for clip in self.clips]
        self.frames = [
            _checked_frames(clip, len(ids), audio, segment_samples)
            for clip, ids in zip(self.clips, self.input_ids, strict=True)
        ]

    def __getitem__(self, index: int) -> Example:
        """Raises TrainingError if the file has changed since it was checked."""
        path, samples = self.clips[index].path, self.frames[index] * self.audio.hop_length
        try:
            waveform, _ = soundfile.read(path, frames=samples, dtype="float32")
        except soundfile.LibsndfileError as error:
            raise TrainingError(f"{path} could be read before and cannot now: {error}. Put it back.") from error
        if len(waveform) != samples:
            raise TrainingError(f"{path} had {samples} samples and has {len(waveform)} now. Prepare the data again.")
        tensor = torch.from_numpy(waveform)
        spectrogram = linear_spectrogram(tensor.unsqueeze(0), self.audio).squeeze(0)
        return Example(self.input_ids[index], spectrogram, tensor, self.speakers[index])


def _checked_ids(clip: Clip, tokenizer: VitsTokenizer) -> Tensor:
    try:
        return torch.tensor(encode_spoken(clip.text, tokenizer, clip.text))
    except TextError as error:
        raise TrainingError(f"{clip.path}: {error} Leave the clip out of the source and prepare again.") from error


def _checked_frames(clip: Clip, positions: int, audio: AudioSettings, segment_samples: int) -> int:
    """Number of whole frames of a clip; checks whatever would otherwise fail in the middle of a training."""
    try:
        info = soundfile.info(clip.path)
    except soundfile.LibsndfileError as error:
        raise TrainingError(f"{clip.path} cannot be read: {error}. Prepare the data again (notebook 3).") from error
    frames, seconds = info.frames // audio.hop_length, info.frames / info.samplerate
    for wrong, fault in (
        (
            (info.samplerate, info.channels) != (audio.sampling_rate, 1),
            f"{info.samplerate} Hz and {info.channels} channel(s); this voice needs mono at {audio.sampling_rate} Hz. "
            "Prepare the data again (notebook 3).",
        ),
        (
            info.frames < segment_samples,
            f"{seconds:.2f} s; training needs at least {segment_samples / info.samplerate:.2f} s. Leave it out "
            "(min_seconds).",
        ),
        (
            positions > frames,
            f"{frames} frames of {1000 * audio.hop_length / audio.sampling_rate:.0f} ms for {positions} text "
            f"positions; nobody speaks so fast. Does this text belong to this file: {clip.text!r}?",
        ),
    ):
        if wrong:
            raise TrainingError(f"{clip.path} has {fault}")
    return frames


def collate(examples: Sequence[Example]) -> Batch:
    """Pad text, spectrogram and waveform of each example with zeros to the longest of the batch."""
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
        speakers=torch.tensor([example.speaker for example in examples]),
    )


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of one epoch's batches: similar lengths together, order shuffled.

    The same (seed, epoch) gives the same batches, so a checkpoint stores only the position in the epoch.
    Every index occurs exactly once. There are as few batches as `batch_size` allows, and their sizes differ by at most
    one: an update from two left-over clips would be as large as one from a whole batch, but much noisier.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(lengths), generator=generator).numpy()
    chunks = np.array_split(order, -(-len(order) // batch_size))
    batches: list[list[int]] = []
    for first in range(0, len(chunks), 8):  # sorting within pools keeps padding low and batches random
        pool = chunks[first : first + 8]
        nearby = sorted(np.concatenate(pool).tolist(), key=lambda index: lengths[index])
        batches += [part.tolist() for part in np.split(nearby, np.cumsum([len(chunk) for chunk in pool])[:-1])]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def cut(indices: Sequence[int], accumulation: int, process: PartialState) -> list[list[int]]:
    """The clips of one process's micro-batches; `indices` are those of a whole batch, sorted by length."""
    # Strides give every process short and long clips, chunks need little padding.
    own = indices[process.process_index :: process.num_processes]
    return [chunk.tolist() for chunk in np.array_split(own, accumulation)]


# --- shares of a batch --------------------------------------------------------------------------------------------


MEAN_OVER = {"kl": "frames", "duration": "positions"}
"""What a loss or diagnostic is averaged over, where it is not clips."""
Losses = Mapping[str, Tensor]
"""Scalar losses or diagnostics by name."""


class MicroBatch(NamedTuple):
    """A part of a batch (gradient accumulation), and its shares of the whole batch's clips, frames and positions.

    However a batch is divided, over processes and micro-batches, the update is that of the whole batch: a micro-batch's
    loss is weighted by its share of what the loss is a mean over, and gradients are summed. (A mean of the
    micro-batches' means would give a frame of a short clip more weight than one of a long clip.)
    """

    batch: Batch
    shares: dict[str, float]

    def weighted(self, terms: Losses) -> Losses:
        """This micro-batch's shares of the whole batch's losses or diagnostics."""
        return {name: self.shares[MEAN_OVER.get(name, "clips")] * term for name, term in terms.items()}


def micro_batches_of(batches: Sequence[Batch], state: PartialState) -> list[MicroBatch]:
    """This process's micro-batches on its device, with their shares of the whole batch over all processes."""
    units = ("clips", "frames", "positions")
    sizes = torch.tensor(
        [[len(batch.text_lengths), batch.frame_lengths.sum(), batch.text_lengths.sum()] for batch in batches],
        dtype=torch.float64,
    )
    shares = (sizes / reduce(sizes.sum(0).to(state.device), "sum").cpu()).tolist()
    return [
        MicroBatch(batch.to(state.device), dict(zip(units, share, strict=True)))
        for batch, share in zip(batches, shares, strict=True)
    ]


def check_division(clips: int, settings: TrainingSettings, num_processes: int) -> None:
    """Raises TrainingError if an epoch's smallest batch leaves a micro-batch empty."""
    smallest = clips // -(-clips // settings.batch_size)
    if smallest < num_processes * settings.accumulation:
        raise TrainingError(
            f"{clips} clip(s) in batches of up to batch_size={settings.batch_size} leave {smallest} for the smallest "
            f"one, which {num_processes} process(es) times accumulation={settings.accumulation} must share. Lower "
            "accumulation, raise batch_size, or prepare more clips."
        )


class LoadedBatch(NamedTuple):
    """What one process needs for one step."""

    epoch: int
    position: int
    """Index of the batch in the epoch, from 0; the same on every process."""
    batches: list[Batch]
    """The process's micro-batches."""


def read_ahead(
    reader: ClipReader, settings: TrainingSettings, process: PartialState, epoch: int, position: int
) -> Generator[LoadedBatch, None, None]:
    """One process's share of every batch from (epoch, position) on, without end.

    A thread prepares it during the previous step; closing the iterator ends the thread. An error in the thread is
    raised where its batch is taken.
    """

    def load(indices: Sequence[int]) -> list[Batch]:
        """Runs in the thread, so it must not draw random numbers."""
        chunks = cut(indices, settings.accumulation, process)
        batches = [collate([reader[index] for index in chunk]) for chunk in chunks]
        return [batch.pin_memory() for batch in batches] if process.device.type == "cuda" else batches

    ahead: deque[tuple[tuple[int, int], Future[list[Batch]]]] = deque()
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kurdtts-batches")
    try:
        while True:
            order = epoch_batches(reader.frames, settings.batch_size, settings.seed, epoch)
            for index in range(position, len(order)):
                ahead.append(((epoch, index), thread.submit(load, order[index])))
                if len(ahead) > BATCHES_AHEAD:
                    place, future = ahead.popleft()
                    yield LoadedBatch(*place, future.result())
            epoch, position = epoch + 1, 0
    finally:
        thread.shutdown(cancel_futures=True)
