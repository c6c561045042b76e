"""Every kind of corpus gives the same clips; a corpus that cannot be read says why."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from datasets import Audio, Dataset

from kurdtts_lib.corpus.preparation import prepare
from kurdtts_lib.corpus.sources import find_clips, read_corpus
from kurdtts_lib.errors import CorpusError
from kurdtts_lib.settings import AudioSettings, CorpusSettings

ROWS = [("aaa", "Ez diçim malê.", 2, 0), ("aaa", "Tu li ku yî?", 3, 0), ("bbb", "Roj baş!", 0, 1)]


def mp3(seconds: float = 1.5, rate: int = 32_000) -> bytes:
    buffer = io.BytesIO()
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate)) / rate)
    soundfile.write(buffer, tone, rate, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


@pytest.fixture
def common_voice(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    with (tmp_path / "validated.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender"])
        for number, (client_id, sentence, up, down) in enumerate(ROWS):
            (tmp_path / "clips" / f"{number}.mp3").write_bytes(mp3(rate=(32_000, 48_000, 32_000)[number]))
            writer.writerow([client_id, f"{number}.mp3", sentence, up, down, "", ""])
    return tmp_path


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    columns = {
        "client_id": [row[0] for row in ROWS],
        "path": [{"bytes": mp3(), "path": f"{number}.mp3"} for number in range(len(ROWS))],
        "sentence": [row[1] for row in ROWS],
        "up_votes": [row[2] for row in ROWS],
        "down_votes": [row[3] for row in ROWS],
    }
    data = Dataset.from_dict(columns).cast_column("path", Audio(sampling_rate=32_000, decode=False))
    data.to_parquet(tmp_path / "train.parquet")
    return tmp_path


@pytest.mark.parametrize("kind", ["common_voice", "parquet"])
def test_both_layouts_give_the_same_clips(kind: str, request: pytest.FixtureRequest) -> None:
    settings = CorpusSettings(source=str(request.getfixturevalue(kind)))
    clips = list(read_corpus(settings))
    assert [(clip.client_id, clip.sentence, clip.up_votes, clip.down_votes) for clip in clips] == ROWS
    assert [clip.name for clip in clips] == ["0.mp3", "1.mp3", "2.mp3"]


@pytest.mark.parametrize("kind", ["common_voice", "parquet"])
def test_both_layouts_can_be_prepared(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    settings = CorpusSettings(source=str(request.getfixturevalue(kind)))
    result = prepare(settings, AudioSettings(), tmp_path / "out")
    assert result.reasons.to_dict() == {"kept": 2, "voted down": 1}


def test_a_data_set_without_votes_counts_as_accepted(tmp_path: Path) -> None:
    columns = {"client_id": ["x"], "audio": [{"bytes": mp3(), "path": "a.mp3"}], "sentence": ["Roj baş."]}
    Dataset.from_dict(columns).cast_column("audio", Audio(decode=False)).to_parquet(tmp_path / "a.parquet")
    assert next(read_corpus(CorpusSettings(source=str(tmp_path)))).up_votes == 2


def test_file_names_that_leave_the_folder_are_refused(common_voice: Path) -> None:
    table = common_voice / "validated.tsv"
    table.write_text(table.read_text(encoding="utf-8").replace("1.mp3", "../1.mp3"), encoding="utf-8", newline="")
    with pytest.raises(CorpusError, match=r"row 3.*not a file name"):
        list(read_corpus(CorpusSettings(source=str(common_voice))))


def test_table_without_a_needed_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "validated.tsv").write_text("path\tsentence\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="no column client_id"):
        list(read_corpus(CorpusSettings(source=str(tmp_path))))


def test_parquet_without_audio_shows_the_columns_it_has(tmp_path: Path) -> None:
    Dataset.from_dict({"client_id": ["x"], "sentence": ["y"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="client_id, sentence"):
        list(read_corpus(CorpusSettings(source=str(tmp_path))))


def test_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="neither Parquet files nor"):
        list(read_corpus(CorpusSettings(source=str(tmp_path))))


def test_unknown_hub_name_offline_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(CorpusError, match="Check the spelling and the network"):
        list(read_corpus(CorpusSettings(source="nobody/no-such-corpus")))


def test_a_folder_with_brackets_in_its_name_is_read_too(parquet: Path) -> None:
    folder = parquet / "corpus [1]"
    folder.mkdir()
    (parquet / "train.parquet").rename(folder / "train.parquet")
    assert len(list(read_corpus(CorpusSettings(source=str(folder))))) == len(ROWS)


def test_damaged_parquet_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(CorpusError, match="cannot be read"):
        list(read_corpus(CorpusSettings(source=str(tmp_path))))


def test_missing_clip_number_is_an_error(parquet: Path) -> None:
    with pytest.raises(CorpusError, match="no clip number 9"):
        find_clips(CorpusSettings(source=str(parquet)), [1, 9])


def test_clips_are_found_in_the_order_asked_for(parquet: Path) -> None:
    assert [clip.number for clip in find_clips(CorpusSettings(source=str(parquet)), [2, 0])] == [2, 0]
