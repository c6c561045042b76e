"""bfloat16: where it exists, how large its error is, and that it touches nothing but the sound."""

from weakref import WeakKeyDictionary

import numpy as np
import pytest
import torch

from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.speech import stream
from kurdtts_lib.text import encode
from kurdtts_lib.vits import precision
from kurdtts_lib.vits.generation import speak_ids
from kurdtts_lib.vits.inference import decode, encode_text, predict_durations
from kurdtts_lib.vits.precision import Bfloat16, best_precision, check_bfloat16, decoder_autocast, has_bfloat16
from kurdtts_lib.vits.voice import Voice, load_voice


@pytest.fixture(scope="module")
def voice() -> Voice:
    return load_voice(REPOSITORY / "models" / "tiny-kmr")


@torch.inference_mode()
def test_only_what_stands_inside_is_rounded(voice):
    ids = torch.tensor([encode("roj baş", voice.tokenizer)])
    prior = encode_text(voice.model, ids)
    sounds = {}
    for kind in (torch.float32, torch.bfloat16):
        with decoder_autocast(kind):
            sounds[kind] = decode(voice.model, prior.means, prior.log_stddevs, torch.zeros_like(prior.means))
    plain = decode(voice.model, prior.means, prior.log_stddevs, torch.zeros_like(prior.means))
    torch.testing.assert_close(sounds[torch.float32], plain, atol=0, rtol=0)
    assert sounds[torch.bfloat16].dtype == torch.bfloat16
    noise = torch.zeros(1, 2, ids.shape[1])
    durations = predict_durations(voice.model, prior.hidden, 1.0, noise)
    assert durations.dtype == torch.float32


@pytest.mark.parametrize(("supported", "snr_db"), [(True, 39.0), (True, 29.0), (False, 39.0)])
def test_speech_takes_it_where_it_is_good_and_asks_once(voice, monkeypatch, supported, snr_db):
    asked = []

    def check(model, ids, pairs):
        asked.append(pairs)
        return Bfloat16(supported, snr_db, 9.0)

    monkeypatch.setattr(precision, "_CHECKED", WeakKeyDictionary())
    monkeypatch.setattr(precision, "has_bfloat16", lambda: supported)
    monkeypatch.setattr(precision, "check_bfloat16", check)
    good = supported and snr_db > 30
    for _ in range(2):
        (utterance, *_) = stream(voice, "roj baş")
        (plain,) = speak_ids(voice, [encode("roj baş", voice.tokenizer)], precision=torch.float32)
        rounded = best_precision(voice.model) == torch.bfloat16
        assert rounded is good and len(utterance.waveform) > 1000 and plain.waveform.dtype == np.float32
    assert asked == ([1] if supported else [])
    voice.model.train()
    assert best_precision(voice.model) == torch.float32
    voice.model.eval()


def test_the_rounded_speech_has_the_same_rhythm_and_the_error_of_eight_bits(voice):
    ids = encode("Roj baş, heval!", voice.tokenizer)
    (plain,), (rounded,) = (list(speak_ids(voice, [ids], precision=kind)) for kind in (torch.float32, torch.bfloat16))
    np.testing.assert_array_equal(plain.durations, rounded.durations)
    error = np.square(plain.waveform - rounded.waveform).sum() / np.square(plain.waveform).sum()
    assert 0 < error < 10 ** (-25 / 10)
    found = check_bfloat16(voice.model, ids)
    assert 25 < found.snr_db < 55 and found.time_ratio > 0 and found.supported == has_bfloat16()


@pytest.mark.parametrize(
    ("abilities", "expected"),
    [({"avx512_bf16": True}, True), ({"bf16": True, "neon": True}, True), ({"avx2": True, "avx512_f": True}, False)],
)
def test_a_processor_has_it_by_any_of_its_kinds(monkeypatch, abilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert has_bfloat16() is expected
