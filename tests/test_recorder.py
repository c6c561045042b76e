"""The recorder's kernel side, without a browser: a take arrives whole or not at all, and never in silence."""

import json
import re
from typing import Any

import numpy as np
import pytest
from corrections import decode_take
from speechlike import encoded

from kurdtts_lib.feedback.takes import LONGEST_SECONDS, Take
from kurdtts_lib.service.collect import OWN
from kurdtts_lib.widgets import listening_page
from kurdtts_lib.widgets.markup import module_source
from kurdtts_lib.widgets.recorder import LABELS, MAX_UPLOAD_BYTES, Recorder

RATE = 16_000
Message = tuple[dict[str, Any], list[bytes]]
Told = list[Take | None]


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-20_000, 20_000, samples, dtype=np.int16)


def messages(sound: np.ndarray, name: str = "a", round_: int = 0, rate: int = RATE) -> list[Message]:
    """What a page sends for a microphone's take."""
    return sent("microphone", rate, sound.tobytes(), len(sound), name, round_)


def upload(file: bytes, name: str = "u") -> list[Message]:
    return sent("upload", 0, file, len(file), name, 0)


def sent(source: str, rate: int, content: bytes, size: int, name: str, round_: int) -> list[Message]:
    take = {"kind": "take", "request": name, "round": round_, "source": source, "sampling_rate": rate, "size": size}
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
        return "failed" if "error" in answer else "received", answer["request"], answer.get("code", "")


@pytest.fixture
def told() -> Told:
    """What the recorder told: a take, or None when the one before goes."""
    return []


@pytest.fixture
def page(told: Told, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(Recorder("Roj baş, heval!", "en", told.append, lambda: told.append(None)), monkeypatch)


WHOLE = messages(noise(3 * RATE))
CONTENT = WHOLE[1][1][0]


def test_the_samples_become_the_take_and_the_next_recording_discards_it(page: Page, told: Told) -> None:
    page.send(WHOLE[:1])
    assert told == [None] and page.answers == []
    page.send(WHOLE[1:])
    take = told[-1]
    assert take is not None and take.seconds == page.recorder._kept_seconds == 3
    samples, rate = decode_take(take.content)
    assert rate == RATE and samples[:, 0].tobytes() == CONTENT
    assert page.answers == [{"request": "a", "result": 3.0}]
    page.send(messages(noise(RATE), "b")[:1])
    assert told[1:] == [take, None] and page.recorder._kept_seconds == 0


FILE = encoded(noise(RATE), RATE, "WAV")
REFUSED: dict[str, tuple[Message, str, str]] = {
    "its beginning is missing": ((WHOLE[1][0], [CONTENT[2:]]), "incomplete", "did not arrive whole"),
    "a second is missing inside": ((WHOLE[1][0], [CONTENT[: 2 * RATE] + CONTENT[4 * RATE :]]), "incomplete", "again"),
    "without its sound": ((WHOLE[1][0], []), "incomplete", "(0 bytes came)"),
    "says more samples": (({**WHOLE[1][0], "size": 3 * RATE + 1}, [CONTENT]), "incomplete", "record again"),
    "a file that is cut": ((upload(FILE)[1][0], [FILE[:-1000]]), "incomplete", "record again"),
    "a file without sound": (upload(encoded(np.zeros(0), RATE, "WAV"))[1], "", "no sound at all"),
    "no sound": (upload(b"this is no sound")[1], "", "cannot be decoded"),
    "a file of a minute and more": (upload(encoded(noise(61 * RATE), RATE, "FLAC"))[1], "too_long", "60 s"),
}


@pytest.mark.parametrize(("message", "code", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_whole_or_no_take_is_refused_and_the_next_is_good(
    page: Page, told: Told, message: Message, code: str, said: str
) -> None:
    page.send([*WHOLE, message])
    assert page.last[0] == "failed" and page.answers[-1]["code"] == code
    assert said in page.answers[-1]["error"] and told[-1] is None
    page.send(messages(noise(RATE), "b"))
    assert told[-1] is not None and told[-1].seconds == 1.0


def test_a_take_can_be_as_long_as_a_correction_and_no_longer(page: Page) -> None:
    assert page.recorder.get_state()["_longest_seconds"] == LONGEST_SECONDS, "the page stops by itself"
    longest = round(LONGEST_SECONDS * 48_000)
    assert 2 * longest < MAX_UPLOAD_BYTES, "a notebook's socket takes less than 10 MiB in a message"
    page.send(messages(noise(longest), rate=48_000))
    assert page.last == ("received", "a", "")
    page.send(messages(noise(longest + 1), "b", rate=48_000))
    assert page.last == ("failed", "b", "too_long")


def test_a_take_of_the_sentence_before_never_becomes_one_of_the_new(page: Page, told: Told) -> None:
    page.send(WHOLE[:1])
    page.recorder.show("Şev baş!")
    page.send(WHOLE[1:])
    assert told[-1] is None and page.last == ("failed", "a", "text_changed")
    page.send(messages(noise(RATE), "b", round_=1))
    page.send(messages(noise(RATE), "c", round_=0))  # begun before the page knew of the new sentence
    assert page.last == ("failed", "c", "text_changed")
    assert told[-1] is not None and len(page.answers) == 3


COLLECT = json.loads((OWN / "words.json").read_text(encoding="utf-8"))


def test_both_languages_say_everything_and_another_one_is_refused() -> None:
    of_the_page = [(COLLECT["en"][kind], COLLECT["kmr"][kind]) for kind in ("page", "recorder")]
    of_widgets = [(words["en"], words["kmr"]) for words in (LABELS, listening_page.LABELS)]
    for english, kurmanji in (*of_the_page, *of_widgets):
        assert list(english) == list(kurmanji)
        for name, text in english.items():
            assert kurmanji[name] not in ("", text), name
            assert {*re.findall(r"{\w+}", text)} == {*re.findall(r"{\w+}", kurmanji[name])}, name
    with pytest.raises(ValueError, match="en, kmr"):
        Recorder("Roj baş", "de", print, print)


def test_the_module_is_one_file_without_network() -> None:
    source = module_source("capture.js", "kernel.js", "panel.js", "recorder.js")
    assert "import " not in source and "http" not in source
    assert source.count("export default") == 1
