"""From clips to batches: order, resuming, padding, and what is refused before a training begins."""

import random
import threading
import time
from collections import Counter
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
from kurdtts_lib.vits.batches import Batch, BatchLoader, ClipReader, LoadedBatch, collate, epoch_batches
from kurdtts_lib.vits.mel import linear_spectrogram
from kurdtts_lib.vits.micro_batches import check_division, cut

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


@given(lengths, st.integers(1, 9), st.integers(0, 5), st.integers(0, 50))
def test_the_same_seed_and_epoch_give_the_same_batches_whatever_was_drawn_before(lengths, batch_size, seed, epoch):
    torch.manual_seed(1)
    first = epoch_batches(lengths, batch_size, seed, epoch)
    torch.manual_seed(2)
    torch.rand(3)
    assert epoch_batches(lengths, batch_size, seed, epoch) == first


def test_epochs_and_seeds_differ():
    orders = [epoch_batches(range(40), 4, seed, epoch) for seed in (1, 2) for epoch in range(4)]
    assert len({str(order) for order in orders}) == len(orders)


def test_drawing_an_order_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    epoch_batches(range(40), 4, 1, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_hold_clips_of_similar_length():
    lengths = np.random.default_rng(0).integers(60, 750, size=640).tolist()

    def padding(batches):
        return sum(max(lengths[i] for i in b) * len(b) for b in batches) / sum(lengths)

    in_order = [list(range(i, i + 16)) for i in range(0, 640, 16)]
    assert padding(epoch_batches(lengths, 16, 1, 0)) < 1.15 < padding(in_order)


@pytest.fixture
def reader(tone_clips, tokenizer, audio) -> ClipReader:
    return ClipReader(tone_clips, tokenizer, audio, SEGMENT)


def test_an_example_is_the_clip_itself(reader, tone_clips, tokenizer, audio):
    for index, clip in enumerate(tone_clips):
        example = reader[index]
        samples, _ = soundfile.read(clip.path, dtype="float32")
        frames = len(samples) // 256
        assert example.input_ids.tolist() == encode(clip.text, tokenizer)
        np.testing.assert_array_equal(example.waveform.numpy(), samples[: frames * 256])
        assert torch.equal(example.spectrogram, linear_spectrogram(example.waveform[None], audio)[0])
        assert example.spectrogram.shape == (513, frames)


def test_collating_pads_with_zeros_and_nothing_else(reader):
    examples = [reader[i] for i in (5, 0, 3)]
    batch = collate(examples)
    assert batch.input_ids.dtype == batch.attention_mask.dtype == torch.int64
    assert batch.waveforms.shape[1] == batch.spectrograms.shape[2] * 256
    for row, example in enumerate(examples):
        positions, frames = len(example.input_ids), example.spectrogram.shape[1]
        assert (batch.text_lengths[row], batch.frame_lengths[row]) == (positions, frames)
        assert torch.equal(batch.input_ids[row, :positions], example.input_ids)
        assert torch.equal(batch.spectrograms[row, :, :frames], example.spectrogram)
        assert torch.equal(batch.waveforms[row, : frames * 256], example.waveform)
        assert batch.attention_mask[row].tolist() == [1] * positions + [0] * (batch.input_ids.shape[1] - positions)
        assert not batch.input_ids[row, positions:].any()
        assert not batch.spectrograms[row, :, frames:].any()
        assert not batch.waveforms[row, frames * 256 :].any()
    assert len(set(batch.frame_lengths.tolist())) == len(set(batch.text_lengths.tolist())) == 3


def test_no_clips_is_an_error_that_says_what_to_do(tokenizer, audio):
    with pytest.raises(TrainingError, match=r"no clip to train on.*Prepare the data"):
        ClipReader([], tokenizer, audio, SEGMENT)


def bad_clip(path, samples: int = 16_000, rate: int = 16_000, channels: int = 1, text: str = "rojbaş") -> Clip:
    soundfile.write(path, np.zeros((samples, channels)), rate, subtype="PCM_16")
    return Clip(path, text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 22_050}, "22050 Hz and 1 channel.*mono at 16000 Hz"),
        ({"channels": 2}, "16000 Hz and 2 channel.*mono"),
        ({"samples": 4095}, "0.26 s; training needs at least 0.26 s"),
        ({"samples": 0}, "0.00 s; training needs at least"),
        ({"text": "a" * 31}, r"62 frames of 16 ms for 63 text positions.*a{31}"),
    ],
)
def test_a_clip_that_cannot_be_trained_on_is_an_error_that_names_the_file(
    tone_clips, tokenizer, audio, tmp_path, changes, message
):
    clip = bad_clip(tmp_path / "bad.wav", **changes)
    with pytest.raises(TrainingError, match=message) as caught:
        ClipReader([*tone_clips, clip], tokenizer, audio, SEGMENT)
    assert str(clip.path) in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"not a sound"])
