"""`kurdtts listen`: make a test, take answers, see results; bad input is told in a line."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from listening import sent, sharp

from kurdtts_lib.cli import app
from kurdtts_lib.core.files import read_json
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import Clip, Parts
from kurdtts_lib.evaluation.confidence import rating_interval
from kurdtts_lib.evaluation.listening.design import LOW_ANCHOR
from kurdtts_lib.evaluation.listening.store import ListeningStore
from kurdtts_lib.vits.voice import CARD, Voice, save_voice
from kurdtts_lib.voices import registry, systems
from kurdtts_lib.voices.card import opinion_sentence

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def voices(make_audible_voice: Callable[..., Voice], tmp_path: Path) -> list[str]:
    """Two voices that can be heard; the second one speaks twice as fast."""
    folders = []
    for name, changes in (("yek", {}), ("du", {"speaking_rate": 2.0})):
        save_voice(make_audible_voice(**changes), tmp_path / name, "test\n")
        folders.append(str(tmp_path / name))
    return folders


@pytest.fixture
def prepared(tone_clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """The tone clips stand for the test part of the bundled sample, prepared; in the order in which they are taken."""
    monkeypatch.setattr(systems, "clips_of", lambda profile: Parts([], [], tone_clips))
    monkeypatch.setattr(systems, "corpus_settings", lambda folder: CorpusSettings())
    return sorted(tone_clips, key=lambda clip: hashlib.sha256(clip.text.encode()).hexdigest())


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "hevok.txt"
    file.write_text("Roj baş.\n\nEz li vir im.\nRoj baş.\nNavê min Azad e.\n", encoding="utf-8-sig")
    return file


def test_a_test_goes_its_way(voices: list[str], prepared: list[Clip], tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "bo guhdaran"
    command = ["listen", "make", str(folder), "--profile", "sample", "--sentences", "3", "--listeners", "3"]
    assert app.main([*command, "--voices", *voices]) == 0
    printed = capsys.readouterr().out
    key = ListeningStore().key()
    assert key.systems == ["yek", "du", "recordings"] and key.sentences == [clip.text for clip in prepared[:3]]
    assert all(code in printed for code in key.plans) and len(key.plans) == 3
    assert "machine" in printed and "machine" in key.note and "each listener answers 13 times" in printed
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert '<html lang="kmr">' in page and "machine" not in page and "recordings" not in page
    anchors = {trial.sentence for plan in key.plans.values() for trial in plan if trial.system == LOW_ANCHOR}
    assert anchors == {clip.text for clip in prepared[3:5]}, "of other sentences than the test's"

    listener = sharp({"yek": 4, "du": 2, "recordings": 4})
    files = [str(sent(tmp_path, key, code, listener)) for code in list(key.plans)[:2]]
    assert app.main(["listen", "import", *files]) == 0
    assert "13 of 13 answers, 13 of them new" in capsys.readouterr().out
    assert app.main(["listen", "import", files[0], str(folder / "index.html")]) == 1
    printed = capsys.readouterr()
    assert "13 answers, 0 of them new" in printed.out and "1 files taken, 1 refused" in printed.out
    assert "index.html is damaged or no file of answers" in printed.err
    assert app.main(["listen", "results"]) == 0
    printed = capsys.readouterr().out
    assert "read by a machine" in printed and "All 2 listeners" in printed and "MOS" in printed and "Clark" in printed


def test_lines_of_a_text_file_are_spoken_without_recordings(voices: list[str], text: Path, tmp_path: Path) -> None:
    command = ["listen", "make", str(tmp_path / "a"), "--voices", *voices, "--text", str(text)]
    assert app.main([*command, "--sentences", "2", "--language", "en"]) == 0
    key = ListeningStore().key()
    assert (key.systems, key.sentences) == (["yek", "du"], ["Roj baş.", "Ez li vir im."])
    assert "no recordings; the anchors are speech of yek" in key.note


def test_what_cannot_be_is_told(voices: list[str], text: Path, tmp_path: Path, capsys: Capture) -> None:
    def told(*arguments: str) -> str:
        assert app.main(["listen", *arguments]) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith(f"kurdtts listen {arguments[0]}: ") and len(printed.err.splitlines()) == 1
        return printed.err

    make = ("make", str(tmp_path / "test"), "--voices")
    assert "two voices at least" in told(*make, voices[0], "--text", str(text))
    assert "is there twice" in told(*make, voices[0], voices[0], "--text", str(text))
    assert "no voice 7" in told(*make, "7", voices[0], "--text", str(text))
    assert "cannot be read" in told(*make, *voices, "--text", str(tmp_path / "none.txt"))
    text.write_text("\n \n", encoding="utf-8")
    assert "holds no sentence" in told(*make, *voices, "--text", str(text))
    assert "do not say which data they come from" in told(*make, *voices)
    assert "Prepare the data first" in told(*make, *voices, "--profile", "sample")
    assert "holds other files" in told("make", str(tmp_path), "--voices", *voices)
    assert "no listening test yet" in told("results")
    assert not (tmp_path / "test").exists()


def test_a_voices_score_goes_on_its_card(
    voices: list[str], make_audible_voice: Callable[..., Voice], text: Path, tmp_path: Path, capsys: Capture
) -> None:
    voice = make_audible_voice()
    voice.card = {"faults": [], "parent": None, "name": "deng"}
    folder = registry.publish(voice, "deng", lambda card: "# deng\n").folder
    make = ["listen", "make", str(tmp_path / "test"), "--text", str(text), "--voices", "1", voices[0]]
    show = ["listen", "results", "--card"]
    assert app.main(make) == 0
    key = ListeningStore().key()
    listeners = [*(sharp({folder.name: worth, "yek": 2}) for worth in (3, 4, 3)), lambda trial: 5]
    for number, (code, listener) in enumerate(zip(key.plans, listeners, strict=False)):
        if number == 2:
            assert app.main([*show, "1"]) == 1 and "2 listeners passed the hidden anchors" in capsys.readouterr().err
        assert app.main(["listen", "import", str(sent(tmp_path, key, code, listener))]) == 0
    assert app.main([*show, "1"]) == 0 == app.main([*show, "1"])
    card = read_json(folder / CARD)
    opinion = card["opinion"]
    expected = rating_interval(
        pandas.Series({(who, text): worth for who, worth in enumerate((3, 4, 3)) for text in "abc"})
    )
    assert card["name"] == "deng" and opinion["mos"] == pytest.approx(10 / 3) and opinion["test"] == key.test
    assert (opinion["low"], opinion["high"]) == pytest.approx((expected.low, expected.high))
    assert (opinion["listeners"], opinion["left_out"], opinion["sentences"]) == (3, 1, 3)
    said = opinion_sentence(opinion)
    assert (folder / "README.md").read_text(encoding="utf-8") == f"# deng\n\n{said}\n" and "3.33" in said
    capsys.readouterr()
    assert app.main(["voices"]) == 0 and said in capsys.readouterr().out
    for other, why in ((voices[0], "has no interval"), (voices[1], "gives du no opinion score"), ("a/b", "no folder")):
        assert app.main([*show, other]) == 1 and why in capsys.readouterr().err
