"""The log: a line for everything that happened, readable wherever it was cut."""

import json
import math

import pytest

from kurdtts_lib.vits.log import LOG, Event, History, StepReport, Validation, append_log, cut_log, read_log

STEPS = [
    StepReport(1, 0, {"mel": 1.5}, 0.25, 0.01, {"generator": 3.0}, {"dc": 0.001}, loss_scale=1024.0),
    StepReport(2, 0, {"mel": math.nan}, 0.25, gradient_norms={"generator": math.inf}, skipped="loss mel is nan"),
    StepReport(3, 1, {"mel": 1.25}, 0.25, warming_up=True),
]
VALIDATIONS = [Validation(0, 2.0, -1.0), Validation(2, 1.75, 0.5)]
EVENTS = [Event(0, "best", "Ş, ê and \u2028 stay as they are."), Event(2, "warning", "Silent.")]


@pytest.fixture
def folder(tmp_path):
    """A log of three steps."""
    for entry in (VALIDATIONS[0], EVENTS[0], *STEPS[:2], VALIDATIONS[1], EVENTS[1], STEPS[2]):
        append_log(tmp_path, entry)
    return tmp_path


def test_what_was_written_is_read_back_and_every_line_is_json_that_any_reader_takes(folder):
    found = read_log(folder)
    assert (found.validations, found.events) == (VALIDATIONS, EVENTS)
    assert [found.steps[0], found.steps[2]] == [STEPS[0], STEPS[2]]
    assert math.isnan(found.steps[1].terms["mel"]) and found.steps[1].skipped == "loss mel is nan"
    assert read_log(folder / "elsewhere") == History()

    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    lines = (folder / LOG).read_text(encoding="utf-8").rstrip("\n").split("\n")
    entries = [json.loads(line, parse_constant=refuse) for line in lines]
    kinds = ["validation", "best", "step", "step", "validation", "warning", "step"]
    assert [entry.get("event", "step") for entry in entries] == kinds
    assert entries[3]["terms"] == {"mel": None}


def test_steps_that_will_be_done_again_are_cut_with_all_that_happened_after_them(folder):
    log = folder / LOG
    whole = log.read_bytes()
    log.write_bytes(whole + whole[: whole.index("Ş".encode()) + 1])  # half a letter at the end is no obstacle
    assert read_log(folder).events == EVENTS
    log.write_bytes(whole)
    cut_log(folder, 1)
    assert read_log(folder) == History(STEPS[:1], VALIDATIONS[:1], EVENTS[:1]) == read_log(folder, until=1)


def test_a_log_that_ends_in_half_a_line_loses_that_line_only_wherever_it_was_cut(folder):
    log = folder / LOG
    whole = log.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    before = whole[: -len(last)]
    cuts = {1, len(last) // 2, len(last) - 2, *(place + 1 for place, byte in enumerate(last[:-2]) if byte == ord("}"))}
    assert len(cuts) > 4
    for length in cuts:
        log.write_bytes(before + last[:length])
        cut_log(folder, 3)
        assert log.read_bytes() == before
    log.write_bytes(whole[:-1])  # the whole line, without its end
    cut_log(folder, 3)
    assert log.read_bytes() == whole
