"""Speech over HTTP: the right voice, in the form that was asked for, whoever else is asking."""

import concurrent.futures
import io
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
import soundfile
import torch
from serving import Served, refusal, serving

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service import speech
from kurdtts_lib.speech import SpokenClause, encode_sound, speak, stream
from kurdtts_lib.vits.speakers import add_speakers
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices import registry

SENTENCE = "ez diçim malê, roj baş"


@pytest.fixture
def add(make_audible_voice: Callable[..., Voice]) -> Callable[..., int]:
    """Publish a voice; each speaks at another rate, so that they can be told apart."""

    def publish(*faults: str, rate: float = 0.1) -> int:
        voice = make_audible_voice(speaking_rate=rate)
        voice.card = {"faults": list(faults), "parent": None, "licence": "CC0", "date": "2026-01-02"}
        return registry.publish(voice, "test", lambda card: "# test\n").version

    return publish


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    with serving() as service:
        yield service


def ask(served: Served, **fields: object) -> httpx.Response:
    return served.client.post("/v1/audio/speech", json={"model": "tts-1", "input": SENTENCE, **fields})


def sound_of(response: httpx.Response) -> np.ndarray:
    assert response.status_code == 200, response.text
    return soundfile.read(io.BytesIO(response.content), dtype="float32")[0]


def expected(version: int, speed: float = 1.0) -> np.ndarray:
    return speak(load_voice(registry.find(str(version)).folder), SENTENCE, speed=speed)


def test_a_voice_of_several_speakers_speaks_as_the_one_asked_for(served: Served, make_audible_voice) -> None:
    voice = make_audible_voice()
    voice.model = add_speakers(voice.model, ["berfin", "azad"])
    with torch.no_grad():
        voice.model.decoder.cond.weight.normal_(0.0, 0.3)
    voice.card = {"faults": [], "parent": None, "speakers": voice.speakers}
    folder = registry.publish(voice, "test", lambda card: "# test\n").folder
    for asked, source in (("current", folder), ("1:berfin", folder), ("current:azad", f"{folder}:azad")):
        assert np.allclose(
            sound_of(ask(served, voice=asked, response_format="wav")), speak(load_voice(source), SENTENCE), atol=1e-3
        )
    assert refusal(ask(served, voice="current:evin")) == (404, "unknown_speaker")
    assert served.client.get("/voices").json()[0]["speakers"] == ["berfin", "azad"]


def test_every_form_holds_what_the_voice_says(served: Served, add: Callable[..., int]) -> None:
    reference = expected(add())
    for form, kind, container, subtype in (
        ("wav", "audio/wav", "WAV", "PCM_16"),
        ("flac", "audio/flac", "FLAC", "PCM_16"),
        ("mp3", "audio/mpeg", "MP3", "MPEG_LAYER_III"),
        ("opus", "audio/ogg", "OGG", "OPUS"),
    ):
        response = ask(served, voice="current", response_format=form)
        found = sound_of(response)
        info = soundfile.info(io.BytesIO(response.content))
        assert response.headers["content-type"] == kind
        assert (info.format, info.subtype, info.channels, info.samplerate) == (container, subtype, 1, 16_000)
        if form in ("wav", "flac"):
            assert np.abs(found - np.clip(reference, -1, 1)).max() <= 2 / 32768
        else:  # the spectra: these forms change waves, and mp3 adds silence at the edges
            assert abs(len(found) - len(reference)) < 2500
            spectra = [np.abs(np.fft.rfft(sound, 65_536))[:8192].reshape(64, -1).sum(1) for sound in (found, reference)]
            assert np.corrcoef(*spectra)[0, 1] > 0.9
    response = ask(served, instructions="cheerfully", stream_format="audio")  # other fields are ignored
    assert response.headers["content-type"] == "audio/mpeg" and len(sound_of(response)) > 0


