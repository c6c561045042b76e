"""Who may use the service: the token, web pages, and other names for this machine."""

import httpx
from serving import BEARER, TOKEN, Served, head, raw_refusal, refusal, serving, wav

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service.state import ServiceSettings

PAGE = "https://page.example"
TAKE = {"audio": ("a.wav", wav(), "audio/wav")}
FIELDS = {"text": "Roj baş, heval.", "consent": "true"}
WRONG = ("", "Bearer", "Bearer  x", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN)


def test_without_the_token_only_health_answers() -> None:
    with serving(ServiceSettings(token=TOKEN)) as served:
        paths = served.client.get("/openapi.json", headers=BEARER).json()["paths"]
        for path in {*paths, "/openapi.json", "/nothing"} - {"/health"}:
            for method in paths.get(path, ("get",)):
                response = served.client.request(method, path)
                assert refusal(response) == (401, "unauthorized") and response.headers["www-authenticate"] == "Bearer"
        for header in (*map(str.encode, WRONG), b"Bearer \xff\xfe"):
            for ask in (served.client.get("/voices", headers={"Authorization": header}), post(served, header)):
                assert refusal(ask) == (401, "unauthorized")
        assert raw_refusal(served.raw(head(1000))) == (401, "unauthorized"), "nothing of the body was sent"
        assert FeedbackStore().corrections() == []
        assert served.client.get("/health").json()["ok"] is True
        assert served.client.get("/voices", headers=BEARER).status_code == 200
        assert post(served, BEARER["Authorization"]).status_code == 201


def post(served: Served, authorization: bytes) -> httpx.Response:
    return served.client.post("/feedback", files=TAKE, data=FIELDS, headers={"Authorization": authorization})


def test_an_allowed_page_may_and_another_may_not_and_by_default_none_may_even_send_a_form() -> None:
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
