"""A prepared folder's lists, and the three parts of its sentences."""

from pathlib import Path

import pytest

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.data.dataset import Clip, Parts, part_of, read_metadata, split, write_metadata


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
