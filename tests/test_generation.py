"""What the model says: as transformers does, at any speed, from several threads, in bfloat16, touching nothing."""

import concurrent.futures
import functools
import random

import numpy as np
import pytest
import torch

from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.speech import synthesis
from kurdtts_lib.text import encode
from kurdtts_lib.vits import generation
from kurdtts_lib.vits.generation import best_precision, has_bfloat16, speak_ids
from kurdtts_lib.vits.voice import Voice, load_voice

SENTENCE = "ez diçim malê"
speak = functools.partial(synthesis.speak, level=False)


@pytest.fixture(params=[False, True], ids=["deterministic", "stochastic"])
def voice(request, make_audible_voice) -> Voice:
    return make_audible_voice(use_stochastic_duration_prediction=request.param)


def test_we_say_what_transformers_says(voice):
    ids = torch.tensor([encode(SENTENCE, voice.tokenizer)])
    voice.model.eval()
    torch.manual_seed(3)
    with torch.inference_mode():
        expected = voice.model(input_ids=ids, attention_mask=torch.ones_like(ids)).waveform[0].numpy()
    found = speak(voice, SENTENCE, seed=3)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert expected.std() > 0.01 and found.dtype == np.float32 and np.abs(found).max() <= 1
    np.testing.assert_array_equal(speak(voice, SENTENCE, seed=3, normalized=True), found)


def test_the_same_seed_says_the_same_samples_from_several_threads_and_another_seed_others(voice):
    voice.model.eval()  # only one thread may speak with a voice that is being trained
    jobs = [(seed, speed) for seed in range(3) for speed in (1.0, 0.5)]
    expected = [speak(voice, SENTENCE, seed=seed, speed=speed) for seed, speed in jobs]

    def work(_: int) -> list[np.ndarray]:
        return [speak(voice, SENTENCE, seed=seed, speed=speed) for seed, speed in jobs]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))
    for waveforms in found:
        for waveform, reference in zip(waveforms, expected, strict=True):
            np.testing.assert_array_equal(waveform, reference)
    assert not np.array_equal(expected[0], expected[2])


@pytest.mark.parametrize("speed", [0.25, 2.0])
def test_durations_scale_with_the_speed_and_the_voice_stays_as_it_was(audible_voice, monkeypatch, speed):
    # An untrained voice gives every letter one frame, which cannot become shorter: it speaks at a tenth.
    monkeypatch.setattr(audible_voice.model, "speaking_rate", 0.1)
    ordinary = speak(audible_voice, SENTENCE)
    changed = speak(audible_voice, SENTENCE, speed=speed)
    letters = len(encode(SENTENCE, audible_voice.tokenizer))
    rounding = letters * 256 * (1 + 1 / speed)  # each letter ends on a whole frame
    assert abs(len(changed) - len(ordinary) / speed) <= rounding and len(ordinary) > 5 * letters * 256
    assert audible_voice.model.speaking_rate == 0.1
    np.testing.assert_array_equal(speak(audible_voice, SENTENCE), ordinary)


@pytest.mark.parametrize("training", [True, False])
def test_speaking_leaves_random_numbers_gradients_and_the_models_mode_alone(audible_voice, monkeypatch, training):
    def numbers() -> str:
        return str((torch.get_rng_state(), np.random.get_state()[1:3], random.getstate()))

    model, before = audible_voice.model, numbers()
    expected = speak(audible_voice, SENTENCE)
    model.train(training)
    np.testing.assert_array_equal(speak(audible_voice, SENTENCE), expected)  # without dropout
    monkeypatch.setattr(model.decoder, "forward", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        speak(audible_voice, SENTENCE)
    assert model.training is training and model.decoder.training is training and numbers() == before
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


# --- bfloat16 -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample_voice() -> Voice:
    return load_voice(REPOSITORY / "models" / "tiny-kmr")


def test_rounded_speech_has_the_same_rhythm_and_an_error_of_eight_bits(sample_voice):
    ids = encode("Roj baş, heval!", sample_voice.tokenizer)
    (plain,), (rounded,) = (
        list(speak_ids(sample_voice.model, [ids], precision=kind)) for kind in (torch.float32, torch.bfloat16)
    )
    np.testing.assert_array_equal(plain.durations, rounded.durations)
    error = np.square(plain.waveform - rounded.waveform).sum() / np.square(plain.waveform).sum()
    assert 10 ** (-55 / 10) < error < 10 ** (-30 / 10)


@pytest.mark.parametrize("supported", [True, False])
def test_published_speech_takes_it_where_the_processor_has_it_and_the_evaluation_never(
    sample_voice, monkeypatch, supported
):
    taken, original = [], speak_ids
    monkeypatch.setattr(generation, "has_bfloat16", lambda: supported)
    monkeypatch.setattr(generation, "speak_ids", lambda *given: (taken.append(given[-1]), original(*given))[1])
    for level in (True, False):
        speak(sample_voice, "roj baş", level=level)
    assert taken == [torch.bfloat16 if supported else torch.float32, torch.float32]
    sample_voice.model.train()
    assert best_precision(sample_voice.model) == torch.float32
    sample_voice.model.eval()


def test_a_processor_has_it_by_any_of_its_kinds(monkeypatch):
    for abilities, expected in (
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"bf16": True, "neon": True}, True),
        ({"avx2": True, "avx512_f": True}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda abilities=abilities: abilities)
        assert has_bfloat16() is expected