def test_a_file_that_is_missing_or_no_sound_is_an_error_that_names_it(tokenizer, audio, tmp_path, content):
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"bad\.wav cannot be read"):
        ClipReader([Clip(path, "rojbaş")], tokenizer, audio, SEGMENT)


def test_a_clip_as_short_as_a_slice_with_as_many_positions_as_frames_is_taken(tokenizer, audio, tmp_path):
    clip = bad_clip(tmp_path / "short.wav", samples=SEGMENT, text="rojbaşî")  # 15 positions, 16 frames
    assert ClipReader([clip], tokenizer, audio, SEGMENT).frames == [16]


def test_text_that_the_voice_cannot_say_is_an_error_before_the_training(tokenizer, audio, tmp_path):
    with pytest.raises(TrainingError, match=r"a\.wav.*'ŵ'.*metadata\.csv"):
        ClipReader([bad_clip(tmp_path / "a.wav", text="rojbaş ŵ")], tokenizer, audio, SEGMENT)


# --- what the loader gives ------------------------------------------------------------------------------------------


def take(loader: BatchLoader, count: int, epoch: int = 0, position: int = 0) -> list[LoadedBatch]:
    with loader.read_ahead(epoch, position) as batches:
        return list(islice(batches, count))


def same(found: Batch, expected: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def settings(batch_size: int = 2, accumulation: int = 1) -> TrainingSettings:
    return TrainingSettings(batch_size=batch_size, accumulation=accumulation)


def test_reading_ahead_gives_the_samplers_batches_in_order(reader):
    expected = [
        (epoch, position, indices)
        for epoch in range(3)
        for position, indices in enumerate(epoch_batches(reader.frames, 2, 1, epoch))
    ]
    found = take(BatchLoader(reader, settings()), 9)
    for item, (epoch, position, indices) in zip(found, expected, strict=True):
        assert (item.epoch, item.position, len(item.batches)) == (epoch, position, 1)
        assert same(item.batches[0], collate([reader[index] for index in indices]))


@pytest.mark.parametrize("done", range(8))  # three batches an epoch: inside, at the end of and beyond the first
def test_resuming_at_any_position_gives_the_same_following_batches(reader, done):
    loader = BatchLoader(reader, settings())
    stream = take(loader, 10)
    epoch, position = (stream[done - 1].epoch, stream[done - 1].position + 1) if done else (0, 0)
    resumed = take(loader, 10 - done, epoch, position)
    for found, expected in zip(resumed, stream[done:], strict=True):
        assert (found.epoch, found.position) == (expected.epoch, expected.position)
        assert same(found.batches[0], expected.batches[0])


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1)])
def test_processes_and_micro_batches_share_each_batch(reader, processes, accumulation):
    whole = take(BatchLoader(reader, settings(6)), 3)
    shares = [take(BatchLoader(reader, settings(6, accumulation), index, processes), 3) for index in range(processes)]
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
    parts, batches = processes * accumulation, epoch_batches(range(clips), batch_size, 1, 0)
    try:
        check_division(clips, settings(batch_size, accumulation), processes)
    except TrainingError as error:
        assert min(map(len, batches)) < parts
        assert f"leave {clips // -(-clips // batch_size)} for the smallest" in str(error)
        cured = 2 * parts if clips >= parts else None
        assert (f"batch_size at least {cured}" if cured else "prepare more clips") in str(error)
        if cured:
            check_division(clips, settings(cured, accumulation), processes)
        return
    for indices in batches:
        assert all(chunk for process in range(processes) for chunk in cut(indices, accumulation, process, processes))


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
    original = collate
    monkeypatch.setattr(
        batches_module,
        "collate",
        lambda examples: (made.append(threading.current_thread().name), original(examples))[1],
    )
    with BatchLoader(reader, settings()).read_ahead(0, 0) as batches:
        for taken in range(1, 5):
            next(batches)
            assert eventually(lambda taken=taken: len(made) == taken + batches_module.BATCHES_AHEAD)
        time.sleep(0.05)
        assert len(made) == 4 + batches_module.BATCHES_AHEAD
        assert len(set(made)) == 1 and made[0] in threads()
    assert threads() == []


