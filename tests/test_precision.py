"""bfloat16: where it exists, how large its error is, and that it touches nothing but the sound."""

import pytest
import torch

from kurdtts_lib.settings import REPOSITORY
from kurdtts_lib.text import encode
from kurdtts_lib.vits.inference import decode, encode_text, predict_durations
from kurdtts_lib.vits.precision import Bfloat16, check_bfloat16, has_bfloat16, sound_in
from kurdtts_lib.vits.voice import Voice, load_voice


@pytest.fixture(scope="module")
def voice() -> Voice:
    return load_voice(REPOSITORY / "models" / "tiny-kmr")


def test_the_error_of_bfloat16_is_that_of_eight_bits(voice):
    found = check_bfloat16(voice.model, encode("Roj baş, heval!", voice.tokenizer))
    assert 25 < found.snr_db < 55 and found.time_ratio > 0
    assert found.supported == has_bfloat16()


@torch.inference_mode()
def test_only_what_stands_inside_is_rounded(voice):
    ids = torch.tensor([encode("roj baş", voice.tokenizer)])
    prior = encode_text(voice.model, ids)
    sounds = {}
    for precision in (torch.float32, torch.bfloat16):
        with sound_in(precision):
            sounds[precision] = decode(voice.model, prior.means, prior.log_stddevs, torch.zeros_like(prior.means))
    plain = decode(voice.model, prior.means, prior.log_stddevs, torch.zeros_like(prior.means))
    torch.testing.assert_close(sounds[torch.float32], plain, atol=0, rtol=0)
    assert sounds[torch.bfloat16].dtype == torch.bfloat16
    noise = torch.zeros(1, 2, ids.shape[1])
    durations = predict_durations(voice.model, prior.hidden, 1.0, noise)
    assert durations.dtype == torch.float32


@pytest.mark.parametrize(
    ("supported", "snr_db", "good"), [(True, 39.0, True), (True, 29.0, False), (False, 39.0, False)]
)
def test_it_is_good_where_the_processor_has_it_and_the_error_is_small(supported, snr_db, good):
    assert Bfloat16(supported, snr_db, 0.5).good is good


def test_a_processor_has_it_by_any_of_its_kinds(monkeypatch):
    for abilities, expected in (
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"bf16": True, "neon": True}, True),
        ({"avx2": True, "avx512_f": True}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda abilities=abilities: abilities)
        assert has_bfloat16() is expected
