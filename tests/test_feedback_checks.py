"""A take is judged in sentences that say what to do; what is kept of it is every 16-bit sample."""

from pathlib import Path

import numpy as np
import pytest
from corrections import RATE, TEXT
from hypothesis import given
from hypothesis import strategies as st
from speechlike import encoded, syllables

from kurdtts_lib.feedback.takes import check_take, decode_take, take_of

VOICE = syllables(2.0)
GAP = np.zeros(2 * RATE)


def test_a_good_take_has_neither_errors_nor_warnings() -> None:
    checks = check_take((VOICE, RATE), TEXT)
    assert (checks.errors, checks.warnings, checks.seconds) == ([], [], 2.0)


@pytest.mark.parametrize(
    ("audio", "text", "said", "todo"),
    [
        (b"\x1aE\xdf\xa3 webm", TEXT, "cannot be decoded", "convert them to WAV"),
        (Path("nowhere.wav"), TEXT, "does not exist", "nowhere.wav"),
        ((np.zeros(0), RATE), TEXT, "no sound at all", "Record again"),
        ((np.full(100, np.nan), RATE), TEXT, "not numbers", "Record again"),
        ((VOICE, 0), TEXT, "no sound at all", "Record again"),
        ((np.stack([VOICE] * 9, 1), RATE), TEXT, "9 channels", "one or two channels"),
        ((VOICE.astype(np.complex128), RATE), TEXT, "complex128", "int16 or float"),
        ((np.zeros(2 * RATE), RATE), TEXT, "no voice", "Check the microphone"),
        ((1e-4 * VOICE, RATE), "Roj baş " * 20, "no voice", "Check the microphone"),
        ((np.concatenate([GAP, syllables(0.1), GAP]), RATE), "na", "only 0.2 s", "say the whole text"),
        ((np.zeros(62 * RATE, dtype=np.int16), RATE), TEXT, "62.0 s long", "one sentence at a time"),
        ((VOICE, RATE), "Roj baş " * 20, "letters and spaces", "Record the whole text"),
        ((VOICE, RATE), "Ez 1.2.3 sêv dixwim", "'1.2.3'", "Write"),
        ((VOICE, RATE), "...", "nothing to say", "Write at least one word"),
        ((VOICE, RATE), "a" * 5000, "5000 characters", "one sentence at a time"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_what_to_do(audio, text: str, said: str, todo: str) -> None:
    (error,) = check_take(audio, text).errors
    assert said in error and todo in error


@pytest.mark.parametrize(
    ("waveform", "text", "said", "todo"),
    [
        (np.clip(10 * VOICE, -1, 1), TEXT, "too loud", "Go further from the microphone"),
        (0.02 * VOICE, TEXT, "too quiet", "Go nearer to the microphone"),
        (np.random.default_rng(1).normal(scale=0.1, size=2 * RATE), TEXT, "mostly noise", "Find a quieter place"),
        (syllables(1.0), "binivîsin bixwînin berxwedanî", "very fast", "record again"),
        (syllables(5.0), "Roj baş", "very slow", "correct the text"),
        (np.concatenate([VOICE, GAP, VOICE]), 2 * TEXT, "silence of 2.", "without the pause"),
        (VOICE, "Dr. Azad li vir e û îro baş e", "'Dr.' in different ways", "Write it in words"),
        (VOICE, f"{TEXT} 🙂", "'🙂' in different ways, or not at all", "Write it in words"),
    ],
)
def test_what_sounds_wrong_is_a_warning_that_says_what_to_do(
    waveform: np.ndarray, text: str, said: str, todo: str
) -> None:
    checks = check_take((waveform, RATE), text)
    assert checks.errors == []
    (warning,) = [warning for warning in checks.warnings if said in warning]
    assert todo in warning


SAMPLES = st.lists(st.integers(-32768, 32767), min_size=1, max_size=300).map(
    lambda each: np.array(each, dtype=np.int16)
)


@given(SAMPLES, st.sampled_from([8_000, 16_000, 44_100, 48_000]), st.integers(1, 3))
def test_sixteen_bit_samples_come_back_exactly_and_always_as_the_same_bytes(
    samples: np.ndarray, rate: int, channels: int
) -> None:
    several = np.stack([np.roll(samples, shift) for shift in range(channels)], 1)
    content = take_of((several, rate)).content
    back, rate_back = decode_take(content)
    assert rate_back == rate and back.dtype == np.int16 and (back == several).all()
    for same in (content, (several / 32768.0, rate), (several.astype(np.float32) / 32768, rate)):
        assert take_of(same).content == content
    assert decode_take(take_of(encoded(several, rate, "WAV")).content)[0].tolist() == several.tolist()


def test_a_sound_and_a_text_that_are_both_wrong_are_both_told() -> None:
    assert len(check_take((np.zeros(2 * RATE), RATE), "روژ").errors) == 2


@given(st.binary(max_size=200), st.text(max_size=50))
def test_no_input_raises(content: bytes, text: str) -> None:
    assert check_take(content, text).errors != []
    assert isinstance(check_take((VOICE, RATE), text).errors, list)
