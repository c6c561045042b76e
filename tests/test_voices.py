"""From prepared clips to a published voice, in miniature."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from speechlike import syllables

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.core.settings import AudioSettings, Profile, load_profile, with_preset
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.evaluation import evaluate as evaluation
from kurdtts_lib.evaluation.confidence import Estimate
from kurdtts_lib.evaluation.metrics import Reference, sentence_metrics
from kurdtts_lib.evaluation.validation import Validator
from kurdtts_lib.evaluation.words import bundled_sentences
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.log import Validation
from kurdtts_lib.vits.voice import Voice, load_unfolded, load_voice, save_voice
from kurdtts_lib.voices import finetune
from kurdtts_lib.voices.card import VoiceCard

pytestmark = pytest.mark.usefixtures("few_words")


@pytest.fixture
def profile(make_voice: Callable[..., Voice], tmp_path: Path) -> Profile:
    """The sample's first clips and a tiny untrained base voice; two steps."""
    base = make_voice()
    base.card = {"licence": "CC0 1.0"}
    save_voice(base, tmp_path / "base", "base\n")
    sample = load_profile("sample")
    return dataclasses.replace(
        sample,
        base_voice=str(tmp_path / "base"),
        corpus=dataclasses.replace(sample.corpus, held_out_share=0.5, max_samples=90),
        training=dataclasses.replace(
            sample.training, steps=2, batch_size=2, validate_every=1, validation_clips=1, checkpoint_every=2
        ),
    )


