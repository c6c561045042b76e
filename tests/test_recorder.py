"""The recorder's kernel side, without a browser: a take arrives whole or not at all, and never in silence."""

import io
import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.errors import AudioError, CorpusError, TakeError
from kurdtts_lib.widgets import takes
from kurdtts_lib.widgets.recorder import LABELS, STATIC, Recorder, module_source
from kurdtts_lib.widgets.takes import Receiver, Take

RATE = 16_000
Message = tuple[dict[str, Any], list[bytes]]


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-20_000, 20_000, samples, dtype=np.int16)


def messages(sound: np.ndarray, name: str = "a", round_: int = 0, chunk: int = RATE) -> list[Message]:
    """What a page sends for a microphone's take: start, chunks, end."""
    start = {"kind": "start", "take": name, "source": "microphone", "sampling_rate": RATE, "round": round_}
    parts = [sound[i : i + chunk] for i in range(0, len(sound), chunk)]
    chunks = [({"kind": "chunk", "take": name, "number": i}, [part.tobytes()]) for i, part in enumerate(parts)]
    return [(start, []), *chunks, ({"kind": "end", "take": name, "chunks": len(parts), "size": len(sound)}, [])]


def upload(file: bytes, name: str = "u", chunk: int = 1000) -> list[Message]:
    start = {"kind": "start", "take": name, "source": "upload", "sampling_rate": 0, "round": 0}
    parts = [file[i : i + chunk] for i in range(0, len(file), chunk)]
    chunks = [({"kind": "chunk", "take": name, "number": i}, [part]) for i, part in enumerate(parts)]
    return [(start, []), *chunks, ({"kind": "end", "take": name, "chunks": len(parts), "size": len(file)}, [])]


def encoded(sound: np.ndarray, kind: str, channels: int = 1) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.repeat(sound[:, None], channels, axis=1), RATE, format=kind)
    return file.getvalue()


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


def test_chunks_in_order_become_the_take(recorder: Recorder, page: Page) -> None:
    sound = noise(2 * RATE + 777)
    assert recorder.take is None
    page.send(messages(sound)[:-1])
    assert recorder.take is None and page.answers == [], "nothing is passed on before its end"
    page.send(messages(sound)[-1:])
    take = recorder.take
    assert take is not None and np.array_equal(take.waveform * 32768, sound)
    assert (take.waveform.dtype, take.sampling_rate, take.source, take.original) == (
        np.float32,
        RATE,
        "microphone",
        None,
    )
    assert page.answers == [{"kind": "received", "take": "a", "seconds": take.seconds}]
    assert take.seconds == len(sound) / RATE
    with pytest.raises(ValueError, match="read-only"):
        take.waveform[0] = 0


def drop(sent: list[Message], place: int) -> list[Message]:
    return sent[:place] + sent[place + 1 :]


def changed(sent: list[Message], place: int, **values: object) -> list[Message]:
    message, buffers = sent[place]
    return [({**message, **values}, buffers) if i == place % len(sent) else one for i, one in enumerate(sent)]


WHOLE = messages(noise(3 * RATE))
DAMAGED = {
    "first piece missing": drop(WHOLE, 1),
    "middle piece missing": drop(WHOLE, 2),
    "last piece missing": drop(WHOLE, 3),
    "all pieces missing": [WHOLE[0], WHOLE[-1]],
    "piece twice": [*WHOLE[:3], *WHOLE[2:]],
    "pieces exchanged": [WHOLE[0], WHOLE[2], WHOLE[1], *WHOLE[3:]],
    "end says more pieces": changed(WHOLE, -1, chunks=4),
    "end says more samples": changed(WHOLE, -1, size=3 * RATE + 1),
    "end says fewer samples": changed(WHOLE, -1, size=3 * RATE - 1),
    "piece without its sound": [*WHOLE[:2], (WHOLE[2][0], []), *WHOLE[3:]],
    "piece with two buffers": [*WHOLE[:2], (WHOLE[2][0], WHOLE[2][1] * 2), *WHOLE[3:]],
    "piece cut short": [*WHOLE[:2], (WHOLE[2][0], [WHOLE[2][1][0][:-2]]), *WHOLE[3:]],
    "piece cut in a sample": [*WHOLE[:2], (WHOLE[2][0], [WHOLE[2][1][0][:-1]]), *WHOLE[3:]],
    "beginning missing": WHOLE[1:],
    "impossible rate": changed(WHOLE, 0, sampling_rate=0),
    "no sound at all": messages(noise(0)),
}


