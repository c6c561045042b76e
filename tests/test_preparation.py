"""Rules of preparation that the sample's faults do not reach."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kurdtts_lib.corpus import preparation
from kurdtts_lib.corpus.clips import Clip, Parts, part_of, read_metadata, split, write_metadata
from kurdtts_lib.corpus.sources import SourceClip
from kurdtts_lib.errors import CorpusError, KurdTTSError
from kurdtts_lib.settings import AudioSettings, CorpusSettings, load_profile

SETTINGS = CorpusSettings()


def clip(sentence: str, **changes: object) -> SourceClip:
    base = SourceClip(0, "a.mp3", b"", "x", sentence, up_votes=2, down_votes=0, age="", gender="")
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Ez diçim malê.", "kept"),
        ("Sala 2024an", "kept"),
        ("Saet 10:30 e", "uncertain reading"),
        ("%50 baş e", "uncertain reading"),
        ("Dr. Azad li vir e.", "uncertain reading"),
        ("TRT li vir e.", "uncertain reading"),
        ("NATO li vir e.", "uncertain reading"),
        ("Prof. Berîvan îro nayê.", "uncertain reading"),
        ("A. Xan hat.", "uncertain reading"),
        ("Erê. Ez têm.", "kept"),
        ("Sêv, hirmî û hwd.", "uncertain reading"),
        ("Ew çû. Ez jî çûm.", "kept"),
        ("روژ باش", "letter without a reading"),
        ("Әз дьчьм", "uncertain reading"),
        ("Roj baş 🙂", "uncertain reading"),
        ("binêre kurd.org", "address"),
        ("...", "nothing to say"),
        ("", "nothing to say"),
    ],
)
def test_text_rules_give_the_reason(sentence: str, reason: str) -> None:
    assert preparation._judge_text(clip(sentence), SETTINGS)["reason"] == reason


def test_an_uncertain_reading_is_shown_with_its_place() -> None:
    assert preparation._judge_text(clip("Dr. Azad, 10:30"), SETTINGS)["detail"] == "Dr. (abbreviation); 10:30 (time)"


def test_a_spelled_number_is_a_repair() -> None:
    fate = preparation._judge_text(clip("Ez 25 salî me."), SETTINGS)
    assert (fate["text"], fate["mended"]) == ("ez bîst û pênc salî me", "number")


def test_votes_come_before_text() -> None:
    assert preparation._judge_text(clip("123", down_votes=1), SETTINGS)["reason"] == "voted down"


def test_nothing_left_names_the_reasons(tmp_path: Path) -> None:
    strict = dataclasses.replace(load_profile("sample").corpus, min_up_votes=1000)
    with pytest.raises(CorpusError, match="too few votes"):
        preparation.prepare(strict, AudioSettings(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failed_preparation_keeps_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = dataclasses.replace(load_profile("sample").corpus, max_samples=30)
    preparation.prepare(sample, AudioSettings(), tmp_path / "out")
    before = (tmp_path / "out" / "metadata.csv").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preparation, "write_wav", full)
    with pytest.raises(OSError, match="No space left"):
        preparation.prepare(sample, AudioSettings(), tmp_path / "out")
    assert (tmp_path / "out" / "metadata.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(KurdTTSError, match="other files"):
        preparation.prepare(load_profile("sample").corpus, AudioSettings(), tmp_path)
    assert (tmp_path / "thesis.txt").is_file()


def test_writing_over_the_source_is_refused(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, source=str(tmp_path / "out" / "corpus"))
    with pytest.raises(CorpusError, match="holds the source itself"):
        preparation.prepare(settings, AudioSettings(), tmp_path / "out")


def test_a_text_too_long_for_its_sound_is_left_out_with_that_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = preparation._Sound(preparation.KEPT, waveform=np.ones(16_000, np.float32))  # 62 frames
    monkeypatch.setattr(preparation, "_load_sound", lambda *_: sound)
    write = lambda text: preparation._write_audio(clip(text), text, SETTINGS, AudioSettings(), tmp_path)  # noqa: E731
    assert write("a" * 31)["reason"] == "text too long for its sound"
    assert write("a" * 30)["file"]


def test_unknown_speaker_is_an_error(tmp_path: Path) -> None:
    settings = dataclasses.replace(load_profile("sample").corpus, speaker="nobody")
    with pytest.raises(CorpusError, match="No usable clip is by the speaker"):
        preparation.prepare(settings, AudioSettings(), tmp_path / "out")


def test_other_speakers_are_usable_clips_of_other_people(tmp_path: Path) -> None:
    profile = load_profile("sample")
    result = preparation.prepare(profile.corpus, profile.audio, tmp_path / "out")
    speech = preparation.other_speakers(tmp_path / "out", profile.audio, 5)
    assert len(speech) == 4 and result.speaker not in speech
    assert all(len(heard) == 5 for heard in speech.values())
    assert min(np.abs(waveform).max() for heard in speech.values() for waveform in heard) > 0.1


def test_split_depends_on_the_sentence_alone_and_keeps_about_the_share() -> None:
    texts = [f"gotin {number}" for number in range(2000)]
    clips = [Clip(Path(f"{reader}-{text}.wav"), text) for text in texts for reader in range(2)]
    parts = split(clips, 0.1)
    assert sum(map(len, parts)) == len(clips)
    sentences = [{clip.text for clip in part} for part in parts]
    assert len(set.union(*sentences)) == sum(map(len, sentences)) == len(texts)
    assert 0.88 < len(parts.train) / len(clips) < 0.92
    assert 0.4 < len(parts.test) / (len(parts.test) + len(parts.validation)) < 0.6
    assert split(reversed(clips), 0.1) == Parts(*(part[::-1] for part in parts))


def test_more_data_or_a_larger_share_moves_no_sentence_between_validation_and_test() -> None:
    texts = [f"gotin {number}" for number in range(500)]
    before = {text: part_of(text, 0.1) for text in texts}
    assert {part_of(text, 0.3) for text in texts if before[text] == "train"} == {"train", "validation", "test"}
    held_out = [text for text in texts if before[text] != "train"]
    assert len(held_out) > 20 and all(part_of(text, 0.3) == before[text] for text in held_out)


def test_metadata_round_trip(tmp_path: Path) -> None:
    write_metadata(tmp_path / "metadata.csv", [("wavs/1.wav", "roj baş"), ("wavs/2.wav", "min'ra")])
    assert read_metadata(tmp_path) == [
        Clip(tmp_path / "wavs/1.wav", "roj baş"),
        Clip(tmp_path / "wavs/2.wav", "min'ra"),
    ]


def test_metadata_with_another_number_of_columns_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("a.wav|roj baş\nb.wav\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="line 2"):
        read_metadata(tmp_path)


def test_missing_metadata_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="kurdtts prepare"):
        read_metadata(tmp_path)
