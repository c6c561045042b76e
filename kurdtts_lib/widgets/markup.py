"""What the widgets share: pieces of markup, buttons, and what a saved notebook shows in a widget's place."""

from typing import Any

import anywidget
import ipywidgets
from markupsafe import escape

WRAPPED = {"flex_flow": "row wrap", "align_items": "center"}
"""Layout of a row that is broken where the page is narrow."""
BOX = "border-left:4px solid #D55E00;background:#fdf0e6;color:#222;padding:4px 8px;margin:4px 0;line-height:1.4"


class Shown:
    """Widgets that are displayed together, as the last expression of a cell."""

    widget: ipywidgets.Box

    def static_html(self) -> str:
        """What a saved notebook without a kernel shows."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return {**self.widget._repr_mimebundle_(**options), "text/html": self.static_html()}


class ShownPage(anywidget.AnyWidget):
    """A widget with JavaScript of its own. What is in its state would be saved with the notebook: no audio is."""

    def static_html(self) -> str:
        """What a saved notebook without a kernel shows."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        live = super()._repr_mimebundle_(**options)
        assert live is not None  # it is None only for a widget without a view
        data, metadata = live
        return {**data, "text/html": self.static_html()}, metadata


def make_button(label: str, icon: str, tooltip: str, **more: Any) -> ipywidgets.Button:
    return ipywidgets.Button(description=label, icon=icon, tooltip=tooltip, **more)


def close_all(rows: tuple[ipywidgets.Box, ...]) -> None:
    """Close rows that are no longer shown, with their parts: the kernel would keep them."""
    for part in [part for row in rows for part in (*row.children, row)]:
        part.close()


def kurmanji(text: str) -> str:
    """A text, or `Markup`, labelled as Kurmanji for browsers and screen readers."""
    return f'<span lang="kmr">{escape(text)}</span>'


def box_html(message: str) -> str:
    """An alert box for an error or a warning."""
    return f'<div role="alert" style="{BOX}">⚠ {escape(message)}</div>'


def done_html(markup: str) -> str:
    """A line that says what was done."""
    return f'<div role="status">✓ {markup}</div>'
