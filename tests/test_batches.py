"""From clips to batches: order, resuming, padding, and what is refused before a training begins."""

from itertools import islice

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.corpus.clips import Clip
from kurdtts_lib.errors import TrainingError
from kurdtts_lib.text import encode
from kurdtts_lib.vits.batches import ClipReader, batches_from, collate, epoch_batches
from kurdtts_lib.vits.mel import linear_spectrogram

SEGMENT = 4096
lengths = st.lists(st.integers(1, 900), min_size=1, max_size=90)


@given(lengths, st.integers(1, 9), st.integers(0, 5), st.integers(0, 50))
def test_every_clip_comes_exactly_once_in_an_epoch(lengths, batch_size, seed, epoch):
    batches = epoch_batches(lengths, batch_size, seed, epoch)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert len(batches) <= len(lengths) // batch_size + 1


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


@pytest.mark.parametrize("done", range(8))  # three batches an epoch: inside, at the end of and beyond the first
def test_resuming_at_any_position_gives_the_same_following_batches(reader, done):
    stream = list(islice(batches_from(reader, 2, 1, 0, 0), 10))
    epoch, position = (stream[done - 1][0], stream[done - 1][1] + 1) if done else (0, 0)
    resumed = islice(batches_from(reader, 2, 1, epoch, position), 10 - done)
    for (*found_place, found), (*place, expected) in zip(resumed, stream[done:], strict=True):
        assert found_place == place
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


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
    with pytest.raises(TrainingError, match=r"a\.wav.*'1', '2'.*metadata\.csv"):
        ClipReader([bad_clip(tmp_path / "a.wav", text="rojbaş 12")], tokenizer, audio, SEGMENT)
