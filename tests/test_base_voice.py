"""The bundled base voice is what its card says: small, plain transformers, and it speaks."""

import numpy as np
import pytest
import torch
from transformers import VitsModel, VitsTokenizer

from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.files import read_json
from kurdtts_lib.core.settings import REPOSITORY, AudioSettings
from kurdtts_lib.evaluation import metrics
from kurdtts_lib.speech import speak
from kurdtts_lib.text import LETTERS, encode
from kurdtts_lib.vits.voice import Voice, load_voice

FOLDER = REPOSITORY / "models" / "tiny-kmr"
AUDIO = AudioSettings()


@pytest.fixture(scope="module")
def voice() -> Voice:
    return load_voice(FOLDER)


def test_it_is_small_has_the_form_of_the_mms_voices_and_brings_its_discriminator(voice):
    assert sum(parameter.numel() for parameter in voice.model.parameters()) <= 5_000_000
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.safetensors")) <= 12_000_000
    assert voice.discriminator is not None
    config = voice.model.config
    assert (config.sampling_rate, int(np.prod(config.upsample_rates)), config.spectrogram_bins) == (16_000, 256, 513)
    vocabulary = voice.tokenizer.get_vocab()
    assert vocabulary["n"] == 0 and set(LETTERS + " -'_") <= set(vocabulary)
    assert voice.tokenizer.pad_token == "n" and voice.tokenizer.add_blank and not voice.tokenizer.is_uroman


def test_plain_transformers_speaks_with_it_as_we_do(voice):
    model, tokenizer = VitsModel.from_pretrained(FOLDER), VitsTokenizer.from_pretrained(FOLDER)
    ids = torch.tensor([encode("roj baş", tokenizer)])
    torch.manual_seed(1)
    with torch.inference_mode():
        waveform = model(input_ids=ids, attention_mask=torch.ones_like(ids)).waveform[0].numpy()
    np.testing.assert_allclose(waveform, speak(voice, "roj baş", level=False), atol=1e-6)


def test_card_and_samples_show_that_it_says_the_right_sentences_and_who_taught_it():
    figures = read_json(FOLDER / "voice.json")["figures"]
    mcd = figures["mel_cepstral_distance"]
    assert figures["sentences"] == 100
    assert mcd["right_below_wrong"] >= 95 and mcd["ratio"] <= 0.55
    assert mcd["right"] < mcd["floor_same_voice_other_sentence"] < mcd["floor_noise"]
    readings, spoken = (
        [decode(path, AUDIO.sampling_rate) for path in sorted((FOLDER / "samples").glob(f"*-{kind}.wav"))]
        for kind in ("machine-reader", "tiny-kmr")
    )
    distances = [[metrics.mel_cepstral_distance(r, s, AUDIO)[0] for r in readings] for s in spoken]
    assert np.argmin(distances, axis=1).tolist() == [0, 1, 2]
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "A machine taught this voice" in readme and "espeak-ng" in readme
