"""The bundled corpus holds what its README says, and preparation finds every fault that was put into it."""

import dataclasses
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pyarrow.parquet
import pytest
import soundfile

from kurdtts_lib.core.files import read_json
from kurdtts_lib.core.settings import REPOSITORY, load_profile
from kurdtts_lib.data.dataset import KEPT
from kurdtts_lib.data.prepare import Preparation, prepare
from kurdtts_lib.data.sources import read_corpus
from kurdtts_lib.data.speakers import speaker_name
from kurdtts_lib.text import LETTERS, normalize

SAMPLE = REPOSITORY / "data" / "sample"
FAULTS = read_json(SAMPLE / "faults.json")
PROFILE = load_profile("sample")
TARGET = speaker_name(FAULTS["target_client_id"])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Preparation:
    return prepare(PROFILE.corpus, PROFILE.audio, tmp_path_factory.mktemp("sample") / "prepared")


def test_sample_has_the_columns_of_the_hub_data_set() -> None:
    (file,) = SAMPLE.rglob("*.parquet")
    names = pyarrow.parquet.read_schema(file).names
    assert names[:7] == ["client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender"]


def test_every_letter_occurs_at_least_twenty_times_in_the_sentences_the_voice_learns(prepared: Preparation) -> None:
    counts = Counter("".join(prepared.kept["text"]))
    assert min((counts[letter], letter) for letter in LETTERS)[0] >= 20


def test_preparation_counts_each_fault_of_the_target_voice_by_its_reason(prepared: Preparation) -> None:
    target = prepared.clips[prepared.clips["speaker"] == TARGET]
    reasons, faults = Counter(target["reason"]), FAULTS["target_faults"]
    assert reasons == {
        KEPT: FAULTS["target_good_clips"] + faults["nfd"] + faults["stereo"] + faults["digits"] - 1,
        "pace too far from the usual": 1,  # "Hûn çawa ne, baş in?": four short words and a pause
        "too few votes": faults["too_few_votes"],
        "voted down": faults["down_voted"],
        "cannot be decoded": faults["undecodable"],
        "silent": faults["silent"],
        "too long": faults["too_long"],
        "uncertain reading": faults["abbreviation"],
        "letter without a reading": faults["foreign_script"],
        "sentence read better in another clip": faults["duplicate"],
    }
    assert prepared.mended == {
        "Unicode form": faults["nfd"],
        "number": faults["digits"],
        "several channels to one": faults["stereo"],
    }


def test_every_clip_has_one_reason_and_the_voice_is_the_longest_speaker(prepared: Preparation) -> None:
    assert len(prepared.clips) == FAULTS["clips"]
    assert sorted(prepared.clips["number"]) == list(range(FAULTS["clips"]))
    assert prepared.speakers == [TARGET]
    assert prepared.clips["source_seconds"].isna().sum() == FAULTS["faults"]["undecodable"]
    assert (prepared.clips["channels"] == 2).sum() == FAULTS["faults"]["stereo"]


def test_written_wavs_are_mono_at_the_voices_rate_and_the_split_has_no_sentence_twice(prepared: Preparation) -> None:
    infos = [soundfile.info(prepared.folder / file) for file in prepared.kept["file"]]
    assert {(info.samplerate, info.channels) for info in infos} == {(PROFILE.audio.sampling_rate, 1)}
    parts = prepared.kept.groupby("part")["text"].agg(set)
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert len(parts["validation"]) >= 5 and len(parts["test"]) >= 6
    assert all(normalize(text, marks=True).text == text for text in prepared.kept["text"])


def test_the_recipes_sentences_are_those_of_the_corpus() -> None:
    table = (REPOSITORY / "recipes" / "sample_sentences.tsv").read_text(encoding="utf-8").splitlines()[1:]
    written = Counter(line.split("\t")[2] for line in table)
    stored = Counter(unicodedata.normalize("NFC", clip.sentence) for clip in read_corpus(PROFILE.corpus))
    assert stored == written
    assert "machine read" in (SAMPLE / "README.md").read_text(encoding="utf-8").lower()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng, which reads the sample, is not installed")
def test_the_recipe_makes_the_same_corpus_again(tmp_path: Path) -> None:
    """The same rows and faults; the sound's bytes depend on the versions of espeak-ng and of the MP3 encoder."""
    recipe = REPOSITORY / "recipes" / "make_sample.py"
    subprocess.run([sys.executable, str(recipe), "--output", str(tmp_path / "sample")], check=True)
    assert read_json(tmp_path / "sample" / "faults.json") == FAULTS

    def rows(folder: Path) -> list[tuple]:
        corpus = dataclasses.replace(PROFILE.corpus, source=str(folder))
        return [(clip.name, clip.speaker, clip.sentence, clip.up_votes) for clip in read_corpus(corpus)]

    assert rows(tmp_path / "sample") == rows(SAMPLE)
