"""Voices are numbered, one is current, a bad one never is, and the last good one is never lost."""

import concurrent.futures
from collections.abc import Callable
from pathlib import Path

import pytest

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.registry import models, publish, rollback, use, voices


@pytest.fixture
def add(make_voice: Callable[..., Voice]) -> Callable[..., int]:
    voice = make_voice()

    def publish_one(*faults: str) -> int:
        voice.card = {"name": "test", "faults": list(faults), "parent": None}
        return publish(voice, "test", lambda card: f"# {card.version}\n").version

    return publish_one


def versions() -> list[int]:
    return [entry.version for entry in voices()]


def test_a_published_voice_has_the_next_number_and_is_the_current_one_unless_it_has_faults(
    add: Callable[..., int],
) -> None:
    assert [add(), add(), add("It is almost silent.")] == [1, 2, 3] == versions()
    with pytest.raises(VoiceError, match="almost silent"):
        use(3)
    entry = registry.current()
    assert (entry.version, entry.folder.name, entry.card.version) == (2, "voice-0002-test", 2)
    assert (entry.folder / "README.md").read_text(encoding="utf-8") == "# 2\n"
    assert load_voice(entry.folder).card["version"] == 2


def test_use_and_rollback_walk_back_through_what_was_current(
    add: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["voices"]) == 0 and "no voice yet" in capsys.readouterr().out
    for _ in range(3):
        add()
    assert app.main(["voices", "use", "1"]) == 0 and registry.current().version == 1
    assert app.main(["voices", "rollback"]) == 0 and registry.current().version == 3
    assert rollback().version == 2
    assert app.main(["voices", "rollback"]) == 1 and "no earlier voice" in capsys.readouterr().err
    assert registry.current().version == 2


def test_why_there_is_no_current_voice_is_said_once_and_names_no_folder(add: Callable[..., int]) -> None:
    reasons = []
    for faults in (None, ["It is almost silent."], []):
        if faults is not None:
            add(*faults)
            (models() / "current.json").unlink(missing_ok=True)
        with pytest.raises(VoiceError) as caught:
            registry.current()
        reasons.append(str(caught.value))
        assert str(models()) not in reasons[-1]
    assert "kurdtts train" in reasons[0] and "kurdtts voices use" in reasons[2]
    assert reasons[1].endswith("voice 1, may not be: It is almost silent.")


def test_two_who_publish_at_once_get_two_numbers(make_voice: Callable[..., Voice]) -> None:
    def publish_some(name: str) -> list[int]:
        voice = make_voice()
        voice.discriminator, voice.card = None, {"name": name}
        return [publish(voice, name, lambda card: "").version for _ in range(5)]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        numbers = [number for found in pool.map(publish_some, ["one", "two"]) for number in found]
    assert sorted(numbers) == list(range(1, 11)) == versions()


def test_a_damaged_pointer_is_told_and_not_overwritten(add: Callable[..., int]) -> None:
    add()
    (models() / registry.CURRENT).write_text("{", encoding="utf-8")
    for question in (registry.current, rollback, voices):
        with pytest.raises(VoiceError, match="cannot be read"):
            question()


def test_a_damaged_card_hides_one_voice_aloud_and_no_other(add: Callable[..., int]) -> None:
    add()
    add()
    for damaged in ("{", "[]"):
        (models() / "voice-0001-test" / "voice.json").write_text(damaged, encoding="utf-8")
        with pytest.warns(UserWarning, match="not listed"):
            assert versions() == [2]


def test_a_voice_is_found_by_number_folder_name_and_name_and_what_looks_like_a_place_is_taken_as_one(
    add: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("1", "test"):
        (tmp_path / folder).mkdir()
    add()
    add()
    (models() / "voice-0002-test").rename(models() / "voice-0002-second")
    for name in ("2", "voice-0002-second", "second", None):
        assert registry.folder_of(name) == str(models() / "voice-0002-second")
    assert registry.folder_of("1") == str(models() / "voice-0001-test"), "a number is a number"
    assert registry.folder_of("test") == "test" and registry.folder_of("./1") == "./1", "a folder is a folder"
    for name in ("../voice", "/no/voice", "a/b/c", "models\\voice", "C:\\voice", "somebody/voice"):
        assert registry.folder_of(name) == name
    assert [entry.version for entry in registry.known(["second", "somebody/voice", models()])] == [2]


def test_a_voice_that_cannot_be_meant_is_told(add: Callable[..., int]) -> None:
    with pytest.raises(VoiceError, match="There are: none yet"):
        use(1)
    add()
    add()
    for name, told in (
        ("99", "no voice 99. There are: 1, 2"),
        ("", "no voice"),
        ("tune", "no voice tune.*OWNER/NAME"),
        ("test", "number: 1, 2"),
    ):
        with pytest.raises(VoiceError, match=told):
            registry.folder_of(name)
