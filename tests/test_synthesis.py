"""Speaking faster, slower, and from several threads at once."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from kurdtts_lib.speech.raw import speak
from kurdtts_lib.text import encode
from kurdtts_lib.vits.voice import Voice

SENTENCE = "ez diçim malê"


def plain_speech(voice: Voice, seed: int) -> np.ndarray:
    """What transformers alone says, without any code of ours that speaks."""
    ids = torch.tensor([encode(SENTENCE, voice.tokenizer)])
    voice.model.eval()
    torch.manual_seed(seed)
    with torch.inference_mode():
        return voice.model(input_ids=ids, attention_mask=torch.ones_like(ids)).waveform[0].numpy()


@pytest.mark.parametrize("stochastic", [False, True])
def test_we_say_what_transformers_says(make_audible_voice: Callable[..., Voice], stochastic: bool) -> None:
    voice = make_audible_voice(use_stochastic_duration_prediction=stochastic)
    expected = plain_speech(voice, 3)
    np.testing.assert_allclose(speak(voice, SENTENCE, seed=3), expected, atol=1e-6)
    assert expected.std() > 0.01


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0])
def test_durations_scale_with_the_speed_and_the_voice_stays_as_it_was(
    audible_voice: Voice, monkeypatch: pytest.MonkeyPatch, speed: float
) -> None:
    # An untrained voice gives every letter one frame, which cannot become shorter: it speaks at a tenth.
    monkeypatch.setattr(audible_voice.model, "speaking_rate", 0.1)
    ordinary = speak(audible_voice, SENTENCE)
    changed = speak(audible_voice, SENTENCE, speed=speed)
    letters = len(encode(SENTENCE, audible_voice.tokenizer))
    rounding = letters * 256 * (1 + 1 / speed)  # each letter ends on a whole frame
    assert abs(len(changed) - len(ordinary) / speed) <= rounding and len(ordinary) > 5 * letters * 256
    assert audible_voice.model.speaking_rate == 0.1
    np.testing.assert_array_equal(speak(audible_voice, SENTENCE), ordinary)


def test_pauses_scale_with_the_speed(audible_voice: Voice) -> None:
    lengths = {
        speed: len(speak(audible_voice, "roj. baş.", speed=speed))
        - sum(len(speak(audible_voice, part, speed=speed)) for part in ("roj", "baş"))
        for speed in (1.0, 0.5)
    }
    assert lengths[0.5] == 2 * lengths[1.0] > 0


@pytest.mark.parametrize("stochastic", [False, True])
def test_several_threads_say_what_one_says(make_audible_voice: Callable[..., Voice], stochastic: bool) -> None:
    voice = make_audible_voice(use_stochastic_duration_prediction=stochastic)
    jobs = [(seed, speed) for seed in range(6) for speed in (1.0, 0.5)]
    expected = [speak(voice, SENTENCE, seed, speed) for seed, speed in jobs]
    found: dict[int, list[np.ndarray]] = {}

    def work(thread: int) -> None:
        found[thread] = [speak(voice, SENTENCE, seed, speed) for seed, speed in jobs]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2, 3]
    for waveforms in found.values():
        for waveform, reference in zip(waveforms, expected, strict=True):
            np.testing.assert_array_equal(waveform, reference)
    assert not np.array_equal(expected[0], expected[2])
