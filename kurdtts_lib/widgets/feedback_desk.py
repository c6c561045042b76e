"""Listen to a sentence, record it correctly, submit it: the first half of the feedback loop in one widget."""

from collections.abc import Callable, Sequence

import ipywidgets

from kurdtts_lib.core.errors import KurdTTSError, TextError
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import Take, check_take, speakable
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.voice import load_voice
from kurdtts_lib.voices.registry import RegisteredVoice
from kurdtts_lib.widgets.markup import WRAPPED, Shown, box_html, done_html, kurmanji, make_button
from kurdtts_lib.widgets.players import player_row, playing
from kurdtts_lib.widgets.recorder import Recorder


class FeedbackDesk(Shown):
    """Displayed as the last expression of a cell."""

    def __init__(
        self, store: FeedbackStore, entry: RegisteredVoice, sentences: Sequence[str], language: str = "en"
    ) -> None:
        """entry: the voice to be corrected; sentences: suggestions, any other one can be typed."""
        self.store, self.entry = store, entry
        self.voice = load_voice(str(entry.folder))
        self._take: Take | None = None
        """The newest take, if it can be used for training."""
        line = {"layout": {"width": "min(640px, 98%)"}, "style": {"description_width": "110px"}}
        self.sentence = ipywidgets.Combobox(
            value=sentences[0] if sentences else "",
            options=list(sentences),
            description="Sentence",
            continuous_update=False,
            placeholder="type a sentence, or pick one",
            **line,
        )
        hear = "Let the current voice say this sentence"
        self.hear_button = make_button("Hear the voice", "volume-up", hear, self._hear)
        self.mark = ipywidgets.Text(description="What is wrong?", placeholder="for example: ê sounds like i", **line)
        self.recorder = Recorder(self.sentence.value, language, self._check, self._forget)
        self.contributor = ipywidgets.Text(description="Who speaks", placeholder="a name, or nothing", **line)
        self.consent = ipywidgets.Checkbox(
            description="I speak here myself, and voices may learn from this recording.",
            indent=False,
            layout={"width": "auto"},
        )
        keep = "Keep this recording as a correction"
        self.submit_button = make_button("Submit", "check", keep, self._submit, button_style="primary", disabled=True)
        self.missing = ipywidgets.HTML()
        """Why Submit is disabled."""
        self.speech, self.findings, self.message = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        submit = ipywidgets.HBox([self.submit_button, self.missing], layout=WRAPPED)
        self.widget = ipywidgets.VBox(
            [
                *(self.sentence, self.hear_button, self.speech, self.mark, self.recorder, self.findings),
                *(self.contributor, self.consent, submit, self.message),
            ]
        )
        self.sentence.observe(lambda _: self._new_sentence(), "value")
        self.consent.observe(lambda _: self._allow(), "value")
        self.on_submit: Callable[[], None] = lambda: None
        """Called after a correction was submitted."""
        self._look()

    def static_html(self) -> str:
        return "<p>Here you hear a sentence, record it and hand it in. It works while the notebook runs.</p>"

    def _new_sentence(self) -> None:
        self.recorder.show(self.sentence.value)
        self.message.value = self.mark.value = ""
        self._look()

    def _look(self) -> None:
        """Say which of the offered sentences this one is, and why it cannot be read: later would be too late."""
        offered = self.sentence.options
        place = f" {offered.index(text) + 1} of {len(offered)}" if (text := self.sentence.value) in offered else ""
        self.sentence.description = f"Sentence{place}"
        self.speech.value = ""
        try:
            speakable(text)
        except TextError as error:
            self.speech.value = box_html(str(error)) if text else ""

    def _hear(self) -> None:
        try:
            waveform = speak(self.voice, self.sentence.value)
        except KurdTTSError as error:
            self.speech.value = box_html(str(error))
            return
        rate = self.voice.model.config.sampling_rate
        self.speech.value = ""  # the same sound again is no change, and would not play
        self.speech.value = playing(player_row({f"voice {self.entry.version}": waveform}, rate).data)

    def _check(self, take: Take) -> None:
        checks = check_take(take, self.sentence.value)
        lines = [box_html(line) for line in [*checks.errors, *checks.warnings]]
        self.findings.value = "".join(lines) or done_html("The recording sounds good.")
        self._take = None if checks.errors else take
        self._allow()

    def _forget(self) -> None:
        """Clear the findings of a take that was discarded."""
        self._take, self.findings.value = None, ""
        self._allow()

    def _allow(self) -> None:
        """Enable the button Submit if there is a usable take and consent, or say what is missing."""
        asked = "" if self.consent.value else "Tick the box above: without consent nothing is kept."
        self.missing.value = asked if self._take else "Record the sentence first."
        self.submit_button.disabled = bool(self.missing.value)

    def _submit(self) -> None:
        if self._take is None:  # recorded again, and not arrived yet or incomplete
            self.message.value = box_html("There is no recording to hand in. Record the sentence first.")
            return
        try:
            correction = self.store.submit(
                self._take,
                text := self.sentence.value,
                contributor=self.contributor.value.strip(),
                consent=self.consent.value,
                voice=self.entry.folder.name,
                mark=self.mark.value.strip(),
            )
        except KurdTTSError as error:
            self.message.value = box_html(str(error))
            return
        said = "It was there already" if correction.repeated else "Thank you, it is kept"
        offered = [*self.sentence.options, text, text]
        self.sentence.value = offered[offered.index(text) + 1]  # the next one, or the same
        self._new_sentence()  # clears the take: a second click must not submit it again
        self.on_submit()
        self.message.value = done_html(f"{said}: {kurmanji(correction.spoken)}")
