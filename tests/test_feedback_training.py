"""A voice learns its corrections from a mixed set, and what forgot or fell silent never becomes the current voice."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from speechlike import common_voice, syllables

from kurdtts_lib.audio.io import decode
from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import TrainingError, VoiceError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings, FeedbackSettings, Profile, TrainingSettings
from kurdtts_lib.data.dataset import Clip, part_of
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.evaluation import validation
from kurdtts_lib.evaluation.evaluate import Evaluation, evaluate
from kurdtts_lib.evaluation.validation import Likeness, Validator
from kurdtts_lib.feedback import finetune
from kurdtts_lib.feedback.finetune import FeedbackTraining
from kurdtts_lib.feedback.job import only_training
from kurdtts_lib.feedback.replay import REPLAY_CLIPS, hold_out, mix, ordinary_sentences
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.text import normalize
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices import lineage, registry

pytestmark = pytest.mark.filterwarnings("ignore:There are no ordinary recordings")
TEXTS = ["Roj baş, heval.", "Ez diçim malê.", "Navê min Azad e.", "Em li vir in.", "Av sar e îro."]
words = st.lists(st.text("abcdeş", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)


def clips(texts: Sequence[str]) -> list[Clip]:
    return [Clip(Path(f"{number}.wav"), text) for number, text in enumerate(texts)]


@given(words, st.floats(0, 1))
def test_each_side_has_a_sentence_and_no_sentence_is_on_both(texts: list[str], share: float) -> None:
    learned, held = hold_out(clips([*texts, *texts]), share)
    assert len(learned) + len(held) == 2 * len(texts)
    assert not {clip.text for clip in learned} & {clip.text for clip in held}
    assert learned and (held or len(texts) == 1)


@given(words, words)
def test_what_was_learned_is_never_held_out_later(first: list[str], more: list[str]) -> None:
    assume({part_of(text, 0.2) == "train" for text in first} == {True, False})
    learned, _ = hold_out(clips(first), 0.2)
    _, held_later = hold_out(clips(list(dict.fromkeys([*first, *more]))), 0.2)
    assert not {clip.text for clip in learned} & {clip.text for clip in held_later}


@given(st.integers(1, 600), st.integers(1, 300), st.floats(0.05, 0.95))
@example(50, 100, 0.75).via("as many as the least variety")
@example(200, 100, 0.75).via("more than there are ordinary clips for")
@example(500, 30, 0.75)
def test_the_share_of_ordinary_clips_is_kept_for_any_number_of_corrections(
    corrections: int, base: int, share: float
) -> None:
    mixed = mix(clips([f"c{n}" for n in range(corrections)]), clips([f"b{n}" for n in range(base)]), share)
    heard = Counter(clip.text for clip in mixed if clip.text.startswith("c"))
    ordinary = Counter(clip.text for clip in mixed if clip.text.startswith("b"))
    assert len(heard) == corrections and len(set(heard.values())) == 1, "all of them, equally often"
    assert abs(ordinary.total() - heard.total() * share / (1 - share)) <= 0.5 + 1e-6
    spread = [ordinary[f"b{n}"] for n in range(base)]
    assert max(spread) - min(spread) <= 1, "none again before all were heard"
    assert ordinary.total() >= 0.6 * min(base, REPLAY_CLIPS), "enough different ones"


def test_ordinary_clips_are_drawn_from_all_and_the_same_ones_again() -> None:
    corrections, base = clips(["c1", "c2"]), clips([f"b{n}" for n in range(1000)])
    drawn = [clip for clip in mix(corrections, base, 0.75) if clip in base]
    places = [base.index(clip) for clip in drawn]
    assert min(places) < 200 and max(places) > 800, "a corpus is often sorted by speaker"
    assert {c.text for c in drawn} == {c.text for c in mix(corrections, base[::-1], 0.75) if c in base}
    assert mix(corrections, [], 0.5) == mix(corrections, base, 0.0) == corrections


def test_ordinary_sentences_are_certain_and_different() -> None:
    sentences = ordinary_sentences(48)
    assert len(set(sentences)) == 48
    assert all(normalize(text, marks=True).text == text and not normalize(text).uncertain() for text in sentences)
    assert ordinary_sentences(20) == sentences[:20]


@pytest.fixture
def profile(tmp_path: Path, few_words: None) -> Profile:
    return Profile(
        name="test",
        corpus=CorpusSettings(),
        base_voice="none",
        training=TrainingSettings(batch_size=2, segment_samples=4096, validation_clips=2, discriminator_warmup=0),
        feedback=FeedbackSettings(steps=2, learning_rate=1e-4, validate_every=1),
        data_dir=tmp_path / "prepared",
    )


@pytest.fixture
def store() -> FeedbackStore:
    store = FeedbackStore()
    for number, text in enumerate(TEXTS):
        sound = syllables(2.0, pitch=150 + 10 * number, seed=number).astype(np.float32)
        store.accept(store.submit((sound, 16_000), text, consent=True).id)
    return store


@pytest.fixture
def task(profile: Profile, store: FeedbackStore, current: registry.RegisteredVoice) -> FeedbackTraining:
    return FeedbackTraining(profile, store)


@pytest.fixture
def learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of a tiny voice improve it or not, as it happens; here the last one counts as the best."""
    validate = Validator.__call__
    monkeypatch.setattr(
        Validator,
        "__call__",
        lambda own, voice, step, folder: dataclasses.replace(validate(own, voice, step, folder), scores=[9.0 - step]),
    )


