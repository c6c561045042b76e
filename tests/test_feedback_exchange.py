"""A folder of sounds and texts goes out and comes back the same; what cannot be taken is listed."""

from pathlib import Path

import numpy as np
import pytest
from corrections import RATE, TEXT, store, submit, take
from speechlike import encoded

from kurdtts_lib.core.errors import FeedbackError, KurdTTSError
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import encode_take

__all__ = ["store"]  # the fixture


def test_export_and_import_give_the_same_texts_and_samples(store: FeedbackStore, tmp_path: Path) -> None:
    texts = [TEXT, 'Wî got: "Roj baş!"', "Roj | baş\r\nheval\n", "  Şev baş  "]
    for number, text in enumerate(texts):
        submit(store, number, text)
    stereo = np.stack([take(8)[0], take(9)[0]], 1)
    store.submit((stereo, 22_050), TEXT, consent=True)
    store.withdraw(submit(store, 7).id)
    assert store.export(tmp_path / "derxistin ş") == 5
    lines = (tmp_path / "derxistin ş" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    assert [line.partition("|")[2] for line in lines][1:4] == [texts[1], "Roj baş heval", "Şev baş"]
    other = FeedbackStore(tmp_path / "other")
    imported = other.import_folder(tmp_path / "derxistin ş", contributor="Azad", consent=True)
    assert imported.refused == {} and {each.contributor for each in imported} == {"Azad"}

    def content(of: FeedbackStore) -> list:
        alive = [each for each in of.corrections() if each.state != "withdrawn"]
        return sorted((each.text, each.digest, encode_take(of.sound(each))) for each in alive)

    assert content(other) == content(store)
    again = other.import_folder(tmp_path / "derxistin ş", contributor="Azad", consent=True)
    assert all(each.repeated for each in again) and len(other.corrections()) == 5


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


def test_a_table_alone_is_imported_and_what_cannot_be_is_listed(store: FeedbackStore, tmp_path: Path) -> None:
    folder = tmp_path / "dengên kurdî"
    (folder / "bin").mkdir(parents=True)
    sound = encoded(take(0)[0], RATE, "WAV")
    (tmp_path / "outside.wav").write_bytes(sound)
    for name in ("yek ş.wav", "bin/du.wav", "three.wav", "alone.wav", "latin.wav"):
        (folder / name).write_bytes(encoded(take(len(name))[0], RATE, "WAV"))
    (folder / "bad.mp3").write_bytes(b"no sound")
    (folder / "windows.wav").write_bytes(encoded(take(9)[0], RATE, "WAV"))
    (folder / "windows.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode("utf-8"))
    (folder / "lonely.txt").write_text(TEXT, encoding="utf-8")
    (folder / "latin.txt").write_bytes("Roj baş".encode("iso-8859-9"))
    (folder / "notes.docx").write_bytes(b"")
    (folder / "bin" / "sê.wav").write_bytes(b"no sound")
    (folder / "bin" / "sê.txt").write_text(TEXT, encoding="utf-8")
    lines = [
        *(
            "\ufeffyek ş.wav|Roj baş heval",
            "bin/du.wav|Şev baş heval\r",
            "",
            f"three.wav|{'a' * 80}",
            "gone.wav|Roj baş",
        ),
        *("../outside.wav|Roj baş", f"{tmp_path / 'outside.wav'}|Roj baş", "no bar", "a|b|c", "bad.mp3|Roj baş"),
        *("yek ş.wav|Tiştekî din", "a\0b.wav|Roj baş", "|Roj baş"),
    ]
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8", newline="")
    imported = store.import_folder(folder, contributor="", consent=True)
    assert [each.text for each in imported] == ["Roj baş heval", "Şev baş heval", TEXT]
    expected = {
        "three.wav": "letters and spaces",
        "metadata.csv, line 5": "does not exist",
        "metadata.csv, line 6": "outside the folder",
        "metadata.csv, line 7": "outside the folder",
        "metadata.csv, line 8": "must be `file|text`",
        "metadata.csv, line 9": "must be `file|text`",
        "bad.mp3": "cannot be decoded",
        "bin/sê.wav": "cannot be decoded",
        "metadata.csv, line 11": "another text in a line before",
        "metadata.csv, line 12": "outside the folder",
        "metadata.csv, line 13": "must be `file|text`",
        "alone.wav": "There is no text",
        "lonely.txt": "no sound beside",
        "latin.wav": "Save it as UTF-8",
        "notes.docx": "no WAV, FLAC, MP3 or OGG",
    }
    assert imported.refused.keys() == expected.keys()
    assert [name for name, said in expected.items() if said not in imported.refused[name]] == []


def test_an_import_needs_consent_and_something_to_import(store: FeedbackStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, consent, said in (("empty", False, "Consent"), ("empty", True, "neither"), ("none", True, "no folder")):
        with pytest.raises(FeedbackError, match=said):
            store.import_folder(tmp_path / folder, contributor="", consent=consent)
    assert not store.folder.exists()
