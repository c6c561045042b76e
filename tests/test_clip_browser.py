"""The clip browser finds clips by word, reaches every clip, and shows the reason of a damaged one."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speechlike import common_voice, encoded

from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.data.sources import corpus_table
from kurdtts_lib.data.speakers import speaker_name
from kurdtts_lib.widgets.clip_browser import ClipBrowser, clip_html

COUNT = 23


@pytest.fixture
def settings(tmp_path: Path) -> CorpusSettings:
    """23 clips; clip n is n + 1 tenths of a second long; number 4 is damaged."""
    sounds = [encoded(np.full(1600 * (number + 1), number / 100), 16_000, "WAV") for number in range(COUNT)]
    sounds[4] = b"junk"
    rows = [
        {"client_id": f"id{number % 2}", "path": f"{number}.wav", "audio": sound}
        | {"sentence": f"<b>Mala</b> {number} e" if number % 5 else "Roj baş"}
        for number, sound in enumerate(sounds)
    ]
    return CorpusSettings(source=str(common_voice(tmp_path / "corpus", rows)))


@pytest.fixture
def browser(settings: CorpusSettings, audio: AudioSettings) -> ClipBrowser:
    return ClipBrowser(settings, audio, corpus_table(settings))


def listed(browser: ClipBrowser) -> list[int]:
    return [number for _, number in browser.list.options]


def heard(browser: ClipBrowser) -> float:
    """The value of the samples in the player: the clip's number over 100."""
    (encoded,) = re.findall(r"audio/wav;base64,([^\"]+)", browser.view.value)
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(encoded)))
    return round(float(samples.mean()) * 100)


def test_every_clip_is_reached_by_turning_pages_and_is_the_one_that_is_heard(browser: ClipBrowser) -> None:
    assert "23 of 23 clips" in browser.count.value and browser.back.disabled
    seen = listed(browser)
    while not browser.forward.disabled:
        browser.forward.click()
        seen += listed(browser)
        assert browser.list.value == listed(browser)[0] == heard(browser)
    assert seen == list(range(COUNT)) and "page 3 of 3" in browser.count.value
    browser.list.value = 22
    assert heard(browser) == 22 and "2.3 s" in browser.view.value
    browser.back.click()
    assert listed(browser) == list(range(10, 20)) and not browser.forward.disabled


def test_a_search_shows_its_clips_from_the_first_page_on(browser: ClipBrowser) -> None:
    browser.forward.click()
    browser.query.value = "roj"
    assert "5 of 23 clips" in browser.count.value
    assert listed(browser) == [0, 5, 10, 15, 20] and "page 1 of 1" in browser.count.value and browser.forward.disabled
    browser.query.value = "ala"
    assert listed(browser) == [] and "No clip has a word" in browser.view.value
    for query, count in (("MAL", 18), (" mala", 18), ("bas\u0327", 5), ("bas", 0), ("j baş", 0), ("(", 0)):
        browser.query.value = query
        assert f"{count} of 23 clips, page 1" in browser.count.value, query
    browser.query.value = ""
    assert "23 of 23 clips" in browser.count.value


def test_a_damaged_clip_shows_its_reason_and_the_next_one_plays(browser: ClipBrowser, audio: AudioSettings) -> None:
    browser.list.value = 4
    assert 'role="alert"' in browser.view.value and "cannot be decoded" in browser.view.value
    assert "<audio" not in browser.view.value
    browser.list.value = 3
    assert 'role="alert"' not in browser.view.value and heard(browser) == 3
    clip = Clip(name="../a.wav", sentence="Roj baş", reason="path outside the corpus")
    markup = clip_html(clip, audio)
    assert "path outside the corpus" in markup and "<audio" not in markup


def test_a_clip_has_its_sentence_its_speakers_name_and_a_picture_and_a_saved_notebook_keeps_it(
    browser: ClipBrowser,
) -> None:
    browser.list.value = 3
    markup = browser.view.value
    assert '<span lang="kmr">&lt;b&gt;Mala&lt;/b&gt; 3 e</span>' in markup, "shown, never obeyed"
    assert speaker_name("id1") in markup and "id1" not in re.sub(r"base64,[^\"]+", "", markup)
    assert re.search(r'<img [^>]*alt="Mel spectrogram of clip 3, 0.4 s"', markup)
    bundle, _ = browser._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    static = str(bundle["text/html"])
    assert static.count("<li>") == 10 and browser.view.value in static and "<b>Mala" not in static
