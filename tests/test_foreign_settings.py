"""What other libraries have set for the whole process stays as it was found."""

import os
from pathlib import Path

import pytest
from transformers.utils import logging as transformers_logging

from kurdtts_lib.core.settings import home
from kurdtts_lib.vits.voice import load_voice, save_voice


@pytest.mark.parametrize("bars", [False, True])
def test_progress_bars_are_on_or_off_as_the_user_had_them(bars, tiny_voice, tmp_path):
    before = transformers_logging.is_progress_bar_enabled()
    try:
        set_bars(bars)
        save_voice(tiny_voice, tmp_path / "voice", "")
        load_voice(tmp_path / "voice")
        assert transformers_logging.is_progress_bar_enabled() == bars
    finally:
        set_bars(before)


def set_bars(on: bool) -> None:
    (transformers_logging.enable_progress_bar if on else transformers_logging.disable_progress_bar)()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows; a mapped drive is what they stand for")
def test_the_home_keeps_the_name_that_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "network").mkdir()
    (tmp_path / "drive").symlink_to(tmp_path / "network")
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path / "drive"))
    assert home() == tmp_path / "drive"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KURDTTS_HOME", "drive")
    assert home() == Path.cwd() / "drive"