@pytest.fixture
def prepared(profile: Profile, tmp_path: Path) -> None:
    """Ordinary recordings for the profile: enough that each of the three parts has some."""
    sentences = [f"{text} {word}" for text in ordinary_sentences(20) for word in ("baş", "îro")]
    rows = [{"sentence": text, "seconds": 4.5} for text in sentences]
    corpus = CorpusSettings(source=str(common_voice(tmp_path / "corpus", rows)), held_out_share=0.3, pace_mads=None)
    prepare(corpus, profile.audio, profile.prepared_dir)


@pytest.mark.usefixtures("learning", "prepared")
def test_corrections_become_a_new_version_that_says_where_it_comes_from(
    profile: Profile, store: FeedbackStore, current: registry.RegisteredVoice
) -> None:
    task = FeedbackTraining(profile, store)
    settings = task.trainer.settings
    assert (settings.steps, settings.learning_rate, settings.batch_size) == (2, 1e-4, profile.training.batch_size)
    assert not task.rehearsal and len(task.learned) + len(task.held_out) == len(TEXTS)
    assert task.trainer.run()
    result = task.finish(lambda line: None)
    card = result.entry.card
    assert (card.version, card.parent, card.licence) == (2, current.version, "CC0 1.0")
    assert sorted(card.corrections) == sorted(one.id for one in store.corrections())
    assert {one.state for one in store.corrections()} == {"used"}
    assert result.learned.sentences + (result.held_out.sentences if result.held_out else 0) == len(TEXTS)
    assert result.elsewhere.sentences == min(finetune.RETENTION_SENTENCES, len(task.base.test))
    old, new = (load_voice(str(entry.folder)).model.state_dict() for entry in (current, result.entry))
    changed = {name.split(".")[0] for name in old if not torch.allclose(old[name], new[name])}
    assert changed == {"text_encoder", "duration_predictor"}, "how the voice sounds stays, but for rounding"
    readme = (result.entry.folder / "README.md").read_text(encoding="utf-8")
    assert "version 2" in readme and f"| ordinary sentences | {result.elsewhere.sentences} |" in readme


