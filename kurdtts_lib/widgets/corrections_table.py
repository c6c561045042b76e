"""All corrections: hear them, accept them, mend their text, withdraw them."""

import functools
import html
from collections.abc import Callable

import ipywidgets

from kurdtts_lib.errors import KurdTTSError
from kurdtts_lib.feedback.records import Correction
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.widgets.private_player import PrivatePlayer
from kurdtts_lib.widgets.text_explorer import box_html, kurmanji

PAGE = 8


class CorrectionsTable:
    """The last line of a cell shows it. Withdrawn corrections are counted and not shown."""

    def __init__(self, store: FeedbackStore) -> None:
        self.store = store
        self.page = 0
        self._asked = ""
        """The correction whose withdrawal was asked for once; the second click does it."""
        self.player = PrivatePlayer()
        self.message, self.count = ipywidgets.HTML(), ipywidgets.HTML()
        self.rows = ipywidgets.VBox()
        self.back = ipywidgets.Button(description="Back", icon="arrow-left", tooltip="The page before this one")
        self.forward = ipywidgets.Button(description="Next", icon="arrow-right", tooltip="The page after this one")
        self.accept_all = ipywidgets.Button(
            description="Accept all", icon="check", tooltip="Let voices learn from all that were submitted"
        )
        self.refresh = ipywidgets.Button(description="Refresh", icon="refresh", tooltip="Look into the store again")
        self.back.on_click(lambda _: self._turn(-1))
        self.forward.on_click(lambda _: self._turn(1))
        self.accept_all.on_click(lambda _: self._change(self._accept_all))
        self.refresh.on_click(lambda _: self.show())
        buttons = ipywidgets.HBox(
            [self.accept_all, self.refresh, self.back, self.forward, self.count],
            layout={"flex_flow": "row wrap", "align_items": "center"},
        )
        self.widget = ipywidgets.VBox([buttons, self.rows, self.player, self.message])
        self.show()

    def _repr_mimebundle_(self, **options: object) -> dict[str, object]:
        """The live widget, and the sentences for a saved notebook that has no kernel."""
        lines = "".join(f"<li>{html.escape(one.text)} ({one.state})</li>" for one in self.listed())
        static = f'{self.count.value}<ul lang="kmr">{lines}</ul>'
        return {**self.widget._repr_mimebundle_(**options), "text/html": static}

    def listed(self) -> list[Correction]:
        return [one for one in self.store.corrections() if one.state != "withdrawn"]

    def show(self) -> None:
        """Look into the store and show what is there now."""
        everything = self.store.corrections()
        listed = [one for one in everything if one.state != "withdrawn"]
        pages = max(1, -(-len(listed) // PAGE))
        self.page = min(self.page, pages - 1)
        old = self.rows.children
        shown = listed[self.page * PAGE : (self.page + 1) * PAGE]
        self.rows.children = [self._row(one) for one in shown]
        for part in [part for row in old for part in (*row.children, row)]:
            part.close()
        self.back.disabled, self.forward.disabled = self.page == 0, self.page >= pages - 1
        self.accept_all.disabled = not any(one.state == "submitted" for one in listed)
        withdrawn = len(everything) - len(listed)
        self.count.value = f"{len(listed)} corrections, page {self.page + 1} of {pages}" + (
            f"; {withdrawn} withdrawn" if withdrawn else ""
        )

    def _row(self, one: Correction) -> ipywidgets.HBox:
        about = " · ".join(filter(None, (one.state, one.contributor, f"{one.seconds:.1f} s", one.mark)))
        warnings = "".join(map(box_html, one.checks))
        text = ipywidgets.Text(one.text, layout={"width": "min(380px, 98%)"})
        text.add_class("kurdtts-correction")
        parts: list[ipywidgets.Widget] = [
            text,
            self._button("Play", "play", f"Hear: {one.text}", functools.partial(self._play, one)),
            self._button("Save text", "pencil", "Keep the changed text", functools.partial(self._save, one, text)),
        ]
        if one.state == "submitted":
            accept = functools.partial(self.store.accept, one.id)
            parts.append(self._button("Accept", "check", "Let voices learn from it", accept))
        sure = self._asked == one.id
        parts += [
            self._button(
                "Really withdraw?" if sure else "Withdraw",
                "trash",
                "Delete its sound and text for ever",
                functools.partial(self._withdraw, one),
            ),
            ipywidgets.HTML(f"<small>{html.escape(about)}</small>{warnings}"),
        ]
        return ipywidgets.HBox(parts, layout={"flex_flow": "row wrap", "align_items": "center"})

    def _button(self, label: str, icon: str, tooltip: str, act: Callable[[], object]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=label, icon=icon, tooltip=tooltip, layout={"width": "auto"})
        button.on_click(lambda _: self._change(act))
        return button

    def _change(self, act: Callable[[], object]) -> None:
        """Do something to the store and show what follows; an error is shown and changes nothing."""
        try:
            said = act()
        except KurdTTSError as error:
            self.message.value = box_html(str(error))
            return
        self.message.value = kurmanji(html.escape(said)) if isinstance(said, str) else ""
        self.show()

    def _play(self, one: Correction) -> None:
        self.player.play(self.store.sound(one), one.text)

    def _save(self, one: Correction, text: ipywidgets.Text) -> str:
        return f"Saved: {self.store.edit_text(one.id, text.value.strip()).spoken}"

    def _withdraw(self, one: Correction) -> str:
        if self._asked != one.id:
            self._asked = one.id
            return "Its sound and text will be deleted for ever. Click once more to do it."
        self._asked = ""
        voices = self.store.withdraw(one.id)
        self.player.clear()
        return f"Withdrawn. Voices that learned from it: {', '.join(voices)}." if voices else "Withdrawn."

    def _accept_all(self) -> str:
        waiting = self.store.corrections("submitted")
        for one in waiting:
            self.store.accept(one.id)
        return f"{len(waiting)} accepted."

    def _turn(self, pages: int) -> None:
        self.page = max(0, self.page + pages)
        self.show()
