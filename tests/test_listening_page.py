"""The listening test as a folder: whole, without a network, and telling nothing."""

import itertools
from pathlib import Path

import pytest
from listening import small_test

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.evaluation.listening.design import SCALE
from kurdtts_lib.widgets.listening_page import LABELS, STATIC, write_folder


def test_the_folder_is_whole_and_takes_no_place_of_other_files(tmp_path: Path) -> None:
    test, folder = small_test(), tmp_path / "test"
    write_folder(test, folder)
    write_folder(test, folder, "kmr")  # an earlier test may be replaced
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert '<html lang="kmr">' in page and "http" not in page and 'type="module"' not in page
    assert {path.stem for path in (folder / "audio").iterdir()} == set(test.sounds)
    assert list(test.sounds) == sorted(test.sounds), "not in the order of the systems"
    assert set(itertools.chain(*test.key.public().values())) == set(test.sounds)
    told = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file())
    assert all(code in told for code in test.key.plans), "it tells no system and no sentence"
    assert not [one for one in (*test.key.systems, *test.key.sentences, "anchor", "spoilt") if one in told]
    assert all(sound[:4] == b"RIFF" and sound[34] == 16 for sound in test.sounds.values()), "sixteen bits"
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(KurdTTSError, match="holds other files"):
        write_folder(test, other)
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


def test_the_page_offers_the_answers_that_the_store_takes_and_has_a_word_for_each() -> None:
    assert f"LISTENING_SCALE = {list(SCALE)};" in (STATIC / "listening.js").read_text(encoding="utf-8")
    assert all(f"mos_{value}" in LABELS["en"] for value in SCALE)
