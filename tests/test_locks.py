"""One training in a folder at a time, and none goes on from a state that another one has left behind."""

import pytest

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.vits.checkpoint import load_latest


def test_a_second_training_of_a_folder_is_refused_and_the_first_one_goes_on(start):
    first, second, refused = start(), start(), []

    def meanwhile(entry):
        with pytest.raises(
            TrainingError, match=r"Another training is running in .*run\. Wait until it is done"
        ) as error:
            second.run()
        refused.append(error)

    assert first.run(report=meanwhile) and len(refused) == 4
    assert [entry.step for entry in start().history.steps] == [1, 2, 3, 4]
    assert start("another").run()


def test_a_training_that_another_one_has_overtaken_is_refused_and_built_anew_it_goes_on(start):
    overtaken = start()
    start(steps=2).run()
    with pytest.raises(
        TrainingError, match=r"run holds step 2 of another training; this one stands at 0\. Build it anew"
    ):
        overtaken.run()
    assert load_latest(overtaken.folder)["progress"]["step"] == 2
    assert start().run()