@pytest.mark.parametrize("sent", DAMAGED.values(), ids=DAMAGED)
def test_a_take_that_is_not_whole_is_refused_on_both_sides(recorder: Recorder, page: Page, sent: list[Message]) -> None:
    called: list[Take] = []
    recorder.on_take(called.append)
    page.send(sent)
    assert {(answer["kind"], answer["code"]) for answer in page.answers} == {("failed", "incomplete")}
    assert "did not arrive whole" in str(failure(recorder)) and "record again" in str(failure(recorder))
    assert called == []


def test_a_gap_is_reported_when_it_is_found_and_once(recorder: Recorder, page: Page) -> None:
    page.send(drop(WHOLE, 1)[:2])
    assert page.last == ("failed", "a", "incomplete"), "nobody should read on for minutes"
    page.send(drop(WHOLE, 1)[2:])
    assert len(page.answers) == 1


def test_after_a_failure_the_next_take_is_good(recorder: Recorder, page: Page) -> None:
    page.send(drop(WHOLE, 2))
    page.send(messages(noise(RATE), "b"))
    assert recorder.take is not None and recorder.take.seconds == 1.0
    page.send(messages(noise(RATE), "c")[:1])
    assert recorder.take is None, "who records again does not want the take before"


def test_a_cancelled_take_leaves_none(recorder: Recorder, page: Page) -> None:
    page.send([*WHOLE[:3], ({"kind": "cancel", "take": "a"}, [])])
    assert recorder.take is None and page.answers == []
    page.send(WHOLE[3:4])
    assert page.last == ("failed", "a", "incomplete")


@given(st.data())
def test_takes_that_come_interleaved_are_kept_apart(data: st.DataObject) -> None:
    sounds = {name: noise(data.draw(st.integers(1, 500)), seed) for seed, name in enumerate("xyz")}
    queues = {name: messages(sound, name, chunk=100) for name, sound in sounds.items()}
    receiver, got = Receiver(), {}
    while queues:
        name = data.draw(st.sampled_from(sorted(queues)))
        message, buffers = queues[name].pop(0)
        take = receiver.receive(message, buffers)
        if take is not None:
            got[message["take"]] = take
        if not queues[name]:
            del queues[name]
    assert {name: (take.waveform * 32768).tolist() for name, take in got.items()} == {
        name: sound.tolist() for name, sound in sounds.items()
    }


@given(st.data())
def test_in_any_order_a_take_is_whole_or_refused(data: st.DataObject) -> None:
    """Messages exchanged, lost and doubled: never a take that differs from what was said."""
    sound = noise(450)
    sent = messages(sound, chunk=100)
    places = data.draw(st.permutations(range(len(sent))) | st.lists(st.integers(0, len(sent) - 1), max_size=12))
    receiver, taken, refused = Receiver(), [], 0
    for message, buffers in (sent[place] for place in places):
        try:
            take = receiver.receive(message, buffers)
        except TakeError:
            refused += 1
        else:
            taken += [take] if take else []
    assert all(np.array_equal(take.waveform * 32768, sound) for take in taken)
    if len(sent) - 1 in places:
        assert taken or refused, "an end that is neither answered by a take nor by a refusal"


def test_windows_that_were_reloaded_do_not_fill_the_memory(recorder: Recorder, page: Page) -> None:
    for number in range(20):
        page.send(messages(noise(RATE), f"lost {number}")[:2])
    assert len(recorder._receiver._open) == takes.MAX_OPEN
    page.send(WHOLE)
    assert recorder.take is not None


def test_a_microphone_that_never_ends_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = Recorder("Roj baş", longest_seconds=2)
    page = Page(recorder, monkeypatch)
    assert recorder.get_state()["_longest_seconds"] == 2, "or the browser does not stop"
    page.send(messages(noise(3 * RATE)))
    assert recorder.take is not None, "the browser may overshoot by a second"
    page.send(messages(noise(4 * RATE), "b"))
    assert page.last == ("failed", "b", "too_long") and failure(recorder).code == "too_long"
    page.send(upload(encoded(noise(3 * RATE), "WAV")))
    assert page.last == ("failed", "u", "too_long"), "a file can be made shorter before"
    recorder.close()


