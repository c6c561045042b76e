"""From prepared clips to a published voice, in miniature."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from kurdtts_lib import voices
from kurdtts_lib.audio import decode
from kurdtts_lib.corpus.clips import Clip
from kurdtts_lib.corpus.preparation import prepare
from kurdtts_lib.errors import CorpusError, TrainingError
from kurdtts_lib.files import read_json
from kurdtts_lib.judging import compare
from kurdtts_lib.settings import AudioSettings, Profile, load_profile
from kurdtts_lib.vits.voice import Voice, load_voice, save_voice


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
        corpus=dataclasses.replace(sample.corpus, validation_share=0.1),
        training=dataclasses.replace(
            sample.training, steps=2, batch_size=2, validate_every=2, validation_clips=1, checkpoint_every=2
        ),
    )


def test_a_fine_tuned_voice_carries_its_origin_figures_and_sounds(profile: Profile) -> None:
    prepare(profile.corpus, profile.audio, profile.prepared_dir)
    trainer = voices.prepare_training(profile)
    assert trainer.run()
    result = voices.finish_training(trainer, profile)

    card = read_json(result.folder / "voice.json")
    assert (card["base_voice"], card["licence"], card["steps"]) == ("base", "CC0 1.0", 2)
    assert card["held_out_clips"] == result.after.sentences >= 8
    assert card["before"] == dataclasses.asdict(result.before)
    assert "CC0 1.0" in (result.folder / "README.md").read_text(encoding="utf-8")
    assert len(list((result.folder / "samples").glob("*.wav"))) == 3 * voices.SAMPLES
    # Real speech of the same speaker is nearer than any other speaker: the measure can tell voices apart.
    assert result.baselines.same_voice < 0.5 * result.baselines.other_voices
    assert load_voice(result.folder).card == card


def test_a_training_without_held_out_sentences_is_refused(profile: Profile) -> None:
    everything = dataclasses.replace(profile.corpus, validation_share=0.0)
    prepare(everything, profile.audio, profile.prepared_dir)
    with pytest.raises(TrainingError, match="No sentence is held out"):
        voices.prepare_training(profile)


def test_licence_is_inherited_from_the_base(make_voice: Callable[..., Voice]) -> None:
    voice = make_voice()
    assert voices.licence_of(voice, "facebook/mms-tts-kmr-script_latin") == "CC BY-NC 4.0"
    assert voices.licence_of(voice, "somebody/voice").startswith("unknown")
    voice.card = {"licence": "CC BY 4.0"}
    assert voices.licence_of(voice, "facebook/mms-tts-kmr-script_latin") == "CC BY 4.0"


def test_a_recording_judged_against_itself_is_perfect(tone_clips: list[Clip], audio: AudioSettings) -> None:
    sounds = [decode(clip.path, audio.sampling_rate) for clip in tone_clips[:3]]
    figures = compare(sounds, sounds, sounds, audio)
    assert figures.mel_cepstral_distance == pytest.approx(0, abs=1e-6)
    assert figures.speaker_distance == pytest.approx(0, abs=1e-6)
    assert (figures.duration_ratio, figures.loudness_difference_db, figures.sentences) == (1, 0, 3)
    assert 100 < figures.pitch < 160


def test_silence_is_judged_without_an_exception_and_clearly_bad(tone_clips: list[Clip], audio: AudioSettings) -> None:
    sounds = [decode(clip.path, audio.sampling_rate) for clip in tone_clips[:2]]
    figures = compare([0 * sound for sound in sounds], sounds, sounds, audio)
    assert figures.loudness_difference_db < -90
    assert figures.pitch == 0
    assert figures.mel_distance > 1


def test_nothing_held_out_cannot_be_judged(audio: AudioSettings) -> None:
    with pytest.raises(CorpusError, match="No sentence is held out"):
        compare([], [], [], audio)