@pytest.mark.usefixtures("learning", "prepared")
@pytest.mark.parametrize(
    ("worse", "may_be_current"),
    [({"mel_distance": 1.051}, False), ({"mel_distance": 1.049}, True), ({"words_first": 0.8}, False)],
)
def test_a_voice_that_forgot_is_kept_and_not_current(
    profile: Profile,
    store: FeedbackStore,
    current: registry.RegisteredVoice,
    monkeypatch: pytest.MonkeyPatch,
    worse: dict[str, float],
    may_be_current: bool,
) -> None:
    usual = {"mel_distance": 1.0, "loudness_difference_db": 0.0, "voicing_error": 0.1, "pitch": 200.0}
    usual |= {"silence_share": 0.1, "words_first": 1.0, "words_margin": 0.6}

    def changed(*given: Any, **options: Any) -> Evaluation:
        found = evaluate(*given, **options)
        values = {name: table.assign(**usual) for name, table in found.values.items()}
        return dataclasses.replace(found, values=values | {finetune.AFTER: values[finetune.AFTER].assign(**worse)})

    monkeypatch.setattr(finetune, "evaluate", changed)
    task = FeedbackTraining(profile, store)
    task.trainer.run()
    result = task.finish(lambda line: None)
    assert result.better and ("did not become" in result.message) == (not may_be_current)
    assert (result.entry.faults == []) == may_be_current == result.entry.current
    assert registry.current().version == (result.entry.version if may_be_current else current.version)


def test_where_no_step_is_better_the_voice_stays_and_nothing_is_used(
    profile: Profile, store: FeedbackStore, current: registry.RegisteredVoice
) -> None:
    still = dataclasses.replace(profile, feedback=dataclasses.replace(profile.feedback, learning_rate=0.0))
    task = FeedbackTraining(still, store)
    assert task.trainer.run() and task.trainer.step == 2
    result = task.finish(lambda line: None)
    assert not result.better and result.entry == current == registry.current()
    assert result.message.startswith("Nothing better was found") and "voice 1" in result.message
    assert [one.version for one in registry.voices()] == [1]
    assert {one.state for one in store.corrections()} == {"accepted"}
    for change in (result.learned, result.held_out, result.elsewhere):
        assert change is not None and change.before == change.after > 0


