"""Who may use the service: the token, web pages, other names for this machine, and how often."""

import httpx
import pytest
from serving import BEARER, TOKEN, Served, head, raw_refusal, refusal, serving, wav

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service import middleware
from kurdtts_lib.service.middleware import RateLimit
from kurdtts_lib.service.state import ServiceSettings

PAGE = "https://page.example"
TAKE = {"audio": ("a.wav", wav(), "audio/wav")}
FIELDS = {"text": "Roj baş, heval.", "consent": "true"}
WRONG = [
    b"",
    b"Bearer",
    b"Bearer  x",
    f"Bearer {TOKEN}x".encode(),
    f"Bearer {TOKEN[:-1]}".encode(),
    f"Basic {TOKEN}".encode(),
    TOKEN.encode(),
    b"Bearer \xff\xfe",
]


def test_without_the_token_only_health_answers() -> None:
    with serving(ServiceSettings(token=TOKEN)) as served:
        paths = served.client.get("/openapi.json", headers=BEARER).json()["paths"]
        for path in {*paths, "/openapi.json", "/nothing"} - {"/health"}:
            for method in paths.get(path, ("get",)):
                response = served.client.request(method, path)
                assert refusal(response) == (401, "unauthorized") and response.headers["www-authenticate"] == "Bearer"
        for header in WRONG:
            for ask in (served.client.get("/voices", headers={"Authorization": header}), post(served, header)):
                assert refusal(ask) == (401, "unauthorized")
        assert FeedbackStore().corrections() == []
        assert served.client.get("/health").json()["ok"] is True
        assert served.client.get("/voices", headers=BEARER).status_code == 200
        assert post(served, BEARER["Authorization"]).status_code == 201


def post(served: Served, authorization: bytes, seconds: float = 2.5) -> httpx.Response:
    take = {"audio": ("a.wav", wav(seconds=seconds), "audio/wav")}
    return served.client.post("/feedback", files=take, data=FIELDS, headers={"Authorization": authorization})


def test_without_the_token_nothing_of_a_body_is_waited_for_or_read() -> None:
    with serving(ServiceSettings(token=TOKEN)) as served:
        # Nothing of the body is sent: an answer means that nobody waits for it.
        assert raw_refusal(served.raw(head(1000))) == (401, "unauthorized")
        for length in (200_000_000, None):
            keeps_open = head(length).replace(b"Connection: close\r\n", b"")
            # It ends although our half is open: the service closed the connection with its answer.
            assert raw_refusal(served.raw(keeps_open, close=False)) == (401, "unauthorized")
        for seconds in (2.5, 60.0):
            response = post(served, b"", seconds)
            assert refusal(response) == (401, "unauthorized") and "connection" not in response.headers


def test_an_allowed_page_may_and_another_may_not() -> None:
    with serving(ServiceSettings(origins=(PAGE,), token=TOKEN)) as served:
        asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        asks["Access-Control-Request-Headers"] = "authorization"
        preflight = served.client.options("/feedback", headers=asks)
        assert preflight.status_code == 200 and preflight.headers["access-control-allow-origin"] == PAGE
        assert "POST" in preflight.headers["access-control-allow-methods"]
        for status, response in (
            (200, served.client.get("/voices", headers={**BEARER, "Origin": PAGE})),
            (401, served.client.get("/voices", headers={"Origin": PAGE})),
            (404, served.client.get("/feedback/x", headers={**BEARER, "Origin": PAGE})),
        ):
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == PAGE, "or the page cannot read why"
        for origin in ("https://other.example", "http://page.example", f"{PAGE}.other.example", "null", ""):
            answers = (
                served.client.options("/feedback", headers={**asks, "Origin": origin}),
                served.client.get("/voices", headers={**BEARER, "Origin": origin}),
            )
            for answer in answers:
                assert refusal(answer) == (403, "wrong_origin")
                assert "access-control-allow-origin" not in answer.headers


