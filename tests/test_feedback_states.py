"""Every sequence of changes leaves the store as a plain dictionary says."""

import shutil
import tempfile
from pathlib import Path

import pytest
from corrections import OTHER, TEXT, submit, take
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from kurdtts_lib.core.errors import FeedbackError
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import take_of

NUMBERS = st.integers(0, 2)
TEXTS = st.sampled_from([TEXT, OTHER, "Ez û tu\nli vir in"])
DIGESTS = [take_of(take(number)).digest for number in range(3)]


class Corrections(RuleBasedStateMachine):
    """`model`: by id the number of the sound, the text, the state and the voices, in the order of submission."""

    ids: Bundle[str] = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = FeedbackStore(self.folder)
        self.model: dict[str, dict] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def alive(self, number: int, text: str | None = None) -> list[str]:
        rows = self.model.items()
        found = [id for id, row in rows if row["number"] == number and row["state"] != "withdrawn"]
        return [id for id in found if text is None or self.model[id]["text"] == text]

    @rule(target=ids, number=NUMBERS, text=TEXTS)
    def submit(self, number: int, text: str):
        known = self.alive(number, text)
        correction = submit(self.store, number, text)
        assert correction.repeated == bool(known)
        if known:
            assert [correction.id] == known
            return multiple()
        assert correction.id not in self.model
        self.model[correction.id] = {"number": number, "text": text, "state": "submitted", "voices": []}
        return correction.id

    @rule(id=ids)
    def accept(self, id: str) -> None:
        row = self.model[id]
        if row["state"] in ("submitted", "accepted"):
            row["state"] = "accepted"
            assert self.store.accept(id) == self.store.get(id)
        else:
            with pytest.raises(FeedbackError, match=f"is {row['state']}"):
                self.store.accept(id)

    @rule(id=ids, text=TEXTS)
    def edit(self, id: str, text: str) -> None:
        row = self.model[id]
        if row["state"] == "withdrawn":
            with pytest.raises(FeedbackError, match="was withdrawn"):
                self.store.edit_text(id, text)
        elif text != row["text"] and self.alive(row["number"], text):
            with pytest.raises(FeedbackError, match="Withdraw one of the two"):
                self.store.edit_text(id, text)
        else:
            self.store.edit_text(id, text)
            if row["state"] == "used" and text != row["text"]:
                row["state"] = "accepted"
            row["text"] = text

    @rule(first=ids, second=ids, voice=st.sampled_from(["v1", "v2"]))
    def use(self, first: str, second: str, voice: str) -> None:
        some = [first, second]
        if any(self.model[id]["state"] == "submitted" for id in some):
            with pytest.raises(FeedbackError, match="not accepted yet"):
                self.store.mark_used(some, voice)
            return
        self.store.mark_used(some, voice)
        for id in some:
            row = self.model[id]
            row["voices"] += [voice] if voice not in row["voices"] else []
            row["state"] = "withdrawn" if row["state"] == "withdrawn" else "used"

    @rule(id=ids)
    def withdraw(self, id: str) -> None:
        assert self.store.withdraw(id) == self.model[id]["voices"]
        self.model[id] |= {"state": "withdrawn", "text": ""}

    @rule()
    def verify(self) -> None:
        result = self.store.verify()
        assert (result.mended, result.left, result.corrections) == ([], [], len(self.model))

    @invariant()
    def store_is_as_the_model(self) -> None:
        rows = self.store.corrections()
        assert [each.id for each in rows] == list(self.model)
        for each in rows:
            row = self.model[each.id]
            assert (each.digest, each.text, each.state) == (DIGESTS[row["number"]], row["text"], row["state"])
        sounds = {path.stem for path in self.store.sounds.glob("*")}
        assert sounds == {DIGESTS[number] for number in range(3) if self.alive(number)}
        tainted = {(voice, id) for voice, ids in self.store.tainted_voices().items() for id in ids}
        withdrawn = {id: row for id, row in self.model.items() if row["state"] == "withdrawn"}
        assert tainted == {(voice, id) for id, row in withdrawn.items() for voice in row["voices"]}


TestCorrections = Corrections.TestCase
TestCorrections.settings = settings(max_examples=40, stateful_step_count=25)
