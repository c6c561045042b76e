"""A player for people's recordings: they are sent to the browser, and never stored in the notebook's file."""

from pathlib import Path

import anywidget


class PrivatePlayer(anywidget.AnyWidget):
    """Receives audio as messages: in a widget's state or in an output it would be saved with the notebook."""

    _esm = Path(__file__).absolute().parent / "static" / "private_player.js"

    def play(self, recording: Path, label: str) -> None:
        """Play a FLAC file, with `label` above the player."""
        self.send({"label": label, "type": "audio/flac"}, buffers=[recording.read_bytes()])

    def clear(self) -> None:
        self.send({"label": "", "type": ""}, buffers=[])
