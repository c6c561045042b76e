"""Recognisers in miniature, and the character error rate."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.sources import read_corpus
from kurdtts_lib.evaluation.optional_metrics import (
    MMS_LANGUAGE,
    character_error_rate,
    load_recogniser,
    predicted_cleanliness,
)

LETTERS = "abcçdeêfghiîjklmnopqrsştuûvwxyz"
VOCABULARY = {letter: number for number, letter in enumerate(["<pad>", "<unk>", "|", *LETTERS])}
RATE = 16_000


@pytest.mark.parametrize(
    ("text", "heard", "rate"),
    [
        ("roj baş", "Roj baş!", 0.0),
        ("roj baş", "roj bas", 1 / 7),
        ("roj baş", "rojbaş", 1 / 7),
        ("roj baş", "", 1.0),
        ("du hezar", "2000", 0.0),  # both as they are said
        ("na", "na na na", 3.0),
        ("roj baş", "roj شاش", 3 / 7),  # letters that are not Kurmanji's count as wrong
        ("ez", "Ez 1.2.3, SÊV", 10 / 2),  # what has no reading is still compared: "ez 1 2 3 sêv"
    ],
)
def test_the_rate_counts_letters_as_they_are_spoken(text: str, heard: str, rate: float) -> None:
    assert character_error_rate(text, heard) == pytest.approx(rate)


def save_recogniser(folder: Path, vocabulary: dict, **changes: object) -> Wav2Vec2ForCTC:
    """A CTC model of some thousand weights. changes: of its configuration."""
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    language = {"target_lang": MMS_LANGUAGE} if MMS_LANGUAGE in vocabulary else {}
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), pad_token="<pad>", unk_token="<unk>", **language).save_pretrained(
        folder
    )
    Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=True).save_pretrained(folder)
    config = Wav2Vec2Config(
        vocab_size=len(VOCABULARY),
        **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
        **{"conv_dim": (8, 8), "conv_kernel": (10, 8), "conv_stride": (160, 4), "num_feat_extract_layers": 2},
        **{"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2},
        **changes,
    )
    torch.manual_seed(3)
    model = Wav2Vec2ForCTC(config).eval()
    with torch.no_grad():
        model.lm_head.weight.normal_(0, 3)  # so that it hears something
    model.save_pretrained(folder)
    return model


def heard_by_hand(model: Wav2Vec2ForCTC, waveform: np.ndarray) -> str:
    """The likeliest letter of each frame, repeats merged, blanks taken out (Graves et al. 2006)."""
    normal = (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)
    with torch.inference_mode():
        best = model(torch.from_numpy(normal).float().unsqueeze(0)).logits[0].argmax(-1).tolist()
    merged = [one for number, one in enumerate(best) if number == 0 or one != best[number - 1]]
    letters = {number: letter for letter, number in VOCABULARY.items()}
    return "".join(letters[one] for one in merged if one > 1).replace("|", " ")


@pytest.mark.parametrize("many_languages", [False, True])
def test_a_recogniser_hears_what_its_frames_say_and_one_of_many_languages_is_set_to_kurmanji(
    many_languages: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "recogniser"
    if many_languages:
        other = {letter: len(VOCABULARY) - 1 - number for letter, number in VOCABULARY.items()}
        model = save_recogniser(folder, {"eng": other, MMS_LANGUAGE: VOCABULARY}, adapter_attn_dim=4)
        torch.manual_seed(9)
        adapter = {name: torch.randn_like(weight) for name, weight in model._get_adapters().items()}
        save_file(adapter, folder / f"adapter.{MMS_LANGUAGE}.safetensors", {"format": "pt"})
        silent = {name: 0 * weight for name, weight in adapter.items()}
        save_file(silent, folder / "adapter.eng.safetensors", {"format": "pt"})
        model.load_state_dict(adapter, strict=False)
    else:
        model = save_recogniser(folder, VOCABULARY)
    sound = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    heard, expected = load_recogniser(str(folder))(sound, RATE), heard_by_hand(model, sound)
    assert len(expected) >= 2 and " ".join(heard.split()) == " ".join(expected.split())


def test_noise_lowers_the_score() -> None:
    clip = next(read_corpus(CorpusSettings()))
    clean = decode(clip.audio, 22_050)
    noise = np.random.default_rng(0).normal(scale=0.1, size=len(clean)).astype(np.float32)
    scores = [predicted_cleanliness(waveform, 22_050) for waveform in (clean, clean + noise)]
    assert 1 < scores[1] < scores[0] - 0.5 < 5