def test_no_page_may_by_default_not_even_send_a_form() -> None:
    with serving() as served:
        response = served.client.post("/feedback", files=TAKE, data=FIELDS, headers={"Origin": PAGE})
        assert refusal(response) == (403, "wrong_origin")
        assert refusal(served.client.post("/feedback/train", headers={"Origin": PAGE})) == (403, "wrong_origin")
        assert FeedbackStore().corrections() == []


def test_only_this_machines_own_names_are_answered() -> None:
    own = ("localhost", "LOCALHOST:8765", "127.0.0.1:8765", "[::1]:8765", "127.0.0.2:8765")
    others = ("127.0.0.1.2", "evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example")
    others += ("[::1].evil.example", "evil.example/localhost", "")
    with serving() as served:
        for host in (*own, *others):
            response = served.client.get("/health", headers={"Host": host})
            assert response.status_code == 200 if host in own else refusal(response) == (400, "wrong_host"), host


def test_too_many_requests_are_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BURST", 3)
    monkeypatch.setattr(middleware, "PER_SECOND", 0.001)
    with serving() as served:
        statuses = [served.submit(seed).status_code for seed in range(5)]
        assert statuses == [201, 201, 201, 429, 429]
        response = served.client.post("/tts", json={"text": "roj baş"}, headers={"X-Forwarded-For": "192.0.2.1"})
        assert refusal(response) == (429, "too_many_requests")
        assert 900 < int(response.headers["retry-after"]) <= 1000
        assert served.client.get("/health").status_code == 200, "asking costs nothing"
    assert len(FeedbackStore().corrections()) == 3


def class_of_30(minutes: int, address: str) -> list[float]:
    """How long each request must wait when each of 30 pupils hears, checks and sends a sentence every 12 s."""
    now = [0.0]
    buckets = RateLimit(lambda: now[0])
    waits = []
    for sentence in range(5 * minutes):
        for number in range(30):
            now[0] = 12.0 * sentence + (0.4 * number if sentence % 2 else 0.0)  # one after the other, or all at once
            waits += [buckets.wait_seconds(address) for _ in range(3)]
    return waits


def test_a_class_behind_one_address_is_served_for_a_whole_lesson() -> None:
    assert class_of_30(45, "192.0.2.1") == [0.0] * 45 * 5 * 30 * 3


def test_a_client_is_who_the_named_proxy_asks_for_and_no_other_may_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BURST", 2)
    monkeypatch.setattr(middleware, "PER_SECOND", 0.001)

    def statuses(*forwarded: str) -> list[int]:
        headers = [{"X-Forwarded-For": addresses} for addresses in forwarded]
        return [served.client.post("/feedback/x/accept", headers=header).status_code for header in headers]

    with serving(ServiceSettings(proxies=("127.0.0.1",))) as served:
        assert statuses("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2", "192.0.2.3") == [404] * 5
        assert statuses("192.0.2.1", "192.0.2.4, 192.0.2.2") == [429] * 2, "who claims another address is still known"
    for proxies in ((), ("192.0.2.9",)):
        with serving(ServiceSettings(proxies=proxies)) as served:
            assert statuses("192.0.2.1", "192.0.2.2", "192.0.2.3") == [404, 404, 429]


def test_a_bucket_fills_again_and_each_client_has_its_own() -> None:
    now = [0.0]
    buckets = RateLimit(lambda: now[0])
    assert [buckets.wait_seconds("a") for _ in range(middleware.BURST)] == [0.0] * middleware.BURST
    assert buckets.wait_seconds("a") == pytest.approx(1 / middleware.PER_SECOND)
    assert buckets.wait_seconds("b") == 0.0
    now[0] += 1 / middleware.PER_SECOND
    assert buckets.wait_seconds("a") == 0.0 and buckets.wait_seconds("a") > 0
    now[0] += 1e6
    assert [buckets.wait_seconds("a") for _ in range(middleware.BURST)] == [0.0] * middleware.BURST
    assert buckets.wait_seconds("a") > 0, "a bucket is never more than full"


def test_only_so_many_clients_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "CLIENTS", 10)
    buckets = RateLimit(lambda: 0.0)
    for number in range(1000):
        buckets.wait_seconds(str(number))
    assert len(buckets._buckets) == 10
