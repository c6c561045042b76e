"""A folder of sounds and texts goes out and comes back the same, what cannot be taken is listed; `kurdtts feedback`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corrections import OTHER, RATE, TEXT, store, submit, take
from speechlike import encoded

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import FeedbackError, KurdTTSError
from kurdtts_lib.feedback.exchange import export, import_folder
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import decode_take

__all__ = ["store"]  # the fixture
Capture = pytest.CaptureFixture[str]
Add = Callable[..., int]


def test_export_and_import_give_the_same_texts_and_samples(store: FeedbackStore, tmp_path: Path) -> None:
    texts = [TEXT, 'Wî got: "Roj baş!"', "Roj | baş\r\nheval\n", "  Şev baş  "]
    for number, text in enumerate(texts):
        submit(store, number, text)
    stereo = np.stack([take(8)[0], take(9)[0]], 1)
    store.submit((stereo, 22_050), TEXT, consent=True)
    store.withdraw(submit(store, 7).id)
    assert export(store, tmp_path / "derxistin ş") == 5
    lines = (tmp_path / "derxistin ş" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    assert [line.partition("|")[2] for line in lines][1:4] == [texts[1], "Roj baş heval", "Şev baş"]
    other = FeedbackStore(tmp_path / "other")
    imported, refused = import_folder(other, tmp_path / "derxistin ş", contributor="Azad", consent=True)
    assert refused == {} and {each.contributor for each in imported} == {"Azad"}

    def content(of: FeedbackStore) -> list:
        alive = [each for each in of.corrections() if each.state != "withdrawn"]
        return sorted((each.text, each.digest, decode_take(of.sound(each))[0].tolist()) for each in alive)

    assert content(other) == content(store) and "Roj | baş\nheval" in [text for text, *_ in content(store)]
    again, _ = import_folder(other, tmp_path / "derxistin ş", contributor="Azad", consent=True)
    assert all(each.repeated for each in again) and len(other.corrections()) == 5


def test_an_export_overwrites_nothing_and_needs_every_sound(store: FeedbackStore, tmp_path: Path) -> None:
    correction = submit(store)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "metadata.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(KurdTTSError, match="holds other files"):
        export(store, tmp_path / "mine")
    store.sound(correction).unlink()
    with pytest.raises(FeedbackError, match="is missing; run `kurdtts feedback verify`"):
        export(store, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_imported_is_listed_and_the_rest_is_taken(store: FeedbackStore, tmp_path: Path) -> None:
    texts = {"yek ş.wav": TEXT, "bin/du.wav": OTHER, "long.wav": "a" * 80, "bad.mp3": TEXT, "latin.wav": "Roj baş"}
    (tmp_path / "bin").mkdir()
    for number, (name, text) in enumerate(texts.items()):
        path, code = tmp_path / name, "iso-8859-9" if name == "latin.wav" else "utf-8"
        path.write_bytes(b"no sound" if name == "bad.mp3" else encoded(take(number)[0], RATE, "WAV"))
        path.with_suffix(".txt").write_bytes(text.encode(code))
    (tmp_path / "alone.wav").write_bytes(encoded(take(9)[0], RATE, "WAV"))
    (tmp_path / "lonely.txt").write_text(TEXT, encoding="utf-8")
    imported, refused = import_folder(store, tmp_path, contributor="", consent=True)
    assert {each.text for each in imported} == {TEXT, OTHER}
    expected = {"long.wav": "letters and spaces", "bad.mp3": "cannot be decoded", "latin.wav": "not UTF-8"}
    expected |= {"alone.wav": "no text", "lonely.txt": "no audio"}
    assert refused.keys() == expected.keys()
    assert [name for name, said in expected.items() if said not in refused[name]] == []


def test_a_table_is_imported_where_there_are_no_pairs(store: FeedbackStore, tmp_path: Path) -> None:
    (tmp_path / "yek.wav").write_bytes(encoded(take(1)[0], RATE, "WAV"))
    (tmp_path / "metadata.csv").write_text(f"yek.wav|{TEXT}\ngone.wav|{TEXT}\n", encoding="utf-8")
    (imported,), refused = import_folder(store, tmp_path, contributor="", consent=True)
    assert imported.text == TEXT and "no audio" in refused["gone.wav"]


def test_an_import_needs_consent_and_something_to_import(store: FeedbackStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, consent, said in (("empty", False, "Consent"), ("empty", True, "no corpus"), ("none", True, "no fold")):
        with pytest.raises(KurdTTSError, match=said):
            import_folder(store, tmp_path / folder, contributor="", consent=consent)
    assert not store.folder.exists()


# --- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def add(tmp_path: Path) -> Add:
    """Hand in a take with these options."""
    path = tmp_path / "dengê min ş.wav"
    path.write_bytes(encoded(take(1)[0], RATE, "WAV"))
    return lambda *more: app.main(["feedback", "add", "--audio", str(path), "--text", TEXT, *more])


def test_a_correction_goes_its_way(add: Add, home: Path, capsys: Capture) -> None:
    assert add() == 1
    assert "kurdtts feedback: Consent is needed" in capsys.readouterr().err and not (home / "data").exists()
    facts = ("--consent", "--contributor", "Şîlan", "--voice", "v1", "--mark", "baş")
    assert add(*facts) == add(*facts) == 0
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


def test_export_and_import(add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    add("--consent")
    folder = tmp_path / "derxistin ş"
    assert app.main(["feedback", "export", str(folder)]) == 0
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path / "another home"))
    assert app.main(["feedback", "import", str(folder)]) == 1
    assert "Consent is needed" in capsys.readouterr().err
    assert app.main(["feedback", "import", str(folder), "--consent"]) == 0
    assert "1 taken, 0 refused" in capsys.readouterr().out
    (folder / "x.wav").write_bytes(b"no sound")
    (folder / "x.txt").write_text("Roj baş", encoding="utf-8")
    assert app.main(["feedback", "import", str(folder), "--consent"]) == 1
    printed = capsys.readouterr()
    assert "x.wav: " in printed.err and "1 taken, 1 refused" in printed.out
