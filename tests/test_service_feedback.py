"""Corrections over HTTP: what is answered is on the disk, and what is refused leaves nothing behind."""

import concurrent.futures
import contextlib
import io
import itertools
import logging
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import TEXT, Served, form, head, raw_refusal, refusal, serving, wav
from speechlike import encoded, syllables

from kurdtts_lib.feedback import database
from kurdtts_lib.feedback.database import Correction
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import take_of
from kurdtts_lib.service import state
from kurdtts_lib.service.middleware import PrivateFormatter
from kurdtts_lib.service.state import ServiceSettings

FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}
FIELDS = ("text", "", TEXT.encode()), ("consent", "", b"true"), ("audio", "a.wav", wav())
BODY = form("xyz", *FIELDS)


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    with serving(ServiceSettings(most_bytes=1_000_000)) as service:
        yield service


def nothing_stored(home: Path) -> bool:
    """Neither a row nor a sound."""
    sounds = list((home / "data" / "feedback" / "sounds").glob("*"))
    return FeedbackStore().corrections() == [] and sounds == []


def test_a_take_is_submitted_shown_accepted_and_withdrawn(served: Served) -> None:
    response = served.submit(voice="voice-0001-x", contributor="Şîlan")
    given = response.json()
    assert response.status_code == 201 and response.headers["location"] == f"/feedback/{given['id']}"
    assert (given["state"], given["text"], given["spoken"]) == ("submitted", TEXT, "roj baş, heval. ez li vir im.")
    assert given["seconds"] == 2.5 and given["checks"] == [] and given["repeated"] is False
    store = FeedbackStore()
    kept = store.get(given["id"])
    assert (kept.contributor, kept.voice, kept.consent) == ("Şîlan", "voice-0001-x", True)
    assert store.sound(kept).read_bytes() == take_of(wav()).content

    shown = served.client.get(f"/feedback/{given['id']}").json()
    assert shown == {name: value for name, value in given.items() if name != "repeated"}
    assert "Şîlan" not in str(shown) and "Şîlan" not in response.text

    again = served.submit()
    assert again.status_code == 200 and (again.json()["id"], again.json()["repeated"]) == (given["id"], True)
    assert len(store.corrections()) == 1

    accepted = served.client.post(f"/feedback/{given['id']}/accept")
    assert (accepted.status_code, accepted.json()["state"]) == (200, "accepted")
    store.mark_used([given["id"]], "voice-0002-x")
    assert refusal(served.client.post(f"/feedback/{given['id']}/accept")) == (409, "not_now")

    withdrawn = served.client.delete(f"/feedback/{given['id']}").json()
    assert withdrawn == {"id": given["id"], "state": "withdrawn", "voices": ["voice-0002-x"]}
    assert served.client.delete(f"/feedback/{given['id']}").json() == withdrawn
    assert store.get(given["id"]).text == "" and not list(store.sounds.iterdir())


def test_the_clients_file_name_is_never_used(served: Served, home: Path, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if home not in path.parents}
    for number, name in enumerate(("../../../etc/passwd", "C:\\Windows\\x.wav", "a\x00b.wav", "ş" * 500, "con")):
        assert served.submit(number, audio=(name, wav(number), "audio/wav")).status_code in (201, 400, 422)
    assert {path for path in tmp_path.rglob("*") if home not in path.parents} <= before | {home}
    kept = [correction.digest + ".flac" for correction in FeedbackStore().corrections()]
    names = {path.name for path in home.rglob("*") if path.is_file()}
    assert kept and {name for name in names if not name.startswith("feedback.sqlite")} == set(kept)


def test_an_unknown_id_is_not_found_whatever_it_holds(served: Served) -> None:
    served.submit()
    for id in ("x", "..%2f..%2fetc%2fpasswd", "%00", "' OR 1=1 --", "%ff%fe", "a" * 5000, "a" * 32, "train"):
        for method in ("GET", "DELETE"):
            assert refusal(served.client.request(method, f"/feedback/{id}"))[0] in (404, 405)
            assert refusal(served.client.request(method, f"/jobs/{id}"))[0] == 404
        assert refusal(served.client.post(f"/feedback/{id}/accept"))[0] == 404
    assert [correction.state for correction in FeedbackStore().corrections()] == ["submitted"]


def test_what_cannot_be_used_is_refused_and_leaves_nothing(served: Served, home: Path) -> None:
    for changes, expected in (
        ({"text": None}, (422, "invalid")),
        ({"text": ""}, (422, "invalid")),
        ({"audio": None, "x": ("x", b"x", "audio/wav")}, (422, "invalid")),
        ({"audio": "not a file", "x": ("x", b"x", "audio/wav")}, (422, "invalid")),
        ({"consent": None}, (422, "no_consent")),
        ({"consent": "false"}, (422, "no_consent")),
        ({"consent": "perhaps"}, (422, "invalid")),
        ({"contributor": "x" * 201}, (422, "invalid")),
        ({"text": "روژ"}, (422, "bad_text")),
        ({"text": "a" * 100_000}, (422, "bad_text")),
        ({"text": "Roj baş " * 50}, (422, "unusable_take")),
        ({"audio": ("a.wav", b"", "audio/wav")}, (415, "undecodable_audio")),
        ({"audio": ("a.wav", b"RIFF no sound", "audio/wav")}, (415, "undecodable_audio")),
        ({"audio": ("a.wav", wav()[:40], "audio/wav")}, (415, "undecodable_audio")),
        ({"audio": ("a.wav", wav(seconds=0.0), "audio/wav")}, (422, "unusable_take")),
        ({"audio": ("a.webm", b"\x1a\x45\xdf\xa3" + bytes(500), "audio/webm")}, (415, "undecodable_audio")),
        ({"audio": ("a.wav", encoded(syllables(2.0) * 1e-6, 16_000, "WAV"), "audio/wav")}, (422, "unusable_take")),
        ({"audio": ("a.flac", encoded(syllables(62.0, rate=8000), 8000, "FLAC"), "audio/wav")}, (422, "unusable_take")),
    ):
        assert refusal(served.submit(**changes)) == expected, changes
    named = served.submit(contributor="Şîlan" * 100)
    assert "contributor" in named.text and "Şîlan" not in named.text
    for kind, expected in (
        *((other, (422, "invalid")) for other in ("application/json", "text/plain", "")),
        ("application/x-www-form-urlencoded", (422, "invalid")),
        ("multipart/form-data", (400, "bad_request")),
        ("multipart/form-data; boundary=other", (400, "bad_request")),
    ):
        response = served.client.post("/feedback", content=BODY, headers={"Content-Type": kind})
        assert refusal(response) == expected, kind
    assert nothing_stored(home)


