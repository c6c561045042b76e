"""From clips to batches: order, resuming, padding, and what is refused before a training begins."""

import threading
import time
from collections import Counter
from contextlib import closing
from itertools import chain, islice
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.settings import TrainingSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.text import encode
from kurdtts_lib.vits import batches as batches_module
from kurdtts_lib.vits.batches import (
    Batch,
    ClipReader,
    LoadedBatch,
    check_division,
    collate,
    cut,
    epoch_batches,
    read_ahead,
)
from kurdtts_lib.vits.mel import linear_spectrogram

SEGMENT = 4096
lengths = st.lists(st.integers(1, 900), min_size=1, max_size=90)


@given(lengths, st.integers(1, 9), st.integers(0, 5), st.integers(0, 50))
def test_every_clip_comes_exactly_once_in_an_epoch(lengths, batch_size, seed, epoch):
    batches = epoch_batches(lengths, batch_size, seed, epoch)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert len(batches) == -(-len(lengths) // batch_size)  # as few as can be, and none is a small rest
    assert max(map(len, batches)) - min(map(len, batches)) <= 1


def plain_order(lengths: list[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The same order for whole batches only: clips shuffled, sorted eight batches at a time, batches shuffled."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    batches = []
    while order:
        pool, order = order[: 8 * batch_size], order[8 * batch_size :]
        pool.sort(key=lambda index: lengths[index])
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 5), st.integers(0, 50))
def test_whole_batches_come_in_the_plain_order(count, batch_size, seed, epoch):
    lengths = np.random.default_rng(count).integers(60, 200, size=count * batch_size).tolist()
    assert epoch_batches(lengths, batch_size, seed, epoch) == plain_order(lengths, batch_size, seed, epoch)


def test_a_batch_holds_the_clips_themselves_and_pads_with_zeros_and_nothing_else(reader, tone_clips, tokenizer, audio):
    indices = (5, 0, 3)
    batch = collate([reader[index] for index in indices])
    assert batch.input_ids.dtype == batch.attention_mask.dtype == torch.int64
    assert batch.waveforms.shape[1] == batch.spectrograms.shape[2] * 256
    for row, index in enumerate(indices):
        ids, (samples, _) = encode(tone_clips[index].text, tokenizer), soundfile.read(tone_clips[index].path)
        positions, frames = len(ids), len(samples) // 256
        waveform = torch.tensor(samples[: frames * 256], dtype=torch.float32)
        assert (batch.text_lengths[row], batch.frame_lengths[row]) == (positions, frames)
        assert batch.input_ids[row, :positions].tolist() == ids
        assert torch.equal(batch.spectrograms[row, :, :frames], linear_spectrogram(waveform[None], audio)[0])
        assert torch.equal(batch.waveforms[row, : frames * 256], waveform)
        assert batch.attention_mask[row].tolist() == [1] * positions + [0] * (batch.input_ids.shape[1] - positions)
        assert not batch.input_ids[row, positions:].any() and not batch.spectrograms[row, :, frames:].any()
        assert not batch.waveforms[row, frames * 256 :].any()
    assert len(set(batch.frame_lengths.tolist())) == len(set(batch.text_lengths.tolist())) == 3


@pytest.mark.parametrize(
    ("samples", "rate", "channels", "text", "message"),
    [
        (16_000, 22_050, 1, "rojbaş", "22050 Hz and 1 channel.*mono at 16000 Hz"),
        (16_000, 16_000, 2, "rojbaş", "16000 Hz and 2 channel.*mono"),
        (4095, 16_000, 1, "rojbaş", "0.26 s; training needs at least 0.26 s"),
        (0, 16_000, 1, "rojbaş", "0.00 s; training needs at least"),
        (16_000, 16_000, 1, "a" * 31, r"62 frames of 16 ms for 63 text positions.*a{31}"),
        (16_000, 16_000, 1, "rojbaş ŵ", r"'ŵ'.*prepare again"),
        (None, 16_000, 1, "rojbaş", "cannot be read"),
    ],
)
def test_a_clip_that_cannot_be_trained_on_is_an_error_that_names_the_file(
    tone_clips, tokenizer, audio, tmp_path, samples, rate, channels, text, message
):
    path = tmp_path / "bad.wav"
    if samples is None:
        path.write_bytes(b"not a sound")
    else:
        soundfile.write(path, np.zeros((samples, channels)), rate, subtype="PCM_16")
    with pytest.raises(TrainingError, match=rf"bad\.wav.*{message}"):
        ClipReader([*tone_clips, Clip(path, text)], tokenizer, audio, SEGMENT)


def test_a_clip_as_short_as_a_slice_can_be_trained_on_and_no_clip_is_an_error(tokenizer, audio, tmp_path):
    soundfile.write(tmp_path / "short.wav", np.zeros(SEGMENT), 16_000, subtype="PCM_16")
    assert ClipReader([Clip(tmp_path / "short.wav", "rojbaşî")], tokenizer, audio, SEGMENT).frames == [16]
    with pytest.raises(TrainingError, match=r"no clip to train on.*Prepare the data"):
        ClipReader([], tokenizer, audio, SEGMENT)


# --- what the loader gives ------------------------------------------------------------------------------------------


def ahead(reader, batch_size=2, accumulation=1, place=(0, 0), index=0, processes=1):
    """The batches from that place on, for one of so many processes."""
    settings = TrainingSettings(batch_size=batch_size, accumulation=accumulation)
    process = SimpleNamespace(process_index=index, num_processes=processes, device=torch.device("cpu"))
    return closing(read_ahead(reader, settings, process, *place))


def take(count: int, *arguments, **options) -> list[LoadedBatch]:
    with ahead(*arguments, **options) as batches:
        return list(islice(batches, count))


def same(found: Batch, expected: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("done", range(8))  # three batches an epoch: inside, at the end of and beyond the first
def test_from_any_place_on_the_samplers_batches_come_in_order(reader, done):
    expected = [
        (epoch, position, indices)
        for epoch in range(4)
        for position, indices in enumerate(epoch_batches(reader.frames, 2, 1, epoch))
    ]
    place = (expected[done - 1][0], expected[done - 1][1] + 1) if done else (0, 0)  # as a checkpoint has it
    for item, (epoch, position, indices) in zip(take(4, reader, place=place), expected[done : done + 4], strict=True):
        assert (item.epoch, item.position, len(item.batches)) == (epoch, position, 1)
        assert same(item.batches[0], collate([reader[index] for index in indices]))


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1)])
def test_processes_and_micro_batches_share_each_batch(reader, processes, accumulation):
    whole = take(3, reader, 6)
    shares = [take(3, reader, 6, accumulation, index=index, processes=processes) for index in range(processes)]
    for step, expected in enumerate(whole):
        parts = [share[step] for share in shares]
        assert {(part.epoch, part.position) for part in parts} == {(expected.epoch, expected.position)}
        assert {len(part.batches) for part in parts} == {accumulation}
        frames = [batch.frame_lengths.tolist() for part in parts for batch in part.batches]
        assert max(map(len, frames)) - min(map(len, frames)) <= 1
        # No two clips are of the same length: each is in exactly one part.
        assert Counter(chain.from_iterable(frames)) == Counter(expected.batches[0].frame_lengths.tolist())


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 3), st.integers(1, 3))
def test_no_micro_batch_is_ever_empty(clips, batch_size, processes, accumulation):
    settings = TrainingSettings(batch_size=batch_size, accumulation=accumulation)
    chunks = [
        cut(indices, accumulation, SimpleNamespace(process_index=index, num_processes=processes))
        for indices in epoch_batches(range(clips), batch_size, 1, 0)
        for index in range(processes)
    ]
    try:
        check_division(clips, settings, processes)
    except TrainingError as error:
        assert f"leave {clips // -(-clips // batch_size)} for the smallest" in str(error)
        assert not all(map(all, chunks))
    else:
        assert all(map(all, chunks))


