"""What widgets would leave in a notebook's file: Jupyter can save the state of every live widget."""

import base64
import json
from collections.abc import Iterator

import ipywidgets
import numpy as np
from ipywidgets.widgets.widget import _instances


def forget_widgets() -> None:
    """Close what other tests left, so that only the next ones are looked at."""
    ipywidgets.Widget.close_all()


def live_states() -> Iterator[tuple[ipywidgets.Widget, str]]:
    """Every live widget and its state as JSON; bytes in it would have a place of their own, so there must be none."""
    for widget in list(_instances.values()):
        state = widget.get_state()
        yield widget, json.dumps(state, ensure_ascii=False, default=lambda other: f"<{type(other).__name__}>")


def assert_holds_no_sound(sound: np.ndarray, *allowed: ipywidgets.Widget) -> None:
    """No live widget holds `sound`, (samples,), int16, or anything else of the size of a recording.

    allowed: widgets that may be long, because they hold the voice's speech.
    """
    half = len(sound) // 2
    piece = base64.b64encode(sound[half - half % 3 : half - half % 3 + 300].tobytes()).decode()
    states = list(live_states())
    assert len(states) > 5, "there are widgets to look at"
    for widget, text in states:
        assert piece not in text and "<bytes>" not in text and "<memoryview>" not in text, widget
        state = json.loads(text)
        values = [str(value) for name, value in state.items() if name not in ("_esm", "_css", "_labels")]
        assert widget in allowed or max(map(len, values)) < 2_000, widget