def test_a_body_that_is_too_large_is_refused_by_its_header_or_where_it_has_none_by_counting(
    served: Served, home: Path
) -> None:
    for length in (1_000_001, 10**19 - 1):  # not one byte of the body is sent
        assert raw_refusal(served.raw(head(length))) == (413, "too_large")
    # One byte too many, and more is announced: the answer can come only from counting.
    large = BODY + bytes(1_000_001 - len(BODY))
    pieces = (head(None), f"{len(large) + 1:x}\r\n".encode(), large)
    assert raw_refusal(served.raw(*pieces, close=False)) == (413, "too_large")
    assert nothing_stored(home)
    assert served.client.post("/feedback", content=iter((BODY[:999], BODY[999:])), headers=FORM).status_code == 201


def test_a_body_that_is_shorter_or_longer_than_it_says_stores_nothing(served: Served, home: Path) -> None:
    assert b" 422 " in served.raw(head(len(BODY) - 500), BODY).splitlines()[0], "says less than it is"
    answer = served.raw(head(len(BODY) + 500), BODY)  # says more, and the connection is closed
    assert answer == b"" or b" 400 " in answer.splitlines()[0]
    for length, share in itertools.product((len(BODY), None), (0.0, 0.1, 0.5, 0.999)):
        piece = BODY[: round(share * len(BODY))]
        data = piece if length else f"{len(BODY):x}\r\n".encode() + piece
        with socket.create_connection(("127.0.0.1", served.port), timeout=600) as connection:
            connection.sendall(head(length) + data)
    assert served.client.get("/health").status_code == 200, "the service is well"
    assert nothing_stored(home)


def test_a_store_that_another_program_holds_is_a_matter_of_waiting(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = served.submit().json()["id"]
    monkeypatch.setattr(database, "TIMEOUT_SECONDS", 0.05)
    with contextlib.closing(sqlite3.connect(home / "data" / "feedback" / database.NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for response in (served.submit(1), served.client.delete(f"/feedback/{id}")):
            assert refusal(response) == (503, "store_unusable") and int(response.headers["retry-after"]) > 0
            assert str(home) not in response.text
    assert served.submit(1).status_code == 201


def test_while_the_store_waits_the_rest_answers_and_of_many_takes_none_is_lost_or_doubled(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, ordinary = threading.Event(), FeedbackStore.submit
    inside = threading.Semaphore(0)

    def slow(store: FeedbackStore, content: bytes, text: str, **facts: Any) -> Correction:
        inside.release()
        assert go_on.wait(600)
        return ordinary(store, content, text, **facts)

    monkeypatch.setattr(FeedbackStore, "submit", slow)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(served.submit, number) for number in range(8)]
        assert [inside.acquire(timeout=600) for _ in range(state.CHECKS)] == [True] * state.CHECKS
        assert served.client.get("/health").status_code == 200
        assert served.client.get("/jobs/x").status_code == 404
        assert not inside.acquire(blocking=False), "only so many takes are in the memory"
        go_on.set()
        found = [each.result() for each in asked]
    assert [response.status_code for response in found] == [201] * 8
    store = FeedbackStore()
    kept = {one.id: store.sound(one).read_bytes() for one in store.corrections()}
    assert kept == {one.json()["id"]: take_of(wav(number)).content for number, one in enumerate(found)}


def test_the_log_tells_what_happened_and_nothing_that_anybody_said(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(PrivateFormatter("%(name)s %(message)s"))
    for name in ("kurdtts.service", "uvicorn"):
        caplog.set_level(logging.INFO, logger=name)
        monkeypatch.setattr(logging.getLogger(name), "handlers", [handler])

    def broken(self: FeedbackStore, *_: object, **__: object) -> None:
        raise RuntimeError(f"a bug that quotes: {TEXT}")

    assert served.submit(contributor="Şîlan").status_code == 201
    assert served.submit(1, text="Şîlan روژ", contributor="Şîlan").status_code == 422
    assert served.submit(1, contributor="Şîlan" * 100).status_code == 422
    served.client.post("/v1/audio/speech", json={"input": TEXT, "voice": ["Şîlan"]})
    served.client.get("/feedback/x%0d%0aFORGED%20LINE?name=Şîlan")
    monkeypatch.setattr(FeedbackStore, "submit", broken)
    response = served.submit(2, contributor="Şîlan")
    assert refusal(response) == (500, "bug") and response.headers["x-request-id"] in response.text
    lines = written.getvalue()
    assert "POST /feedback 201" in lines and "POST /feedback 500" in lines and response.headers["x-request-id"] in lines
    assert "RuntimeError" in lines and "test_service_feedback.py" in lines, "the place of the bug is told"
    for private in ("Şîlan", "Roj baş", "heval", "\nFORGED", "spoken"):
        assert private not in lines
