"""What other libraries have set for the whole process stays as it was found."""

import os
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from corpora import SOUNDS
from transformers.utils import logging as transformers_logging

from kurdtts_lib.core.settings import CorpusSettings, home
from kurdtts_lib.data.sources import read_corpus
from kurdtts_lib.vits.voice import load_voice, save_voice


@pytest.mark.parametrize("bars", [False, True])
def test_progress_bars_are_on_or_off_as_the_user_had_them(bars, tiny_voice, tmp_path):
    transformers_before, datasets_before = transformers_logging.is_progress_bar_enabled(), bars_of_datasets()
    try:
        set_bars(bars, bars)
        save_voice(tiny_voice, tmp_path / "voice", "")
        load_voice(tmp_path / "voice")
        pyarrow.parquet.write_table(pyarrow.table({"audio": SOUNDS[:1], "text": ["roj"]}), tmp_path / "x.parquet")
        assert [clip.sentence for clip in read_corpus(CorpusSettings(source=str(tmp_path)))] == ["roj"]
        assert (transformers_logging.is_progress_bar_enabled(), bars_of_datasets()) == (bars, bars)
    finally:
        set_bars(transformers_before, datasets_before)


def bars_of_datasets() -> bool:
    return not datasets.are_progress_bars_disabled()


def set_bars(transformers: bool, of_datasets: bool) -> None:
    (transformers_logging.enable_progress_bar if transformers else transformers_logging.disable_progress_bar)()
    (datasets.enable_progress_bars if of_datasets else datasets.disable_progress_bars)()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows; a mapped drive is what they stand for")
def test_the_home_keeps_the_name_that_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "network").mkdir()
    (tmp_path / "drive").symlink_to(tmp_path / "network")
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path / "drive"))
    assert home() == tmp_path / "drive"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KURDTTS_HOME", "drive")
    assert home() == Path.cwd() / "drive"
