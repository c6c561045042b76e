"""Marks that a voice can hear: in its text, its vocabulary, its training data and its speech."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from test_text import any_text, spoken_or_none
from tiny import AUDIO, write_tone
from transformers import VitsModel, VitsTokenizer

from kurdtts_lib.core.settings import REPOSITORY, TrainingSettings
from kurdtts_lib.data.dataset import Clip, part_of, sampled, sentence_hash
from kurdtts_lib.evaluation.words import Listener
from kurdtts_lib.feedback.replay import hold_out
from kurdtts_lib.speech import speak
from kurdtts_lib.speech.clauses import MAX_CHARACTERS, clauses_of
from kurdtts_lib.text import MARKS, encode, knows_marks, normalize, without_marks
from kurdtts_lib.vits.marks import with_marks
from kurdtts_lib.vits.speakers import add_speakers
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, load_voice, save_voice


@pytest.fixture(scope="module")
def base() -> Voice:
    return load_voice(REPOSITORY / "models" / "tiny-kmr")


@pytest.fixture(scope="module")
def marked(base: Voice) -> Voice:
    return with_marks(base)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Tu têyî?", "tu têyî?"),
        ("Erê, «ez têm»; hwd.", "erê, ez têm, her wekî din."),
        ("… Wî got: “Na!” – (çima?!)", "wî got: na! çima?"),
        ("Dr. Azad 1,5 kg sêv “dixwe”…", "doktor azad yek bêhnok pênc kîlogram sêv dixwe."),
        ("Rêya Amed–Wan baş e", "rêya amed wan baş e"),
        ("We go' , ew", "we go', ew"),
    ],
)
def test_marks_are_written_where_a_clause_ends(written, spoken):
    assert normalize(written, marks=True).text == spoken


@given(any_text)
def test_a_text_without_its_marks_is_the_one_that_is_read_without_them(text):
    if (spoken := spoken_or_none(text)) is not None:
        with_them = normalize(text, lexicon={}, marks=True).text
        assert without_marks(with_them) == spoken
        assert normalize(with_them, lexicon={}).text == spoken


def test_marks_do_not_move_a_sentence_to_another_part():
    texts = [f"hejmar {letter}{other}, erê" for letter in "bcdfgjk" for other in "aeêiîouû"]
    parts = {part_of(text, 0.5) for text in texts}
    assert parts == {"train", "validation", "test"}
    for text in texts:
        assert part_of(f"{text}?", 0.5) == part_of(without_marks(text), 0.5)
    clips = [Clip(Path(str(number)), text) for number, text in enumerate(texts)]
    unmarked = [dataclasses.replace(clip, text=without_marks(clip.text)) for clip in clips]
    assert [clip.path for clip in sampled(clips, 9)] == [clip.path for clip in sampled(unmarked, 9)]


def test_a_question_and_a_statement_of_the_same_words_are_held_out_together():
    clips = [Clip(Path(text), text) for text in ("tu hatî?", "tu hatî.", "ez hatim.", "ez hatim!")]
    train, held = hold_out(clips, 0.0)
    assert sorted(map(len, (train, held))) == [2, 2] and sentence_hash(held[0].text) == sentence_hash(held[1].text)


def test_only_words_are_compared_by_a_listener(base: Voice):
    texts = ["tu kengî têyî?", "ez îro, nayêm."]
    listener = Listener(base, AUDIO)
    waveforms = [speak(base, text, level=False, normalized=True) for text in texts]
    unmarked = listener.metrics(waveforms, [without_marks(text) for text in texts])
    assert listener.metrics(waveforms, texts).equals(unmarked)


# --- the voice -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speakers", [[], ["berfin", "azad"]])
def test_an_extended_voice_speaks_as_before(base: Voice, speakers: list[str]):
    if speakers:
        base = dataclasses.replace(base, model=add_speakers(base.model, speakers))
    extended = with_marks(base)
    assert extended.speakers == speakers and extended.discriminator is base.discriminator
    one, other = (speak(voice.speaking_as(*speakers[:1]), "nan û jin") for voice in (base, extended))
    assert np.array_equal(one, other)
    assert not knows_marks(base.tokenizer) and knows_marks(extended.tokenizer) and set(MARKS) == set(".,?!:")


def test_an_extended_voice_can_be_extended_again_without_a_change(marked: Voice):
    again = with_marks(marked)
    assert again.tokenizer.get_vocab() == marked.tokenizer.get_vocab()
    weights = again.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in marked.model.state_dict().items())


TEXTS = ["nan", "jin", "binnivîse", "navê min azad e", "Tu kengî têyî?", "Erê, ez têm.", "Wî got: were!"]


def test_transformers_alone_speaks_with_the_token_ids_of_the_training(marked: Voice, tmp_path: Path):
    save_voice(marked, tmp_path / "voice", "")
    tokenizer, voice = VitsTokenizer.from_pretrained(tmp_path / "voice"), load_voice(tmp_path / "voice")
    for text in TEXTS:
        assert tokenizer(text).input_ids == encode(text, voice.tokenizer), text
    assert tokenizer.pad_token == "<pad>" and tokenizer.pad_token_id == 0
    model = VitsModel.from_pretrained(tmp_path / "voice")
    inputs = tokenizer("Tu kengî têyî?", return_tensors="pt")
    lengths = []
    for noise in (0.0, 0.0):
        model.noise_scale = noise
        lengths.append(model(**inputs).waveform.shape[1])
    ours = speak(voice, "Tu kengî têyî?", noise_scale=0.0, level=False)
    assert lengths == [len(ours)] * 2
    assert np.abs(model(**inputs).waveform[0].detach().numpy() - ours).max() < 1e-4


def test_a_training_teaches_marks_and_the_letter_that_was_the_padding(make_voice, tmp_path: Path):
    clips = [write_tone(tmp_path / f"{number}.wav", 1.5, 110, text) for number, text in enumerate(["nan?", "jin."])]
    settings = TrainingSettings(steps=2, batch_size=2, segment_samples=4096, discriminator_warmup=0)
    for pad in (None, 0):  # with an index, torch would freeze the row of the blank
        voice = with_marks(make_voice(pad_token_id=pad))
        vocabulary = voice.tokenizer.get_vocab()
        weight = voice.model.text_encoder.embed_tokens.weight
        before = weight.detach().clone()
        Trainer(voice, clips, None, settings, AUDIO, tmp_path / f"run-{pad}").run()
        change = (weight - before).abs().amax(dim=1)
        learned = [0, *(vocabulary[symbol] for symbol in "n?.")]
        assert (change[learned] > 3 * change[vocabulary[":"]]).all(), "weight decay alone moves what is not read"


def test_a_voice_that_knows_no_marks_trains_on_a_text_with_them_as_on_one_without(base: Voice, marked: Voice):
    text = "Erê, tu çawa yî?"
    assert encode(text, base.tokenizer) == encode(without_marks(text), base.tokenizer)
    assert len(encode(text, marked.tokenizer)) == len(encode(text, base.tokenizer)) + 4


# --- speech --------------------------------------------------------------------------------------------------------


def test_a_voice_that_knows_marks_gets_sentences_and_another_one_clauses(base: Voice, marked: Voice):
    text = "Erê ji te re dibêjim, “ez hevalê te me – Azad” têm. Tu çawa yî?"
    assert [(one.text, one.pause) for one in clauses_of(text, base.tokenizer)] == [
        *(("Erê ji te re dibêjim,", 0.15), ("“ez hevalê te me – Azad” têm.", 0.3), ("Tu çawa yî?", 0.0)),
    ]
    sentences = clauses_of(text, marked.tokenizer)
    assert [(one.text, one.pause) for one in sentences] == [(text[:-12], 0.3), ("Tu çawa yî?", 0.0)]
    assert all(one.ends_sentence for one in sentences)
    spoken = normalize(sentences[0].text, marks=True).text
    found = [(word.text, spoken[word.start : word.end]) for word in sentences[0].words]
    assert found[4:6] == [("dibêjim,", "dibêjim"), ("“ez", "ez")]
    assert found[-3:] == [("me –", "me"), ("Azad”", "azad"), ("têm.", "têm")]
    symbols = {index: symbol for symbol, index in marked.tokenizer.get_vocab().items()}
    assert "".join(symbols[index] for index in sentences[0].chunks[0][1::2]) == spoken


def test_a_long_sentence_is_cut_at_its_clauses(marked: Voice):
    clause = " ".join(["dar"] * 20) + ","
    clauses = clauses_of(f"{clause} {clause} {clause} ez têm.", marked.tokenizer)
    assert [(len(one.text), one.ends_sentence) for one in clauses] == [(161, False), (88, True)]
    longest = max(len(chunk) for one in clauses_of("dar " * 200, marked.tokenizer) for chunk in one.chunks)
    assert longest <= 2 * MAX_CHARACTERS + 1