# --- the thread -----------------------------------------------------------------------------------------------------


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("kurdtts-batches")]


def eventually(condition) -> bool:
    """Whether it becomes true; the limit only ends what hangs."""
    deadline = time.monotonic() + 600
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def test_the_next_batches_are_made_while_the_step_runs_and_no_more(reader, monkeypatch):
    made = []

    def noted(examples):
        made.append(threading.current_thread().name)
        return collate(examples)

    monkeypatch.setattr(batches_module, "collate", noted)
    with ahead(reader) as batches:
        for taken in range(1, 5):
            next(batches)
            assert eventually(lambda taken=taken: len(made) == taken + batches_module.BATCHES_AHEAD)
        time.sleep(0.05)
        assert len(made) == 4 + batches_module.BATCHES_AHEAD
        assert len(set(made)) == 1 and made[0] in threads()
    assert threads() == []


@pytest.mark.parametrize(
    ("gone", "said"), [(True, "could be read before"), (False, r"had \d+ samples and has \d+ now")]
)
def test_an_error_in_the_thread_is_raised_where_the_batch_is_taken_and_no_thread_is_left(
    reader, tone_clips, gone, said
):
    order = [index for (index,) in epoch_batches(reader.frames, 1, 1, 0)]
    path = tone_clips[order[3]].path
    samples, rate = soundfile.read(path)
    path.unlink()
    if not gone:
        soundfile.write(path, samples[:-3000], rate, subtype="PCM_16")
    with pytest.raises(TrainingError, match=said) as caught, ahead(reader, 1) as batches:
        assert len(list(islice(batches, 3))) == 3
        next(batches)
    assert path.name in str(caught.value)
    assert threads() == []


def test_reading_ahead_draws_no_random_numbers(reader):
    before = torch.get_rng_state()
    take(7, reader)
    assert torch.equal(torch.get_rng_state(), before)
