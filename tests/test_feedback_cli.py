"""`kurdtts feedback`: each command does what it says and answers bad input with a clear line."""

from pathlib import Path

import pytest
from corrections import TEXT
from speechlike import encoded, syllables

from kurdtts_lib.cli import app
from kurdtts_lib.feedback.store import FeedbackStore

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "dengê min ş.wav"
    path.write_bytes(encoded(syllables(2.0), 16_000, "WAV"))
    return path


def add(take: Path, *more: str) -> int:
    return app.main(["feedback", "add", "--audio", str(take), "--text", TEXT, *more])


def test_a_correction_goes_its_way(take: Path, home: Path, capsys: Capture) -> None:
    assert add(take) == 1
    assert "kurdtts feedback: Consent is needed" in capsys.readouterr().err and not (home / "data").exists()
    facts = ("--consent", "--contributor", "Şîlan", "--voice", "v1", "--mark", "baş")
    assert add(take, *facts) == add(take, *facts) == 0
    printed = capsys.readouterr()
    (id,) = {line.split()[0] for line in printed.out.splitlines()}
    assert "submitted before" in printed.err
    store = FeedbackStore(home / "data" / "feedback")
    correction = store.get(id)
    assert (correction.contributor, correction.voice, correction.mark) == ("Şîlan", "v1", "baş")
    assert app.main(["feedback", "accept", id]) == 0
    assert "accepted" in capsys.readouterr().out
    assert app.main(["feedback", "list", "--state", "submitted"]) == 0
    assert capsys.readouterr().out == "0 corrections\n"
    assert app.main(["feedback", "list"]) == 0
    assert capsys.readouterr().out == f"{id}  accepted     2.0 s  {TEXT}\n1 corrections\n"
    store.mark_used([id], "voice-2")
    assert app.main(["feedback", "withdraw", id, "--why", "na"]) == 0
    printed = capsys.readouterr().out
    assert "is withdrawn" in printed and "voice-2. Train them again" in printed
    assert store.history(id)[-1].detail == "na" and list(store.sounds.iterdir()) == []


def test_verify_mends_and_tells_what_is_left(take: Path, home: Path, capsys: Capture) -> None:
    add(take, "--consent")
    assert app.main(["feedback", "verify"]) == 0
    sounds = home / "data" / "feedback" / "sounds"
    (sound,) = sounds.iterdir()
    half = sounds / f".{sound.stem}-0123456789ab.flac"
    half.write_bytes(b"half")
    assert app.main(["feedback", "verify"]) == 0
    assert "MENDED" in capsys.readouterr().out and not half.exists()
    sound.unlink()
    assert app.main(["feedback", "verify"]) == 1
    assert "FIX" in capsys.readouterr().out


def test_export_and_import(take: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    add(take, "--consent")
    folder = tmp_path / "derxistin ş"
    assert app.main(["feedback", "export", str(folder)]) == 0
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path / "another home"))
    assert app.main(["feedback", "import", str(folder)]) == 1
    assert "Consent is needed" in capsys.readouterr().err
    assert app.main(["feedback", "accept", "abc"]) == 1
    assert "no correction 'abc'" in capsys.readouterr().err
    assert app.main(["feedback", "import", str(folder), "--consent"]) == 0
    assert "1 taken, 0 refused" in capsys.readouterr().out
    (folder / "x.wav").write_bytes(b"no sound")
    (folder / "x.txt").write_text("Roj baş", encoding="utf-8")
    assert app.main(["feedback", "import", str(folder), "--consent"]) == 1
    printed = capsys.readouterr()
    assert "x.wav: " in printed.err and "1 taken, 1 refused" in printed.out