def test_a_fine_tuned_voice_is_the_best_one_and_carries_its_origin_figures_and_sounds(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(profile.corpus, profile.audio, profile.prepared_dir)
    parts = finetune.clips_of(profile)
    scores = iter([3.0, 1.0, 2.0])
    heard, judged, told = [], [], []

    def validate(validator: Validator, voice: Voice, step: int, folder: Path) -> Validation:
        heard.extend(validator.clips)
        return Validation(step, next(scores), 0.0)

    monkeypatch.setattr(Validator, "__call__", validate)
    trainer = finetune.prepare_training(profile)
    assert trainer.run()
    spoken = evaluation.speak
    monkeypatch.setattr(evaluation, "speak", lambda _, text, **how: (judged.append(text), spoken(_, text, **how))[1])
    result = finetune.finish_training(trainer, profile, told.append)

    # The best voice is published, and its figures are of sentences that chose nothing.
    tested = {clip.text for clip in parts.test}
    assert tested <= set(judged) <= tested | set(bundled_sentences())
    assert not set(judged) & {clip.text for clip in [*heard, *parts.train]}
    published, (best, step) = load_voice(result.entry.folder), trainer.best_voice()
    now, then, out = (part.model.text_encoder.embed_tokens.weight for part in (trainer.voice, best, published))
    assert step == 1 and torch.equal(then, out) and not torch.equal(then, now)
    card = read_json(result.entry.folder / "voice.json")
    assert (card["base_voice"], card["licence"], card["steps_trained"]) == ("base", "CC0 1.0", 2)
    assert card["steps"] == 1 and "step 1 " in told[0]
    assert card["test_clips"] == card["test_clips_of"] == len(result.evaluation.held_out.texts) >= finetune.SAMPLES
    assert published.card == card
    assert VoiceCard.of(card).content() == card
    readme = (result.entry.folder / "README.md").read_text(encoding="utf-8")
    assert "CC0 1.0" in readme and f"Measured on {card['test_clips']} other" in readme
    # Card, README, page and numbers are of one run, and say the same.
    numbers = read_json(result.entry.folder / "figures.json")
    for kind, name in (("before", finetune.BEFORE), ("after", finetune.AFTER)):
        assert {key: value["mean"] for key, value in numbers["figures"][name].items()} == card[kind]
    assert numbers["differences"][finetune.AFTER] == card["differences"]
    difference = str(Estimate(**card["differences"]["mel_distance"]))
    page = (result.entry.folder / "report.html").read_text(encoding="utf-8")
    assert difference in readme and difference in page and "machine-read" in page
    assert len(list((result.entry.folder / "samples").glob("*.wav"))) == 3 * finetune.SAMPLES


def test_several_speakers_become_one_voice_that_speaks_as_each_and_can_be_adapted(
    profile: Profile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everybody = dataclasses.replace(profile.corpus, speaker="all", held_out_share=0.3, max_samples=None)
    names = prepare(everybody, profile.audio, profile.prepared_dir).speakers
    trainer = finetune.prepare_training(profile)
    counts = Counter(clip.speaker for clip in trainer.reader.clips)
    once = Counter(clip.speaker for clip in finetune.clips_of(profile).train)
    most = max(once.values())
    assert counts == {name: round((count * most) ** 0.5) for name, count in once.items()} and len(once) > 2
    assert trainer.run()
    result = finetune.finish_training(trainer, profile, lambda line: None)

    card = read_json(result.entry.folder / "voice.json")
    assert card["speakers"] == names and load_unfolded(result.entry.folder).speakers == names
    first = {clip.text for clip in finetune.clips_of(profile).test if clip.speaker == names[0]}
    assert set(result.evaluation.held_out.texts) == first, "evaluated as the first speaker"
    plain, second = load_voice(result.entry.folder), load_voice(f"{result.entry.folder}:{names[1]}")
    assert not plain.speakers and not torch.equal(*(voice.model.decoder.conv_pre.bias for voice in (plain, second)))
    said = tmp_path / "said.wav"
    assert app.main(["say", "roj baş", "-o", str(said), "--voice", "1", "--speaker", names[1]]) == 0
    expected = speak(second, "roj baş")
    assert np.allclose(soundfile.read(said)[0][: len(expected)], expected, atol=1e-3)
    assert app.main(["voices"]) == 0 and f"speakers: {', '.join(names)}" in capsys.readouterr().out
    assert app.main(["say", "roj baş", "-o", str(said), "--voice", "1", "--speaker", "azad"]) == 1
    assert f"has the speakers {names[0]}" in capsys.readouterr().err

    # From there: the second speaker alone, and all of them once more.
    whole = load_unfolded(result.entry.folder)
    adapted = finetune.voice_for(whole, names[1:2])
    assert torch.equal(adapted.model.decoder.conv_pre.bias, second.model.decoder.conv_pre.bias)
    assert finetune.voice_for(whole, names[:2]) is whole
    assert finetune.voice_for(whole, ["zerdesht", "zin"]).speakers == ["zerdesht", "zin"]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_training_without_one_of_the_three_parts_is_refused(profile: Profile, share: float) -> None:
    everything = dataclasses.replace(profile.corpus, held_out_share=share)
    prepare(everything, profile.audio, profile.prepared_dir)
    with pytest.raises(TrainingError, match=r"clips to learn from, \d+ to validate and \d+ to test"):
        finetune.prepare_training(profile)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a card")
def test_the_graphics_cards_preset_is_refused_where_there_is_none(profile: Profile) -> None:
    with pytest.raises(TrainingError, match="--preset cpu"):
        finetune.check_machine(dataclasses.replace(profile, training=with_preset(profile.training, "gpu-8gb")))


def test_a_card_without_bf16_is_an_error_that_says_what_to_do(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(precision: str) -> None:
        training = dataclasses.replace(profile.training, mixed_precision=precision)
        finetune.check_machine(dataclasses.replace(profile, training=training))

    check("bf16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    check("fp16")
    with pytest.raises(TrainingError, match="mixed_precision=fp16"):
        check("bf16")


def test_silence_is_judged_without_an_exception_and_clearly_bad(audio: AudioSettings) -> None:
    sounds = [syllables(1.0, pitch, seed=pitch).astype(np.float32) for pitch in (120, 150)]
    figures = sentence_metrics([0 * sound for sound in sounds], Reference(sounds, sounds, audio)).mean()
    assert figures.loudness_difference_db < -90
    assert figures[["pitch", "pitch_error"]].isna().all() and figures.silence_share == 1
    assert figures.mel_distance > 0.3
