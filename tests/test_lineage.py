"""A voice is worked on with its own profile and data, and is removed only by its number."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import KurdTTSError, VoiceError
from kurdtts_lib.core.settings import Profile, load_profile
from kurdtts_lib.vits.voice import Voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.lineage import LOCAL, Origin, check_profile, common_profile, origin_of, profile_of
from kurdtts_lib.voices.registry import RegisteredVoice, models, publish, voices

SAMPLE, FULL = (Origin(name, f"./data/prepared-{name}", "") for name in ("sample", "full"))
Add = Callable[..., RegisteredVoice]


@pytest.fixture
def add(make_voice: Callable[..., Voice]) -> Add:
    voice = make_voice()
    voice.discriminator = None

    def publish_one(origin: Origin | None, parent: int | None = None, **card: object) -> RegisteredVoice:
        voice.card = {"faults": [], "parent": parent, "corrections": ["x"] * (parent is not None), **card}
        return publish(voice, "test", lambda card: "", origin=origin)

    return publish_one


def test_a_card_names_its_parent_also_when_that_is_gone(add: Add) -> None:
    parent, child = add(SAMPLE), add(SAMPLE, 1)
    assert registry.remove(parent) and child.card.parent == 1
    assert (child.card.profile, registry.current()) == ("sample", child)
    with pytest.raises(VoiceError, match="no earlier voice"):
        registry.rollback()
    assert json.loads((models() / registry.CURRENT).read_text(encoding="utf-8"))["before"] == []


def test_voices_are_removed_by_number_after_a_question(
    add: Add, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(FULL, training_seconds=36_000)
    add(FULL)
    add(None)
    for answer in ("\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert app.main(["voices", "remove", "1"]) == 0 and len(voices()) == 3
    said = capsys.readouterr().out
    assert "10.0 hours of training" in said and " MB" in said and "Nothing was removed" in said
    assert app.main(["voices", "remove", "3", "--yes"]) == 1 and "is not removed" in capsys.readouterr().err
    assert app.main(["voices", "remove", "9", "--yes"]) == 1 and "no voice 9" in capsys.readouterr().err
    assert app.main(["voices", "remove", "1", "2", "1", "--yes"]) == 0
    assert [entry.version for entry in voices()] == [3]


def test_the_profile_is_that_of_the_training(add: Add, home: Path, tmp_path: Path) -> None:
    profile = dataclasses.replace(load_profile(str(tmp_path)), base_voice="somebody/voice", name="mine")
    entry = add(origin_of(profile, None), settings={"mixed_precision": "no", "accumulation": 4, "steps": 7})
    found = profile_of(entry)
    assert (found.key, found.prepared_dir, found.base_voice) == (profile.key, profile.prepared_dir, "somebody/voice")
    assert (
        found.feedback == load_profile("full").feedback and found.training.steps == load_profile("full").training.steps
    )
    assert (found.training.mixed_precision, found.training.accumulation) == ("no", 4), "as this machine can"
    local = (entry.folder / LOCAL).read_text(encoding="utf-8")
    assert str(home) not in local and f"./data/prepared-{profile.name}" in local
    assert str(tmp_path) not in (entry.folder / "voice.json").read_text(encoding="utf-8")
    assert profile_of(entry, str(tmp_path), profile.prepared_dir) == found
    assert origin_of(found, entry) == entry.origin
    again = dataclasses.replace(load_profile("sample"), base_voice=str(entry.folder))
    assert origin_of(again, entry) == Origin("sample", "./data/prepared-sample", "somebody/voice")


@pytest.mark.parametrize(
    ("asked", "data", "told"),
    [
        ("sample", None, "was trained with the profile full, not sample"),
        (None, "elsewhere", "prepared-full, not .*elsewhere"),
        ("", None, "no profile and no folder ''"),
        ("Full", None, "'full', in small letters"),
    ],
)
def test_another_profile_or_other_data_is_refused(add: Add, asked: str | None, data: str | None, told: str) -> None:
    with pytest.raises(KurdTTSError, match=told):
        profile_of(add(FULL), asked, Path(data) if data else None)


def test_a_voice_that_does_not_say_its_profile_needs_it_said(add: Add, tmp_path: Path) -> None:
    entry = add(None)
    with pytest.raises(VoiceError, match="Voice 1 does not say which profile"):
        profile_of(entry)
    found = profile_of(entry, "full", tmp_path)
    assert (found.key, found.prepared_dir) == ("full", tmp_path)
    check_profile(entry, found)
    (entry.folder / LOCAL).write_text("{", encoding="utf-8")
    with pytest.warns(UserWarning, match="is not known"):
        assert voices()[0].origin is None


def test_voices_are_compared_on_the_data_that_they_have_in_common(add: Add, tmp_path: Path) -> None:
    one, other, old = add(FULL), add(SAMPLE), add(None)
    assert common_profile([one, old], None, None) == profile_of(one)
    asked: Profile = common_profile([one, other], "sample", tmp_path)
    assert (asked.key, asked.prepared_dir) == ("sample", tmp_path)
    for entries, told in (([one, other], "come from different data"), ([old], "do not say")):
        with pytest.raises(VoiceError, match=told):
            common_profile(entries, None, None)