@pytest.mark.parametrize(("kind", "channels"), [("WAV", 1), ("FLAC", 2), ("MP3", 1), ("OGG", 2)])
def test_an_uploaded_file_is_decoded_and_kept_as_it_was(
    recorder: Recorder, page: Page, kind: str, channels: int
) -> None:
    sound = (0.4 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    file = encoded(sound, kind, channels)
    page.send(upload(file))
    take = recorder.take
    assert take is not None and take.original == file
    assert (take.sampling_rate, take.source, take.waveform.ndim) == (RATE, "upload", 1)
    assert np.corrcoef(take.waveform[: len(sound)], sound[: len(take.waveform)])[0, 1] > 0.99
    assert page.answers == [{"kind": "received", "take": "u", "seconds": take.seconds}]


@pytest.mark.parametrize("file", [b"this is no sound", b"\x00" * 5000, b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_an_upload_that_is_no_sound_says_so_in_the_widget_and_in_python(
    recorder: Recorder, page: Page, file: bytes
) -> None:
    page.send(upload(file))
    assert page.last == ("failed", "u", "")
    assert "cannot be decoded" in page.answers[-1]["detail"] and isinstance(failure(recorder), AudioError)


def test_an_empty_upload_is_refused(recorder: Recorder, page: Page) -> None:
    page.send(upload(b""))
    assert page.last == ("failed", "u", "") and "cannot be decoded" in str(failure(recorder))
    page.send(upload(encoded(np.zeros(0, np.float32), "WAV")))
    assert "no sound at all" in str(failure(recorder))


def test_a_cut_upload_is_refused_although_it_could_be_decoded(recorder: Recorder, page: Page) -> None:
    page.send(drop(upload(encoded(noise(RATE), "WAV")), -2))
    assert failure(recorder).code == "incomplete"


def test_a_small_file_with_hours_of_silence_is_not_decoded(
    recorder: Recorder, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = encoded(np.zeros(700 * RATE, np.int16), "FLAC")
    monkeypatch.setattr(takes.audio, "read", lambda source: pytest.fail("decoded"))
    page.send(upload(file))
    assert len(file) < 1_000_000 and failure(recorder).code == "too_long"


def test_an_upload_that_never_ends_is_stopped(recorder: Recorder, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takes, "MAX_UPLOAD_BYTES", 5000)
    page.send(upload(b"x" * 20_000))
    assert failure(recorder).code == "too_big" and len(page.answers) == 1


@pytest.mark.parametrize("text", ["Şev baş!", "Roj baş, heval!"])
def test_a_new_sentence_clears_the_take_also_when_it_is_the_same(recorder: Recorder, page: Page, text: str) -> None:
    page.send(WHOLE)
    recorder.message = "quiet"
    recorder.text = text
    assert (recorder.text, recorder.take, recorder.message, recorder._kept_seconds) == (text, None, "", 0.0)


def test_a_take_of_the_sentence_before_never_becomes_one_of_the_new(recorder: Recorder, page: Page) -> None:
    page.send(WHOLE[:3])
    recorder.text = "Şev baş!"
    page.send(WHOLE[3:])
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


def test_a_callback_can_be_given_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Take] = []
    page = Page(Recorder("Roj baş", on_take=got.append), monkeypatch)
    page.send(WHOLE)
    assert [take.seconds for take in got] == [3.0]


def test_no_sound_is_in_what_a_notebook_saves(recorder: Recorder, page: Page) -> None:
    before = len(json.dumps(recorder.get_state()))
    page.send(WHOLE)
    page.send(upload(encoded(noise(RATE), "WAV")))
    state = recorder.get_state()
    assert len(json.dumps(state)) < before + 50, "JSON: so there is no binary part either"


def test_a_saved_notebook_keeps_the_sentence_without_a_kernel() -> None:
    data, _ = Recorder("<b>Roj</b> baş")._repr_mimebundle_()
    assert "&lt;b&gt;Roj&lt;/b&gt; baş" in data["text/html"] and 'lang="kmr"' in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="en, kmr"):
        Recorder("Roj baş", language="de")


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_both_languages_say_everything() -> None:
    english, kurmanji = LABELS["en"], LABELS["kmr"]
    assert list(english) == list(kurmanji) and all(kurmanji.values())
    assert {name: places(text) for name, text in english.items()} == {
        name: places(text) for name, text in kurmanji.items()
    }
    assert [name for name in english if english[name] == kurmanji[name]] == []


def test_every_label_is_used() -> None:
    sources = module_source() + Path(takes.__file__).read_text(encoding="utf-8")
    levels = {"level_silent", "level_quiet", "level_good", "level_loud"}  # put together in the panel
    unused = {name for name in LABELS["en"] if f'"{name}"' not in sources and f"labels.{name}" not in sources}
    assert unused <= levels


def test_the_module_is_one_file_without_network() -> None:
    source = module_source()
    assert "import " not in source and "http" not in source
    assert source.count("export default") == 1
    assert {path.name for path in STATIC.iterdir()} >= {"capture.js", "panel.js", "recorder.js", "recorder.css"}
