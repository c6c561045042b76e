"""Type a sentence, see its spoken form, and correct the reading of a word."""

import functools
import html
from collections.abc import Callable

import ipywidgets

from kurdtts_lib.core.cards import render
from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import normalize
from kurdtts_lib.text.changes import SILENT_RULES
from kurdtts_lib.text.lexicon import own_corrections, remove_correction, save_correction
from kurdtts_lib.widgets.markup import WRAPPED, Shown, box_html, done_html, kurmanji, make_button, replace_rows


class TextExplorer(Shown):
    """A sentence, its spoken form, and fields for corrections; displayed as the last expression of a cell."""

    def __init__(self, text: str = "") -> None:
        style, word = {"description_width": "90px"}, {"width": "min(300px, 98%)"}
        wide = {"width": "min(640px, 98%)"}
        self.sentence = ipywidgets.Text(text, description="Sentence", style=style, layout=wide)
        self.view = ipywidgets.HTML()
        self.written = ipywidgets.Text(description="Written word", style=style, layout=word)
        self.spoken = ipywidgets.Text(description="Say it as", style=style, layout=word)
        keep = "Keep this correction: speaking and training use it"
        self.save_button = make_button("Save", "check", keep, self._save)
        self.message = ipywidgets.HTML()
        self.corrections = ipywidgets.VBox(layout={"max_height": "240px", "overflow": "auto"})
        fields = ipywidgets.HBox([self.written, self.spoken, self.save_button], layout=WRAPPED)
        self.widget = ipywidgets.VBox([self.sentence, self.view, fields, self.message, self.corrections])
        self.sentence.observe(lambda _: self._show(), "value")
        self._show()
        self._list()

    def static_html(self) -> str:
        return explanation_html(self.sentence.value)

    def _show(self) -> None:
        self.view.value = self.static_html()

    def _save(self) -> None:
        written = self.written.value.strip()

        def save() -> None:
            save_correction(written, self.spoken.value.strip())
            self.written.value = self.spoken.value = ""

        self._change(save, f"Saved: {written}")

    def _change(self, change: Callable[[], None], done: str) -> None:
        """Change the lexicon by `change`, and show the new reading, or why it was refused."""
        try:
            change()
        except TextError as error:
            self.message.value = box_html(str(error))
            return
        self.message.value = done_html(html.escape(done))
        self._show()
        self._list()

    def _list(self) -> None:
        """Show the saved corrections, each with a button to remove it."""
        try:
            saved = own_corrections()
        except TextError as error:  # the file was edited by hand
            self.message.value, saved = box_html(str(error)), {}
        replace_rows(self.corrections, [self._row(written, spoken) for written, spoken in saved.items()])

    def _row(self, written: str, spoken: str) -> ipywidgets.HBox:
        forget = functools.partial(self._change, lambda: remove_correction(written), f"Removed: {written}")
        remove = make_button("Remove", "trash", f"Forget the correction of {written}", forget)
        words = ipywidgets.HTML(kurmanji(f"{written} → {spoken}"), layout={"width": "360px"})
        return ipywidgets.HBox([words, remove], layout={"flex": "0 0 auto"})


def explanation_html(text: str) -> str:
    """HTML of the written form (NFC) and the spoken one, with every notable change marked in both, and their list.

    The reason instead if the sentence cannot be read.
    """
    try:
        result = normalize(text)
    except TextError as error:
        return box_html(str(error))
    table = render("widgets/explanation.html", text=result.written, changes=result.changes, silent=SILENT_RULES)
    return table + "".join(map(box_html, result.warnings))
