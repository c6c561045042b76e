"""A folder of sounds and texts goes out whole; `kurdtts feedback`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corrections import RATE, TEXT, store, submit, take
from speechlike import encoded

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import FeedbackError, KurdTTSError
from kurdtts_lib.feedback.store import FeedbackStore

__all__ = ["store"]  # the fixture
Capture = pytest.CaptureFixture[str]
Add = Callable[..., int]


def test_an_export_holds_every_text_and_every_sample(store: FeedbackStore, tmp_path: Path) -> None:
    texts = [TEXT, 'Wî got: "Roj baş!"', "Roj | baş\r\nheval\n", "  Şev baş  "]
    for number, text in enumerate(texts):
        submit(store, number, text)
    stereo = np.stack([take(8)[0], take(9)[0]], 1)
    store.submit((stereo, 22_050), TEXT, consent=True)
    store.withdraw(submit(store, 7).id)
    folder = tmp_path / "derxistin ş"
    assert store.export(folder) == 5
    lines = (folder / "metadata.csv").read_text(encoding="utf-8").splitlines()
    assert [line.partition("|")[2] for line in lines][1:4] == [texts[1], "Roj baş heval", "Şev baş"]
    for one in store.corrections():
        if one.state != "withdrawn":
            again = store.submit(folder / f"{one.id}.flac", (folder / f"{one.id}.txt").read_text("utf-8"), consent=True)
            assert (again.id, again.repeated) == (one.id, True), "the same text and, sample for sample, the same sound"
    assert "Roj | baş\nheval" in [one.text for one in store.corrections()]


def test_an_export_overwrites_nothing_and_needs_every_sound(store: FeedbackStore, tmp_path: Path) -> None:
    correction = submit(store)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "metadata.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(KurdTTSError, match="holds other files"):
        store.export(tmp_path / "mine")
    store.sound(correction).unlink()
    with pytest.raises(FeedbackError, match="is missing; run `kurdtts feedback verify`"):
        store.export(tmp_path / "new")
    assert not (tmp_path / "new").exists()


# --- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def add(tmp_path: Path) -> Add:
    """Hand in a take with these options."""
    path = tmp_path / "dengê min ş.wav"
    path.write_bytes(encoded(take(1)[0], RATE, "WAV"))
    return lambda *more: app.main(["feedback", "add", "--audio", str(path), "--text", TEXT, *more])


def test_a_correction_goes_its_way(add: Add, home: Path, tmp_path: Path, capsys: Capture) -> None:
    assert add() == 1
    assert "kurdtts feedback add: Consent is needed" in capsys.readouterr().err and not (home / "data").exists()
    facts = ("--consent", "--contributor", "Şîlan", "--voice", "v1", "--mark", "baş")
    assert add(*facts) == add(*facts) == 0
    printed = capsys.readouterr()
    (id,) = {line.split()[0] for line in printed.out.splitlines()}
    assert "submitted before" in printed.err
    store = FeedbackStore(home / "data" / "feedback")
    (correction,) = store.corrections()
    assert correction.id.startswith(id) and len(id) == 8
    assert (correction.contributor, correction.voice, correction.mark) == ("Şîlan", "v1", "baş")
    assert app.main(["feedback", "accept", id]) == 0
    assert "accepted" in capsys.readouterr().out
    assert app.main(["feedback", "list", "--state", "submitted"]) == 0
    assert capsys.readouterr().out == "0 corrections\n"
    assert app.main(["feedback", "list"]) == 0
    assert capsys.readouterr().out == f"{id}  accepted     2.0 s  {TEXT}  Şîlan  (baş)\n1 corrections\n"
    assert app.main(["feedback", "export", str(tmp_path / "derxistin ş")]) == 0
    assert "1 corrections in" in capsys.readouterr().out
    store.mark_used([correction.id], "voice-2")
    assert app.main(["feedback", "withdraw", id]) == 0
    printed = capsys.readouterr().out
    assert "is withdrawn" in printed and "voice-2. Train them again" in printed
    assert list(store.sounds.iterdir()) == []
    assert app.main(["feedback", "withdraw", ""]) == 1 and "no correction" in capsys.readouterr().err


def test_verify_mends_and_tells_what_is_left(add: Add, home: Path, capsys: Capture) -> None:
    add("--consent")
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
