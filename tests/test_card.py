"""The README beside a voice is a model card: the hub reads its head, and its example speaks."""

import re

import pytest
import yaml

from kurdtts_lib.core.cards import front_matter
from kurdtts_lib.vits.voice import load_voice, save_voice
from kurdtts_lib.voices import finetune
from kurdtts_lib.voices.card import VoiceCard


def head_of(card: str) -> dict:
    _, head, text = card.split("---\n", 2)
    assert text.startswith("\n# ")
    return yaml.safe_load(head)


@pytest.mark.parametrize("value", ["facebook/mms-tts", 'deng: "ş" #1', "yes", "1.0", "C:\\deng", "- a"])
def test_the_head_of_a_card_is_yaml_whatever_the_names_are(value):
    head = front_matter(license="cc0-1.0", base_model=value)
    assert head_of(head + "\n# voice\n") == {"license": "cc0-1.0", "base_model": value}


FIGURES = {"mel_distance": 1.25}
CARD = {
    **{"name": "kurdtts full", "base_voice": "facebook/mms-tts-kmr-script_latin", "data": "Common Voice"},
    **{"training_clips": 900, "validation_clips": 20, "test_clips": 30, "test_clips_of": 70, "steps": 500},
    **{"steps_trained": 700, "date": "2026-01-01", "kurdtts": "1", "before": FIGURES, "after": FIGURES},
    "differences": {"mel_distance": {"n": 30, "mean": -0.5, "low": -0.75, "high": -0.25}},
}


@pytest.mark.parametrize(
    ("licence", "identifier"),
    [
        ("CC BY-NC 4.0", "cc-by-nc-4.0"),
        ("CC0 1.0", "cc0-1.0"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("unknown: ask the maker of the base voice", "unknown"),
        ("only for my friends", "other"),
    ],
)
def test_a_fine_tuned_voices_readme_is_a_card_with_the_inherited_licence(licence, identifier):
    readme = finetune._readme(VoiceCard.of(CARD | {"licence": licence}))
    assert head_of(readme) == {
        "language": "kmr",
        "license": identifier,
        "base_model": "facebook/mms-tts-kmr-script_latin",
        "library_name": "transformers",
        "pipeline_tag": "text-to-speech",
    }
    figures = "| mel distance, nepers | 1.25"
    assert all(part in readme for part in (licence, "Common Voice", "900 clips", "500 steps", figures))
    assert "-0.50 (-0.75 to -0.25)" in readme
    assert "Measured on 30 (chosen by their hash from 70) other held-out sentences" in readme


def test_the_cards_example_speaks(audible_voice, tmp_path):
    save_voice(audible_voice, tmp_path / "voice", "")
    readme = finetune._readme(VoiceCard.of(CARD | {"licence": "CC0 1.0"}))
    (example,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    found: dict = {}
    exec(example.replace("this folder, or its name on the hub", (tmp_path / "voice").as_posix()), found)
    assert found["speech"]["audio"].std() > 0.01


def test_the_licence_is_inherited_from_the_base_also_over_two_generations(tiny_voice, tmp_path):
    voice, mms = tiny_voice, "facebook/mms-tts-kmr-script_latin"
    voice.card = {}
    assert finetune.licence_of(voice, mms) == "CC BY-NC 4.0"
    assert finetune.licence_of(voice, "somebody/voice").startswith("unknown")
    for _ in range(2):
        voice.card = {"licence": finetune.licence_of(voice, mms)}
        save_voice(voice, tmp_path / "voice", "")
        voice = load_voice(tmp_path / "voice")
    assert finetune.licence_of(voice, str(tmp_path / "voice")) == "CC BY-NC 4.0"
