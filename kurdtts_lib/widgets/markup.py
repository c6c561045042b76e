"""What the widgets share: pieces of markup, buttons, and what a saved notebook shows in a widget's place."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
from markupsafe import escape

STATIC = Path(__file__).absolute().parent / "static"
WRAPPED = {"flex_flow": "row wrap", "align_items": "center"}
"""Layout of a row that is broken where the page is narrow."""
BOX = "border-left:4px solid #D55E00;background:#fdf0e6;color:#222;padding:4px 8px;margin:4px 0;line-height:1.4"


class KeysInside(anywidget.AnyWidget):
    """Unseen; keeps keys that are pressed in the output around it from being commands of Jupyter."""

    _esm = STATIC / "keys_inside.js"


class Shown:
    """`widget`, displayed as the last expression of a cell.

    What is in a widget's state may be saved with the notebook: no audio is.
    """

    widget: ipywidgets.Box

    def static_html(self) -> str:
        """What a saved notebook without a kernel shows."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if not any(isinstance(part, KeysInside) for part in self.widget.children):
            self.widget.children += (KeysInside(),)
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {"application/vnd.jupyter.widget-view+json": view, "text/html": self.static_html()}, {}


def module_source(*names: str) -> str:
    """Files of the folder `static` as one module, without their import lines: a widget is sent as one file."""
    parts = [(STATIC / name).read_text(encoding="utf-8") for name in names]
    return "\n".join(re.sub(r'^import .* from "\./\w+\.js";\n', "", part, flags=re.MULTILINE) for part in parts)


def make_button(label: str, icon: str, tooltip: str, act: Callable[[], None], **more: Any) -> ipywidgets.Button:
    button = ipywidgets.Button(description=label, icon=icon, tooltip=tooltip, **more)
    button.on_click(lambda _: act())
    return button


def page_buttons(turn: Callable[[int], None]) -> tuple[ipywidgets.Button, ipywidgets.Button]:
    """Back and Next; `turn` gets the number of pages to go."""
    back = make_button("Back", "arrow-left", "The page before this one", lambda: turn(-1))
    return back, make_button("Next", "arrow-right", "The page after this one", lambda: turn(1))


def replace_rows(box: ipywidgets.Box, rows: list[ipywidgets.Box]) -> None:
    """Show other rows in `box`, and close the old ones with their parts: the kernel would keep them."""
    old, box.children = box.children, rows
    for part in [part for row in old for part in (*row.children, row)]:
        part.close()


def kurmanji(text: str) -> str:
    """A text, or `Markup`, labelled as Kurmanji for browsers and screen readers."""
    return f'<span lang="kmr">{escape(text)}</span>'


def box_html(message: str) -> str:
    """An alert box for an error or a warning, a text or `Markup`."""
    return f'<div role="alert" style="{BOX}">⚠ {escape(message)}</div>'


def done_html(markup: str) -> str:
    """A line that says what was done."""
    return f'<div role="status">✓ {markup}</div>'
