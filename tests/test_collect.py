"""The page for contributors as the service gives it: who gets what, and which sentences are asked for."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corrections import RATE, submit, take
from serving import BEARER, TEXT, TOKEN, refusal, serving, wav
from speechlike import encoded

from kurdtts_lib.cli import app
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import FINDINGS, check_take
from kurdtts_lib.service import app as server
from kurdtts_lib.service import collect
from kurdtts_lib.service.collect import FILES, HEADERS, OWN, PATHS, fewest_first, read_sentences
from kurdtts_lib.service.state import ServiceSettings
from kurdtts_lib.text import normalize

READ = ("Roj baş, heval. Ez li vir im.", "Şev baş.", "Av sar e îro.")
PAGE = ServiceSettings(sentences=READ)
TAKE = {"audio": ("a.wav", wav(), "audio/wav")}
WORDS = json.loads((OWN / "words.json").read_text(encoding="utf-8"))


def test_without_collect_there_is_no_page() -> None:
    with serving() as served:
        for path in (*PATHS, "/collect/sentences"):
            assert refusal(served.client.get(path)) == (404, "not_found")
        assert refusal(served.client.post("/collect/check", files=TAKE, data={"text": TEXT})) == (404, "not_found")
        own = {"Origin": served.address}
        assert refusal(served.client.post("/feedback/train", headers=own)) == (403, "wrong_origin")


def test_the_page_and_its_files_need_no_token_and_nothing_else_does_without() -> None:
    with serving(ServiceSettings(token=TOKEN, sentences=READ, most_bytes=1_234_567)) as served:
        for path in PATHS:
            response = served.client.get(path)
            assert response.status_code == 200
            for name, value in HEADERS.items():
                assert response.headers[name] == value
        page = served.client.get("/collect").text
        assert 'data-most-bytes="1234567"' in page and 'data-longest-seconds="60"' in page
        for name, path in FILES.items():
            assert served.client.get(f"/collect/{name}").content == path.read_bytes()
        for path in ("/collect/sentences", "/collect/", "/collect/collect.html", "/collect/..%2fapp.py", "/voices"):
            assert refusal(served.client.get(path)) == (401, "unauthorized")
        assert refusal(served.client.post("/collect/check", files=TAKE, data={"text": TEXT})) == (401, "unauthorized")
        for path in ("/collect/collect.html", "/collect/..%2fapp.py", "/collect/%00"):
            assert refusal(served.client.get(path, headers=BEARER)) == (404, "not_found")


def test_every_path_that_the_page_asks_is_there() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (*FILES.values(), OWN / "collect.html"))
    asked = re.findall(r"""\bask\(["`]([^"`]+)["`], {(?: method: "(\w+)")?""", source)
    app: Any = server.create_app(PAGE)
    while not hasattr(app, "openapi"):  # the gates lie around it
        app = app.app
    routes = {(path, method) for path, methods in app.openapi()["paths"].items() for method in methods}
    calls = (OWN / "service.js").read_text(encoding="utf-8").count(" ask(") - 1  # one is the function itself
    assert len(asked) == calls >= 5, "each is found"
    for path, method in asked:
        assert (f"/{path}".replace("${", "{"), method.lower() or "get") in routes
    assert {"reader.js"} < {*re.findall(r'"(?:\./|collect/)(\w+\.\w+)"', source)} <= {*FILES}


def test_the_policy_forbids_what_the_page_does_not_need() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'self'" and "unsafe" not in str(policy) and "http" not in str(policy)
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    for name in ("collect.html", "collect.js", "service.js"):
        assert "://" not in (OWN / name).read_text(encoding="utf-8"), "nothing comes from elsewhere"


def test_only_the_services_own_page_may_ask_besides_the_allowed_ones() -> None:
    with serving(PAGE) as served:
        for origin in (served.address, f"http://localhost:{served.port}"):
            host = origin.removeprefix("http://")
            response = served.client.get("/collect/sentences", headers={"Origin": origin, "Host": host})
            assert response.status_code == 200
        for origin in ("http://evil.example", f"http://localhost:{served.port + 1}", "null", "", "127.0.0.1"):
            refused = served.client.post("/feedback/train", headers={"Origin": origin})
            assert refusal(refused) == (403, "wrong_origin")
        both = {"Origin": "http://evil.example", "Host": "evil.example"}  # DNS rebinding
        assert refusal(served.client.get("/collect/sentences", headers=both)) == (400, "wrong_host")


def test_a_check_says_what_the_checks_say_and_keeps_nothing() -> None:
    quiet = take(1)[0] // 64
    with serving(ServiceSettings(sentences=READ, most_bytes=400_000)) as served:
        for sound, text in ((take(1)[0], TEXT), (quiet, TEXT), (take(1)[0], "Roj baş " * 20), (take(1)[0], "روژ")):
            audio = encoded(sound, RATE, "WAV")
            response = served.client.post(
                "/collect/check", files={"audio": ("x", audio, "audio/wav")}, data={"text": text}
            )
            found, expected = response.json(), check_take(audio, text)
            assert found["seconds"] == expected.seconds == 2.0
            for kind in ("errors", "warnings"):
                assert [one["message"] for one in found[kind]] == getattr(expected, kind)
                assert [one["code"] for one in found[kind]] == [one.code for one in getattr(expected, kind)]
        assert [one["code"] for one in found["errors"]] == ["bad_text"]
        noise = {"audio": ("x", b"no sound", "audio/wav")}
        unusable = served.client.post("/collect/check", files=noise, data={"text": TEXT})
        assert refusal(unusable) == (415, "undecodable_audio")
        assert refusal(served.client.post("/collect/check", files=TAKE)) == (422, "invalid")
        assert refusal(served.client.post("/collect/check", json={"text": TEXT})) == (422, "invalid")
        large = {"audio": ("x", bytes(500_000), "audio/wav")}
        assert refusal(served.client.post("/collect/check", files=large, data={"text": TEXT})) == (413, "too_large")
    assert FeedbackStore().corrections() == []


def test_sentences_with_the_fewest_takes_come_first() -> None:
    store = FeedbackStore()
    for number in range(2):
        submit(store, number, READ[0])
    withdrawn = submit(store, 5, READ[1])
    submit(store, 6, READ[2])
    store.withdraw(withdrawn.id)
    with serving(PAGE) as served:
        given = served.client.get("/collect/sentences").json()
    assert given["sentences"] == [READ[1], READ[2], READ[0]]
    assert given["voice"] is None and "kurdtts train" in given["why"]


def test_two_who_read_at_a_time_read_different_sentences_and_each_gets_a_few() -> None:
    many = [f"hevok {number}" for number in range(200)]
    first = Counter(fewest_first(many, [])[0] for _ in range(100))
    assert len(first) > 20
    assert len(set(fewest_first(many, []))) == collect.AT_ONCE


def test_the_samples_sentences_have_one_reading_and_are_written_as_one_writes() -> None:
    sentences = read_sentences(None)
    assert len(sentences) == len(set(sentences)) > 100
    assert all(not normalize(sentence).uncertain() for sentence in sentences)
    assert sum(sentence[0].isupper() for sentence in sentences) > 100, "not as they are spoken"


def test_a_file_of_sentences_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "hevok.txt"
    file.write_bytes("\ufeffRoj baş.\r\n\r\n  Şev   baş. \nRoj baş.\n".encode())
    assert read_sentences(file) == ("Roj baş.", "Şev baş.")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Roj baş.\nروژ".encode(), "line 2: There is no reading"),
        (b"\n \n", "holds no sentence"),
        ("Şev baş".encode("cp1254"), "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_nobody_can_read_aloud_is_an_error_before_anything_starts(
    tmp_path: Path, content: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hevok.txt"
    if content is not None:
        file.write_bytes(content)
    assert app.main(["serve", "--collect", "--sentences", str(file)]) == 1
    assert re.search(said, capsys.readouterr().err)


def test_the_address_is_told_and_what_a_phone_needs_and_the_token_is_not() -> None:
    for settings, host, address in (
        (PAGE, "127.0.0.1", "http://127.0.0.1:8765/collect\n"),
        (ServiceSettings(token=TOKEN, sentences=READ), "0.0.0.0", "http://127.0.0.1:8765/collect#token=TOKEN "),
        (ServiceSettings(token=TOKEN, sentences=READ), "::", "http://[::1]:8765/collect#token=TOKEN "),
    ):
        said = server.where_to_record(settings, host, 8765)
        assert address in said and TOKEN not in said
        assert "phone" in said and "https://YOUR-ADDRESS/collect" in said


def test_every_word_of_the_page_every_problem_and_every_finding_has_its_sentence() -> None:
    html = (OWN / "collect.html").read_text(encoding="utf-8")
    named = set(re.findall(r'data-word="(\w+)"', html))
    assert len(named) > 10 and named <= set(WORDS["en"]["page"])
    for name, text in WORDS["en"]["problems"].items():
        assert {*re.findall(r"{\w+}", text)} == {*re.findall(r"{\w+}", WORDS["kmr"]["problems"][name])}, name
    assert {*FINDINGS, "unusable", "bad_text"} == set(WORDS["kmr"]["findings"])
    assert check_take((np.zeros(RATE), RATE), TEXT).errors[0].code in WORDS["kmr"]["findings"]
