"""The recorder's kernel side, without a browser: a take arrives whole or not at all, and never in silence."""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from speechlike import encoded

from kurdtts_lib.core.errors import AudioError, CorpusError, TakeError
from kurdtts_lib.feedback import takes
from kurdtts_lib.feedback.takes import LONGEST_SECONDS, Take, decode_take
from kurdtts_lib.widgets.recorder import LABELS, MAX_UPLOAD_BYTES, STATIC, Recorder, module_source

RATE = 16_000
Message = tuple[dict[str, Any], list[bytes]]


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-20_000, 20_000, samples, dtype=np.int16)


def messages(sound: np.ndarray, name: str = "a", round_: int = 0, rate: int = RATE) -> list[Message]:
    """What a page sends for a microphone's take."""
    return sent("microphone", rate, sound.tobytes(), len(sound), name, round_)


def upload(file: bytes, name: str = "u") -> list[Message]:
    return sent("upload", 0, file, len(file), name, 0)


def sent(source: str, rate: int, content: bytes, size: int, name: str, round_: int) -> list[Message]:
    take = {"kind": "take", "take": name, "round": round_, "source": source, "sampling_rate": rate, "size": size}
    return [({"kind": "begin", "round": round_}, []), (take, [content])]


class Page:
    """Stands for the browser: sends messages to a recorder and keeps what comes back."""

    def __init__(self, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.recorder, self.answers = recorder, []
        monkeypatch.setattr(recorder, "send", lambda content, buffers=None: self.answers.append(content))

    def send(self, sent: list[Message]) -> None:
        for message, buffers in sent:
            self.recorder._handle_custom_msg(message, buffers)

    @property
    def last(self) -> tuple[str, str, str]:
        answer = self.answers[-1]
        return answer["kind"], answer["take"], answer.get("code", "")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    widget = Recorder("Roj baş, heval!")
    yield widget
    widget.close()


@pytest.fixture
def page(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(recorder, monkeypatch)


def failure(recorder: Recorder) -> TakeError:
    with pytest.raises(TakeError) as caught:
        _ = recorder.take
    return caught.value


def test_the_samples_become_the_take(recorder: Recorder, page: Page) -> None:
    sound = noise(2 * RATE + 777)
    assert recorder.take is None
    page.send(messages(sound)[:1])
    assert recorder.take is None and page.answers == []
    page.send(messages(sound)[1:])
    take = recorder.take
    assert take is not None and take.seconds == len(sound) / RATE
    samples, rate = decode_take(take.content)
    assert rate == RATE and np.array_equal(samples[:, 0], sound)
    assert page.answers == [{"kind": "received", "take": "a", "seconds": take.seconds}]


WHOLE = messages(noise(3 * RATE))
CONTENT = WHOLE[1][1][0]
DAMAGED: dict[str, tuple[dict[str, Any], list[bytes]]] = {
    "its beginning is missing": ({}, [CONTENT[2:]]),
    "a second is missing inside": ({}, [CONTENT[: 2 * RATE] + CONTENT[4 * RATE :]]),
    "cut in a sample": ({}, [CONTENT[:-1]]),
    "without its sound": ({}, []),
    "two buffers": ({}, [CONTENT] * 2),
    "says more samples": ({"size": 3 * RATE + 1}, [CONTENT]),
    "no sound at all": ({"size": 0}, [b""]),
}


@pytest.mark.parametrize(("values", "buffers"), DAMAGED.values(), ids=DAMAGED)
def test_a_take_that_is_not_whole_is_refused_on_both_sides_and_the_next_is_good(
    recorder: Recorder, page: Page, values: dict[str, Any], buffers: list[bytes]
) -> None:
    called: list[Take] = []
    recorder.on_take(called.append)
    page.send([WHOLE[0], ({**WHOLE[1][0], **values}, buffers)])
    assert [(answer["kind"], answer["code"]) for answer in page.answers] == [("failed", "incomplete")]
    assert "did not arrive whole" in str(failure(recorder)) and "record again" in str(failure(recorder))
    assert called == []
    page.send(messages(noise(RATE), "b"))
    assert recorder.take is not None and recorder.take.seconds == 1.0
    page.send(messages(noise(RATE), "c")[:1])
    assert recorder.take is None, "who records again does not want the take before"


def test_what_goes_with_the_take_is_called_whenever_it_goes(recorder: Recorder, page: Page) -> None:
    gone: list[float] = []
    recorder.on_clear(lambda: gone.append(recorder._kept_seconds))
    page.send(WHOLE)
    assert gone == []
    page.send(messages(noise(RATE), "b")[:1])
    assert gone == [0.0], "another begins"
    page.send(messages(noise(RATE), "b")[1:])
    page.send([(WHOLE[1][0], [])])
    assert gone == [0.0] * 2, "one fails"
    page.send(WHOLE)
    recorder.text = "Şev baş!"
    assert gone == [0.0] * 3


def test_a_take_can_be_as_long_as_a_correction_and_no_longer(recorder: Recorder, page: Page) -> None:
    assert recorder.get_state()["_longest_seconds"] == LONGEST_SECONDS, "the page stops by itself"
    longest = round(LONGEST_SECONDS * 48_000)
    assert 2 * longest < MAX_UPLOAD_BYTES, "a notebook's socket takes less than 10 MiB in a message"
    page.send(messages(noise(longest), rate=48_000))
    assert recorder.take is not None and recorder.take.seconds == LONGEST_SECONDS
    page.send(messages(noise(longest + 1), "b", rate=48_000))
    assert page.last == ("failed", "b", "too_long") and failure(recorder).code == "too_long"
    page.send(upload(encoded(noise(61 * RATE), RATE, "FLAC")))
    assert page.last == ("failed", "u", "too_long")


@pytest.mark.parametrize(("kind", "channels"), [("WAV", 1), ("FLAC", 2), ("MP3", 1), ("OGG", 2)])
def test_an_uploaded_file_is_decoded_and_kept_as_it_was(
    recorder: Recorder, page: Page, kind: str, channels: int
) -> None:
    sound = (0.4 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    file = encoded(np.repeat(sound[:, None], channels, axis=1), RATE, kind)
    page.send(upload(file))
    take = recorder.take
    assert take is not None
    samples, rate = decode_take(take.content)
    assert rate == RATE and samples.shape[1] == channels
    assert np.corrcoef(samples[: len(sound), 0], sound[: len(samples)])[0, 1] > 0.99
    assert page.answers == [{"kind": "received", "take": "u", "seconds": take.seconds}]


@pytest.mark.parametrize("file", [b"this is no sound", b"\x00" * 5000, b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_an_upload_that_is_no_sound_says_so_in_the_widget_and_in_python(
    recorder: Recorder, page: Page, file: bytes
) -> None:
    page.send(upload(file))
    assert page.last == ("failed", "u", "")
    assert "cannot be decoded" in page.answers[-1]["detail"] and isinstance(failure(recorder), AudioError)


def test_an_upload_that_is_empty_or_cut_is_refused(recorder: Recorder, page: Page) -> None:
    begin, (take, (file,)) = upload(encoded(noise(RATE), RATE, "WAV"))
    for cut in ([begin, (take, [file[:-1000]])], upload(b"")):
        page.send(cut)
        assert page.last == ("failed", "u", "incomplete")
    page.send(upload(encoded(np.zeros(0, np.float32), RATE, "WAV")))
    assert "no sound at all" in str(failure(recorder))


def test_a_small_file_with_hours_of_silence_is_not_decoded(
    recorder: Recorder, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = encoded(np.zeros(700 * RATE, np.int16), RATE, "FLAC")
    monkeypatch.setattr(takes, "read", lambda source: pytest.fail("decoded"))
    page.send(upload(file))
    assert len(file) < 1_000_000 and failure(recorder).code == "too_long"


@pytest.mark.parametrize("text", ["Şev baş!", "Roj baş, heval!"])
def test_a_new_sentence_clears_the_take_also_when_it_is_the_same(recorder: Recorder, page: Page, text: str) -> None:
    page.send(WHOLE)
    recorder.message = "quiet"
    recorder.text = text
    assert (recorder.text, recorder.take, recorder.message, recorder._kept_seconds) == (text, None, "", 0.0)


def test_a_take_of_the_sentence_before_never_becomes_one_of_the_new(recorder: Recorder, page: Page) -> None:
    page.send(WHOLE[:1])
    recorder.text = "Şev baş!"
    page.send(WHOLE[1:])
    assert recorder.take is None and page.last == ("failed", "a", "text_changed")
    page.send(messages(noise(RATE), "b", round_=1))
    page.send(messages(noise(RATE), "c", round_=0))  # begun before the page knew of the new sentence
    assert page.last == ("failed", "c", "text_changed")
    assert recorder.take is not None and len(page.answers) == 3


def test_callbacks_get_the_take_and_their_errors_are_shown(recorder: Recorder, page: Page) -> None:
    got: list[Take] = []

    def refuse(take: Take) -> None:
        raise CorpusError("The sentence has 30 letters and the take 1 second. Record again.")

    recorder.on_take(got.append)
    recorder.on_take(refuse)
    page.send(messages(noise(RATE)))
    assert got == [recorder.take]
    assert "30 letters" in recorder.message
    page.send(messages(noise(RATE), "b")[:1])
    assert recorder.message == "", "it was about the take before"


def test_a_saved_notebook_keeps_the_sentence_and_no_sound(recorder: Recorder, page: Page) -> None:
    before = len(json.dumps(recorder.get_state()))
    page.send(WHOLE)
    page.send(upload(encoded(noise(RATE), RATE, "WAV")))
    assert len(json.dumps(recorder.get_state())) < before + 50, "JSON: so there is no binary part either"
    recorder.text = "<b>Roj</b> baş"
    data, _ = recorder._repr_mimebundle_()
    assert "&lt;b&gt;Roj&lt;/b&gt; baş" in data["text/html"] and 'lang="kmr"' in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="en, kmr"):
        Recorder("Roj baş", language="de")


def test_both_languages_say_everything() -> None:
    english, kurmanji = LABELS["en"], LABELS["kmr"]
    assert list(english) == list(kurmanji)
    for name, text in english.items():
        assert kurmanji[name] not in ("", text), name
        assert {*re.findall(r"{\w+}", text)} == {*re.findall(r"{\w+}", kurmanji[name])}, name


def test_the_module_is_one_file_without_network() -> None:
    source = module_source()
    assert "import " not in source and "http" not in source
    assert source.count("export default") == 1
    assert {path.name for path in STATIC.iterdir()} >= {"capture.js", "panel.js", "recorder.js", "recorder.css"}
