"""Type a sentence, see its spoken form, and correct the reading of a word."""

import functools
import html
import unicodedata
from collections.abc import Callable, Sequence

import ipywidgets
from markupsafe import Markup

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import TextChange, normalize
from kurdtts_lib.text.lexicon import remove_correction, save_correction, user_lexicon
from kurdtts_lib.text.normalization import SILENT_RULES
from kurdtts_lib.widgets.markup import Shown, box_html, close_all, done_html, kurmanji, make_button

MARK = "background:rgba(230,159,0,.25);color:inherit;border-bottom:2px solid;padding:0 1px"
"""Underline and number carry the meaning, the colour only helps; legible on a light and on a dark page."""
CELL = 'style="text-align:left;vertical-align:top;padding:2px 12px 2px 0"'


class TextExplorer(Shown):
    """A sentence, its spoken form, and fields for corrections; displayed as the last expression of a cell."""

    def __init__(self, text: str = "") -> None:
        style, wide = {"description_width": "90px"}, {"width": "min(640px, 98%)"}
        word = {"width": "min(300px, 98%)"}
        self.sentence = ipywidgets.Text(text, description="Sentence", style=style, layout=wide)
        self.view = ipywidgets.HTML()
        self.written = ipywidgets.Text(description="Written word", style=style, layout=word)
        self.spoken = ipywidgets.Text(description="Say it as", style=style, layout=word)
        self.save_button = make_button("Save", "check", "Keep this correction: speaking and training use it")
        self.message = ipywidgets.HTML()
        self.corrections = ipywidgets.VBox(layout={"max_height": "240px", "overflow": "auto"})
        fields = ipywidgets.HBox([self.written, self.spoken, self.save_button], layout={"flex_flow": "row wrap"})
        self.widget = ipywidgets.VBox([self.sentence, self.view, fields, self.message, self.corrections])
        self.sentence.observe(lambda _: self._show(), "value")
        self.save_button.on_click(lambda _: self._save())
        self._show()
        self._list()

    def static_html(self) -> str:
        return explanation_html(self.sentence.value)

    def _show(self) -> None:
        self.view.value = self.static_html()

    def _save(self) -> None:
        written, spoken = self.written.value.strip(), self.spoken.value.strip()
        if self._change(lambda: save_correction(written, spoken), f"Saved: {written}"):
            self.written.value = self.spoken.value = ""

    def _remove(self, written: str, _: ipywidgets.Button) -> None:
        self._change(lambda: remove_correction(written), f"Removed: {written}")

    def _change(self, change: Callable[[], None], done: str) -> bool:
        """Change the lexicon by `change` and show the new reading; False, with the reason shown, if it was refused."""
        try:
            change()
        except TextError as error:
            self.message.value = box_html(str(error))
            return False
        self.message.value = done_html(html.escape(done))
        self._show()
        self._list()
        return True

    def _list(self) -> None:
        """Show the saved corrections, each with a button to remove it."""
        try:
            saved = user_lexicon()
        except TextError as error:  # the file was edited by hand
            self.message.value, saved = box_html(str(error)), {}
        old = self.corrections.children
        self.corrections.children = [self._row(written, spoken) for written, spoken in saved.items()]
        close_all(old)

    def _row(self, written: str, spoken: str) -> ipywidgets.HBox:
        remove = make_button("Remove", "trash", f"Forget the correction of {written}")
        remove.on_click(functools.partial(self._remove, written))
        words = ipywidgets.HTML(kurmanji(f"{written} → {spoken}"), layout={"width": "360px"})
        return ipywidgets.HBox([words, remove], layout={"flex": "0 0 auto"})


def explanation_html(text: str) -> str:
    """HTML of the written and the spoken form, with every notable change marked in both, and a list of these changes.

    The reason instead if the sentence cannot be read.
    """
    try:
        result = normalize(text)
    except TextError as error:
        return box_html(str(error))
    written, spoken, end = "", "", 0
    rows: list[tuple[str, str]] = []
    for place in places(text, result.changes):
        between, number = html.escape(text[end : place.start]), 0
        if place.rule:
            number = len(rows) + 1
            pair = f"{place.before} → {place.after.strip() or '(nothing)'}"
            rows.append((str(number), f"{kurmanji(pair)} ({html.escape(place.rule)})"))
        written += between + _marked(place.before, place.rule, number)
        spoken += between + _marked(place.after, place.rule, number)
        end = place.end
    rest = html.escape(text[end:])
    lines = [
        ("Written", kurmanji(Markup(written + rest))),
        ("Spoken", f"<b>{kurmanji(Markup(spoken + rest))}</b>"),
        *rows,
    ]
    table = "".join(f'<tr><th {CELL} scope="row">{head}</th><td {CELL}>{line}</td></tr>' for head, line in lines)
    return f'<table style="line-height:1.5">{table}</table>' + "".join(map(box_html, result.warnings))


def places(text: str, changes: Sequence[TextChange]) -> list[TextChange]:
    """The changes merged to whole words for display: Diyarbakır, not ı.

    The rule is empty if only `SILENT_RULES` were applied.
    """
    spans: list[tuple[int, int, list[TextChange]]] = []
    for change in changes:
        start, floor = change.start, spans[-1][1] if spans else 0
        end, inside = change.end, [change]
        if start < floor:
            start, end, inside = spans[-1][0], max(end, floor), [*spans.pop()[2], change]
        elif _in_word(text[start : start + 1]):
            while start > floor and _in_word(text[start - 1]):
                start -= 1
        while 0 < end < len(text) and _in_word(text[end - 1]) and _in_word(text[end]):
            end += 1
        spans.append((start, end, inside))
    return [_one_change(text, start, end, inside) for start, end, inside in spans]


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.combining(character or " ") > 0


def _one_change(text: str, start: int, end: int, changes: Sequence[TextChange]) -> TextChange:
    after, place = "", start
    for change in changes:
        after += text[place : change.start] + change.after
        place = change.end
    names = dict.fromkeys(change.rule for change in changes if change.rule not in SILENT_RULES)
    return TextChange(start, end, text[start:end], after + text[place:end], ", ".join(names))


def _marked(part: str, rule: str, number: int) -> str:
    shown = html.escape(part)
    return (
        f'<mark title="{html.escape(rule)}" style="{MARK}">{shown}<sup style="line-height:0">{number}</sup></mark>'
        if number
        else shown
    )
