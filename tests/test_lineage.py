"""A voice is worked on with its own profile and data, and only what may go makes room for others."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import KurdTTSError, VoiceError
from kurdtts_lib.core.settings import Profile, load_profile
from kurdtts_lib.vits.voice import Voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.card import VoiceCard
from kurdtts_lib.voices.lineage import (
    LOCAL,
    Origin,
    check_profile,
    common_profile,
    origin_of,
    profile_of,
    worth_keeping,
)
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
    weights = (parent.folder / "model.safetensors").read_bytes()
    assert registry.remove(parent)
    assert (child.card.parent, child.card.parent_sha256) == (1, hashlib.sha256(weights).hexdigest())
    assert (child.card.profile, registry.current()) == ("sample", child)
    with pytest.raises(VoiceError, match="no earlier voice"):
        registry.rollback()
    assert json.loads((models() / registry.CURRENT).read_text(encoding="utf-8"))["before"] == []


ORIGINS = st.sampled_from([SAMPLE, FULL, None])
CARDS = st.fixed_dictionaries(
    {"faults": st.lists(st.just("bad"), max_size=1)},
    optional={
        "corrections": st.just(["x"]),
        "training_seconds": st.sampled_from([60, 7200]),
        "after": st.fixed_dictionaries({"mel_distance": st.floats(0.5, 1.5)}),
    },
)


@given(st.lists(st.tuples(ORIGINS, CARDS, st.integers(0, 12)), max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_what_goes_unasked_is_never_dear(made: list[tuple[Origin | None, dict, int]], current: int, back: int) -> None:
    entries = [
        RegisteredVoice(
            number,
            "x",
            Path(f"voice-{number}"),
            VoiceCard(parent=min(parent, number - 1), **card),
            number == current,
            origin,
        )
        for number, (origin, card, parent) in enumerate(made, 1)
    ]
    by_number = {entry.version: entry for entry in entries}
    kept = worth_keeping(entries, [back])
    for gone in (entry for entry in entries if entry.version not in kept):
        better = [one for one in entries if one.origin == gone.origin and not one.faults and one.version in kept]
        assert gone.origin is not None and not gone.current and gone.version != back
        assert gone.card.training_seconds <= 3600
        assert current not in by_number or by_number[current].card.parent != gone.version
        if not gone.faults:
            assert better
            if figures := gone.card.after:
                nearest = min(e.card.after["mel_distance"] for e in better if e.card.after)
                assert nearest <= figures["mel_distance"]


def test_prune_by_hand_shows_the_space_and_asks(
    add: Add, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(FULL, training_seconds=40_000)
    add(FULL)
    add(FULL)
    add(None)
    for answer in ("\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert app.main(["voices", "prune", "2"]) == 0 and len(voices()) == 4
    said = capsys.readouterr().out
    assert "hours of training" in said and "4  " in said and "the current voice" in said and " MB" in said
    assert app.main(["voices", "prune", "4", "--yes"]) == 1 and "is not removed" in capsys.readouterr().err
    registry.use(3)
    assert app.main(["voices", "prune", "1", "4", "--yes"]) == 0
    assert [entry.version for entry in voices()] == [2, 3]
    add(FULL)
    assert app.main(["voices", "prune", "--yes"]) == 0
    assert [entry.version for entry in voices()] == [3, 4] and "1 of 3 voices go" in capsys.readouterr().out


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