def test_raw_samples_have_openais_rate_and_arrive_while_the_rest_is_still_spoken(
    served: Served, add: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = expected(add())
    heard = threading.Event()

    def waits(*arguments: object, **keywords: object) -> Iterator[SpokenClause]:
        clauses = stream(*arguments, **keywords)  # type: ignore[arg-type]
        yield next(clauses)
        assert heard.wait(600), "nothing arrived before the second clause was spoken"
        yield from clauses

    monkeypatch.setattr(speech, "stream", waits)
    body = {"input": SENTENCE, "response_format": "pcm"}
    with httpx.stream("POST", f"{served.address}/v1/audio/speech", json=body, timeout=600) as response:
        chunks = response.iter_raw()
        content = next(chunks)
        heard.set()
        content += b"".join(chunks)
    samples = np.frombuffer(content, "<i2")
    assert response.headers["content-type"] == "audio/pcm"
    assert len(samples) == pytest.approx(len(reference) * 1.5, abs=4) and samples.std() > 100


def test_a_voice_is_named_by_version_folder_or_as_the_current_one(served: Served, add: Callable[..., int]) -> None:
    versions = [add(rate=0.1), add(rate=0.2), add(rate=0.3)]
    registry.use(versions[1])
    (registry.models() / "voice-0003-test").rename(registry.models() / "voice-0003-third")
    lengths = [len(expected(version)) for version in versions]
    assert len(set(lengths)) == 3
    for name, length in [
        *((version, lengths[version - 1]) for version in versions),
        *((str(version), lengths[version - 1]) for version in versions),
        *((f"voice-{version:04d}-test", lengths[version - 1]) for version in versions[:2]),
        ("third", lengths[2]),
        ("current", lengths[1]),
    ]:
        assert len(sound_of(ask(served, voice=name, response_format="wav"))) == length
    registry.use(versions[2])
    assert len(sound_of(ask(served, response_format="wav"))) == lengths[2], "the new current one, at once"


def test_an_unknown_voice_or_one_of_several_is_not_found(served: Served, add: Callable[..., int]) -> None:
    add()
    for name in ("7", 7, "alloy", "", "../voice-0001-test", "/etc", "voice-0001-test/", "0001", "x\0"):
        for form in ("mp3", "pcm"):
            response = ask(served, voice=name, response_format=form)
            assert refusal(response) == (404, "unknown_voice") and "There are: 1" in response.text
    add()
    response = ask(served, voice="test")
    assert refusal(response) == (404, "unknown_voice")
    assert "Several voices have the name test. Give a number: 1, 2" in response.text


def test_without_a_voice_it_is_said_why(served: Served, add: Callable[..., int], home: Path) -> None:
    assert refusal(ask(served)) == (404, "no_voice")
    health = served.client.get("/health").json()
    assert health["ok"] is True and health["voice"] is None and "no fine-tuned voice yet" in health["why"]
    add("It is almost silent.")
    health = served.client.get("/health").json()
    assert "almost silent" in health["why"] and str(home) not in health["why"]
    add()
    assert served.client.get("/health").json()["voice"] == "voice-0002-test"
    (registry.models() / registry.CURRENT).write_text("{", encoding="utf-8")
    assert str(home) not in served.client.get("/health").text
    response = ask(served)
    assert refusal(response) == (503, "voice_unusable") and str(home) not in response.text


def test_the_list_of_voices_tells_what_is_on_their_cards(served: Served, add: Callable[..., int]) -> None:
    add()
    add("It is almost silent.")
    store = FeedbackStore()
    id = served.submit().json()["id"]
    store.accept(id)
    store.mark_used([id], "voice-0001-test")
    store.withdraw(id)
    found = served.client.get("/voices").json()
    assert found[0] == {
        **{"version": 1, "name": "test", "voice": "voice-0001-test", "speakers": [], "current": True, "licence": "CC0"},
        **{"date": "2026-01-02", "parent": None, "faults": [], "tainted": True},
    }
    assert (found[1]["current"], found[1]["faults"], found[1]["tainted"]) == (False, ["It is almost silent."], False)


def test_the_speed_is_that_of_one_request_only(served: Served, add: Callable[..., int]) -> None:
    version = add()
    for speed in (0.25, 4.0):
        assert len(sound_of(ask(served, response_format="wav", speed=speed))) == len(expected(version, speed))
    np.testing.assert_allclose(sound_of(ask(served, response_format="wav")), expected(version), atol=2 / 32768)


def test_what_is_left_out_or_guessed_is_named_in_a_header(served: Served, add: Callable[..., int]) -> None:
    add()
    for audio_format in ("wav", "pcm"):
        spoken = ask(served, input="Ez 1.2.3 dibînim 🙂.", response_format=audio_format)
        warnings = json.loads(unquote(spoken.headers["Speech-Warnings"]))
        assert any("'1.2.3'" in line for line in warnings) and any("🙂" in line for line in warnings)
        assert "Speech-Warnings" not in ask(served, response_format=audio_format).headers
    many = ask(served, input=" ".join(f"1.2.{number}, 1.1.{number}. Belê." for number in range(9)))
    assert json.loads(unquote(many.headers["Speech-Warnings"]))[-1].endswith("more")


def test_what_cannot_be_said_is_refused(served: Served, add: Callable[..., int]) -> None:
    add()
    invalid: list[dict] = [{"speed": speed} for speed in (0.2, 4.1, "fast", None)]
    invalid += [{"response_format": "aac"}, {"input": ""}, {"input": "a" * 5001}, {"input": 5}, {"voice": ["x"]}]
    for fields in invalid:
        assert refusal(ask(served, **fields)) == (422, "invalid"), fields
    for text, form in itertools.product(("روژ", "..."), ("mp3", "pcm")):
        assert refusal(ask(served, input=text, response_format=form)) == (422, "bad_text")
    wrong_kind = {"Content-Type": "text/plain"}
    response = served.client.post("/v1/audio/speech", content=b'{"input": "x"}', headers=wrong_kind)
    assert refusal(response) == (422, "invalid")
    lone_half, json_kind = b'{"input": "\\ud800"}', {"Content-Type": "application/json"}
    response = served.client.post("/v1/audio/speech", content=lone_half, headers=json_kind)
    assert refusal(response)[0] in (400, 422)


def test_many_at_once_hear_what_one_hears(served: Served, add: Callable[..., int]) -> None:
    versions = [add(rate=0.1), add(rate=0.2), add(rate=0.3)]  # one more than are kept loaded
    alone = {version: ask(served, voice=version, response_format="wav").content for version in versions}
    assert len(set(alone.values())) == 3

    def listen(number: int) -> bool:
        version = versions[number % 3]
        body = {"input": SENTENCE, "voice": version, "response_format": "wav"}
        return httpx.post(f"{served.address}/v1/audio/speech", json=body, timeout=600).content == alone[version]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(listen, range(6))) == [True] * 6


def test_while_a_text_is_spoken_the_next_ones_wait_and_the_rest_answers(
    served: Served, add: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    add()
    inside, go_on = threading.Event(), threading.Event()

    def slow(*arguments: object, **keywords: object) -> np.ndarray:
        inside.set()
        assert go_on.wait(600)
        return speak(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(speech, "speak", slow)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(ask, served, response_format=form) for form in ("mp3", "wav", "pcm")]
        assert inside.wait(600)
        assert served.client.get("/health").status_code == served.client.get("/voices").status_code == 200
        go_on.set()
        assert [answer.result().status_code for answer in answers] == [200] * 3


def test_minutes_of_speech_and_samples_beyond_full_scale_are_encoded_whole() -> None:
    noise = np.random.default_rng(0).normal(scale=0.5, size=16_000 * 120).astype(np.float32)
    for form in speech.MEDIA_TYPES:
        content = encode_sound(noise, 16_000, form)
        if form == "pcm":
            assert len(content) == 2 * 24_000 * 120
            continue
        found, rate = soundfile.read(io.BytesIO(content))
        assert rate == 16_000 and abs(len(found) - len(noise)) < 2500 and found.std() > 0.3
