"""A player for people's recordings: they reach the browser, and never the notebook's file."""

from pathlib import Path

import anywidget


class PrivatePlayer(anywidget.AnyWidget):
    """Plays what it is sent. A recording in a widget's state or in an output would be saved with the notebook."""

    _esm = Path(__file__).absolute().parent / "static" / "private_player.js"

    def play(self, sound: Path, label: str) -> None:
        """Play a FLAC file, with `label` above the player."""
        self.send({"label": label, "type": "audio/flac"}, buffers=[sound.read_bytes()])

    def clear(self) -> None:
        self.send({"label": "", "type": ""}, buffers=[])