def test_the_wait_is_the_time_that_the_step_stood_still(reader, monkeypatch):
    now, asked, original = [0.0], threading.Event(), collate

    def clock() -> float:
        asked.set()
        return now[0]

    def first_is_slow(examples):
        assert asked.wait(600)  # the step stands still and waits
        now[0] = 3.0
        return original(examples)

    monkeypatch.setattr(batches_module, "collate", first_is_slow)
    monkeypatch.setattr(batches_module, "time", SimpleNamespace(perf_counter=clock))
    with BatchLoader(reader, settings()).read_ahead(0, 0) as batches:
        assert [next(batches).wait_seconds for _ in range(3)] == [3.0, 0.0, 0.0]


class Stopped(Exception):
    pass


@pytest.mark.parametrize("taken", [0, 1, 4])
def test_no_thread_is_left_after_a_training_that_fails(reader, taken):
    with pytest.raises(Stopped), BatchLoader(reader, settings()).read_ahead(0, 0) as batches:
        for _ in range(taken):
            next(batches)
        raise Stopped
    assert threads() == []


def test_an_error_in_the_thread_is_raised_where_the_batch_is_taken(reader, tone_clips):
    order = [index for (index,) in epoch_batches(reader.frames, 1, 1, 0)]
    gone = tone_clips[order[3]].path
    gone.unlink()
    loader = BatchLoader(reader, settings(1))
    with loader.read_ahead(0, 0) as batches:
        for _ in range(3):
            next(batches)
        with pytest.raises(TrainingError, match="could be read before") as caught:
            next(batches)
    assert str(gone) in str(caught.value)
    assert threads() == []


def test_reading_ahead_draws_no_random_numbers(reader):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    take(BatchLoader(reader, settings()), 7)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]


# --- the clips in memory --------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the files that are read from now on."""
    names, original = [], soundfile.read
    monkeypatch.setattr(
        soundfile, "read", lambda path, *args, **more: (names.append(path.name), original(path, *args, **more))[1]
    )
    return names


def bytes_of(reader: ClipReader, *indices: int) -> int:
    return sum(reader.frames[index] * (513 + 256) * 4 for index in indices)


def test_each_clip_is_read_once_if_there_is_room(reader, reads):
    loader = BatchLoader(reader, settings())
    first = take(loader, 3)
    assert sorted(reads) == [f"{index}.wav" for index in range(6)]
    again = take(loader, 3)
    assert len(reads) == 6
    assert all(same(a.batches[0], b.batches[0]) for a, b in zip(first, again, strict=True))


def test_what_finds_no_room_is_read_anew(tone_clips, tokenizer, audio, reader, reads):
    small = ClipReader(tone_clips, tokenizer, audio, SEGMENT, cache_bytes=bytes_of(reader, 0, 1) + 100)
    for _ in range(3):
        for index in range(6):
            assert torch.equal(small[index].spectrogram, reader[index].spectrogram)
    ours = Counter(reads) - Counter(f"{index}.wav" for index in range(6))  # `reader` read each once
    assert ours == {"0.wav": 1, "1.wav": 1, **{f"{index}.wav": 3 for index in range(2, 6)}}


def test_a_clip_that_was_shortened_since_it_was_checked_is_an_error(reader, tone_clips):
    path = tone_clips[2].path
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[:-3000], rate, subtype="PCM_16")
    with pytest.raises(TrainingError, match=r"2\.wav had \d+ samples and has \d+ now"):
        reader[2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="pinned memory needs a CUDA device")
def test_batches_for_a_card_are_pinned(reader):
    [loaded] = take(BatchLoader(reader, settings(), pin_memory=True), 1)
    assert all(tensor.is_pinned() for tensor in loaded.batches[0])