def test_what_is_measured_is_what_the_formulas_say(
    tiny_voice: Voice, tone_clips: list[Clip], audio: AudioSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = tone_clips[:3]
    speech = [np.full(16_000, 0.1, np.float32), *(syllables(1.0, seed=n).astype(np.float32) for n in (1, 2))]

    def said(speech: Sequence[np.ndarray]) -> Likeness:
        spoken = iter(speech)
        monkeypatch.setattr(validation, "speak", lambda *_, **how: next(spoken))
        return validation.likeness(tiny_voice, clips, audio)

    found = said(speech)
    recordings = [decode(clip.path, audio.sampling_rate) for clip in clips]
    energies = [[float(np.mean(np.float64(sound) ** 2)) for sound in sounds] for sounds in (recordings, speech)]
    louder = [10 * np.log10(spoken / recorded) for recorded, spoken in zip(*energies, strict=True)]
    assert found.loudness_difference_db == pytest.approx(np.mean(louder), abs=1e-3)
    assert said(recordings).mel_distance < 1e-6 < 0.1 < found.mel_distance


@pytest.mark.usefixtures("learning")
def test_what_is_too_long_or_was_edited_during_the_training_stays_accepted(
    profile: Profile, store: FeedbackStore, current: registry.RegisteredVoice
) -> None:
    long = (syllables(13.0, seed=50).astype(np.float32), 16_000)
    correction = store.submit(long, " ".join(TEXTS * 2), consent=True)
    assert "leaves a longer one out" in " ".join(correction.checks), "said when it is handed in"
    store.accept(correction.id)
    task = FeedbackTraining(profile, store)
    assert list(task.left_out) == [correction.id] and "12 s at most" in task.left_out[correction.id]
    assert correction.id not in [clip.path.stem for clip in (*task.learned, *task.held_out)]
    task.trainer.run()
    edited, *others = store.corrections()[: len(TEXTS)]
    store.edit_text(edited.id, "Roj baş, hevala min.")
    entry = task.finish(lambda line: None).entry
    finetune.mark_voices(store)
    assert entry.card.corrections_left_out == task.left_out
    assert sorted(entry.card.corrections) == sorted(one.id for one in (edited, *others))
    assert {one.id for one in store.corrections() if one.state == "accepted"} == {correction.id, edited.id}
    assert store.withdraw(edited.id) == [entry.folder.name], "the voice knows its sound all the same"
    for one in others:
        store.withdraw(one.id)
    with pytest.raises(TrainingError, match="longer than 12 s"):
        FeedbackTraining(profile, store)


def test_only_accepted_corrections_teach_and_without_recordings_the_voice_practises_its_own_speech(
    profile: Profile, store: FeedbackStore, current: registry.RegisteredVoice
) -> None:
    first, second, *_ = store.corrections()
    store.withdraw(first.id)
    new = store.submit((syllables(2.0, seed=99).astype(np.float32), 16_000), "Ew hat malê.", consent=True)
    with pytest.warns(UserWarning, match="its own earlier speech"):
        task = FeedbackTraining(profile, store)
    ids = {one.id for one in task.corrections}
    assert second.id in ids and not {first.id, new.id} & ids
    assert task.rehearsal and len(task.base.test) == finetune.RETENTION_SENTENCES < len(task.base.train)
    assert {clip.path.parent.name for clip in task.base.train} == {"own-speech"}


def test_nothing_accepted_and_no_voice_are_clear_errors(profile: Profile, request: pytest.FixtureRequest) -> None:
    with pytest.raises(VoiceError, match="no fine-tuned voice yet"):
        FeedbackTraining(profile, FeedbackStore())
    request.getfixturevalue("current")
    with pytest.raises(TrainingError, match="No correction is accepted"):
        FeedbackTraining(profile, FeedbackStore())


def test_a_stopped_training_goes_on_and_other_corrections_begin_anew(
    task: FeedbackTraining, profile: Profile, store: FeedbackStore
) -> None:
    task.trainer.run()
    assert FeedbackTraining(profile, store).trainer.step == 2
    store.withdraw(store.corrections()[0].id)
    assert FeedbackTraining(profile, store).trainer.step == 0


@pytest.mark.usefixtures("learning")
def test_withdrawing_marks_the_voice_that_learned_also_after_a_kill_before_the_mark(
    task: FeedbackTraining, store: FeedbackStore, current: registry.RegisteredVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.trainer.run()
    with monkeypatch.context() as patch:
        patch.setattr(finetune, "mark_voices", lambda store: None)  # killed between the voice and its mark
        entry = task.finish(lambda line: None).entry
    card = current.folder / "voice.json"  # a voice of another store changes nothing
    card.write_text('{"faults": [], "corrections": ["0123456789abcdef0123456789abcdef"]}', encoding="utf-8")
    chosen = store.corrections()[0].id
    assert store.get(chosen).state == "accepted"
    finetune.mark_voices(store)
    assert store.withdraw(chosen) == [entry.folder.name]
    assert store.tainted_voices() == {entry.folder.name: [chosen]}


def test_only_one_training_at_a_time() -> None:
    for _ in range(2):
        with only_training(), pytest.raises(TrainingError, match="is running"), only_training():
            pass


@pytest.mark.usefixtures("learning")
def test_the_command_line_trains_and_says_what_became_of_it(
    profile: Profile,
    store: FeedbackStore,
    current: registry.RegisteredVoice,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert app.main(["feedback", "train"]) == 1 and "does not say which profile" in capsys.readouterr().err
    few = dataclasses.replace(
        lineage.profile_of(current, "sample"), training=profile.training, feedback=profile.feedback
    )
    monkeypatch.setattr(lineage, "profile_of", lambda *_: few)
    assert app.main(["feedback", "train", "--profile", "sample"]) == 0
    said = capsys.readouterr().out
    assert "elsewhere" in said and "held out" in said
    assert said.splitlines()[-1] == "Voice 2 was made and is the current voice now."
    assert app.main(["voices"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len([line for line in listed if line.startswith("*")]) == 2, "the current voice, and what the star means"
    store.withdraw(store.corrections()[0].id)
    assert app.main(["voices"]) == 0
    assert "withdrawn since" in capsys.readouterr().out
