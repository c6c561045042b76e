"""All corrections: play them, accept them, edit their text, withdraw them."""

import html
from collections.abc import Callable

import anywidget
import ipywidgets

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.feedback.database import Correction
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.widgets.feedback_desk import FeedbackDesk
from kurdtts_lib.widgets.markup import (
    STATIC,
    WRAPPED,
    Shown,
    box_html,
    done_html,
    kurmanji,
    make_button,
    page_buttons,
    replace_rows,
)

PAGE = 8
ASKED = box_html("Its sound and text will be deleted for ever. Click once more to do it.")


class PrivatePlayer(anywidget.AnyWidget):
    """Receives people's recordings as messages: in a widget's state or in an output they would be saved.

    A message is the `label` above the player, with a FLAC file, or without one to remove what is there.
    """

    _esm = STATIC / "private_player.js"


class CorrectionsTable(Shown):
    """Displayed as the last expression of a cell. Withdrawn corrections are counted but not listed."""

    def __init__(self, store: FeedbackStore, desk: FeedbackDesk | None = None) -> None:
        """desk: where new ones come from; they are shown at once."""
        self.store = store
        if desk:
            desk.on_submit = self.show
        self.page = 0
        self._asked = ""
        """Id of the correction whose withdrawal was just requested; a second click confirms it."""
        self._drafts: dict[str, str] = {}
        """Texts of the fields that were changed and not saved, by correction id."""
        self.player = PrivatePlayer()
        self.message, self.count, self.rows = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.VBox()
        self.back, self.forward = page_buttons(lambda by: self._change(lambda: self._turn(by)))
        self.refresh = self._button("Refresh", "refresh", "Look into the store again", lambda: "")
        buttons = ipywidgets.HBox([self.refresh, self.back, self.forward, self.count], layout=WRAPPED)
        # The message is above the rows: below them it would be out of sight.
        self.widget = ipywidgets.VBox([buttons, self.message, self.player, self.rows])
        self.show()

    def static_html(self) -> str:
        """Only the count: a text in the notebook's file would outlive a withdrawal."""
        return f"<p>{self.count.value}</p>"

    def show(self) -> None:
        """Read the store again and show its corrections, those that wait to be accepted first."""
        everything = self.store.corrections()
        listed = [one for one in everything if one.state != "withdrawn"]
        listed.sort(key=lambda one: one.state != "submitted")
        pages = max(1, -(-len(listed) // PAGE))
        self.page = min(max(0, self.page), pages - 1)
        replace_rows(self.rows, [self._row(one) for one in listed[self.page * PAGE : (self.page + 1) * PAGE]])
        self.back.disabled, self.forward.disabled = self.page == 0, self.page == pages - 1
        withdrawn = len(everything) - len(listed)
        number = "1 correction" if len(listed) == 1 else f"{len(listed)} corrections"
        end = f"; {withdrawn} withdrawn" if withdrawn else ""
        self.count.value = f"{number}, page {self.page + 1} of {pages}{end}"

    def _row(self, one: Correction) -> ipywidgets.HBox:
        text = ipywidgets.Text(self._drafts.get(one.id, one.text), layout={"width": "min(440px, 98%)"})
        text.observe(lambda change: self._drafts.update({one.id: change["new"]}), "value")
        play = make_button("Play", "play", f"Hear: {one.text}", lambda: self._play(one), layout={"width": "auto"})
        parts = [text, play, self._button("Save text", "pencil", "Keep the changed text", lambda: self._save(one))]
        if one.state == "submitted":
            parts.append(self._button("Accept", "check", "Let voices learn from it", lambda: self._accept(one)))
        if self._asked == one.id:
            forever = "Delete its sound and text for ever"
            parts.append(self._button("Really withdraw?", "trash", forever, lambda: self._withdraw(one)))
        else:
            parts.append(self._button("Withdraw", "trash", "Delete its sound and text", lambda: self._ask(one)))
        about = " · ".join(filter(None, (one.contributor, f"{one.seconds:.1f} s", one.mark)))
        warnings = "".join(map(box_html, one.checks))
        parts.append(ipywidgets.HTML(f"<b>{one.state}</b> <small>{html.escape(about)}</small>{warnings}"))
        line = {"border_bottom": "1px solid var(--jp-border-color2, #bbb)", "padding": "4px 0"}
        return ipywidgets.HBox(parts, layout={**WRAPPED, **line})

    def _button(self, label: str, icon: str, tooltip: str, act: Callable[[], str]) -> ipywidgets.Button:
        return make_button(label, icon, tooltip, lambda: self._change(act), layout={"width": "auto"})

    def _change(self, act: Callable[[], str]) -> None:
        """Change the store by `act`, show the markup that it returns and the new rows; a KurdTTSError is shown."""
        self._asked = ""
        try:
            said = act()
            self.show()
        except KurdTTSError as error:
            said = box_html(str(error))
        self.message.value = said

    def _play(self, one: Correction) -> None:
        """The rows are not redrawn here: the button would lose the focus."""
        try:
            self.player.send({"label": one.text}, buffers=[self.store.sound(one).read_bytes()])
        except KurdTTSError as error:
            self.message.value = box_html(str(error))

    def _save(self, one: Correction) -> str:
        """Save the content of the field as the correction's text."""
        saved = self.store.edit_text(one.id, self._drafts.get(one.id, one.text))
        self._drafts.pop(one.id, None)
        return done_html(f"Saved: {kurmanji(saved.spoken)}")

    def _accept(self, one: Correction) -> str:
        if one.id in self._drafts:
            self._save(one)
        return done_html(f"Accepted: {kurmanji(self.store.accept(one.id).spoken)}")

    def _ask(self, one: Correction) -> str:
        self._asked = one.id
        return ASKED

    def _withdraw(self, one: Correction) -> str:
        voices = self.store.withdraw(one.id)
        self._drafts.pop(one.id, None)
        self.player.send({"label": ""}, buffers=[])
        learned = f" Voices that learned from it: {html.escape(', '.join(voices))}." if voices else ""
        return done_html(f"Withdrawn.{learned}")

    def _turn(self, pages: int) -> str:
        self.page += pages
        return ""
