"""The service does what its own description says: tried with what the description allows, and with what it does not."""

import sys
from collections.abc import Iterator

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import BEARER, TOKEN, Served, serving

from kurdtts_lib.service import jobs
from kurdtts_lib.service import speech as speaking
from kurdtts_lib.service.state import ServiceSettings


@pytest.fixture
def served(current: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(jobs, "training_command", lambda *_: [sys.executable, "-c", ""])
    monkeypatch.setattr(speaking, "speak", lambda *_, **__: np.zeros(1600, np.float32))  # the text is still checked
    with serving(ServiceSettings(token=TOKEN, sentences=("Roj baş.",))) as service:
        service.client.headers = BEARER  # type: ignore[assignment]
        yield service


@pytest.mark.parametrize("examples", [6, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_one_that_the_description_allows(served: Served, mode: GenerationMode, examples: int) -> None:
    headers = {"Authorization": BEARER["Authorization"].decode("latin-1")}
    schema = schemathesis.openapi.from_url(f"{served.address}/openapi.json", headers=headers)
    statuses: dict[str, set[int]] = {}

    def check(case: schemathesis.Case) -> None:
        # A description cannot say which bytes are sound and which letters Kurmanji has.
        response = case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance], timeout=600)
        statuses.setdefault(case.operation.label, set()).add(response.status_code)

    few = settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in operations:
        # Nothing can be wrong in a request that holds nothing.
        if mode == GenerationMode.POSITIVE or operation.body or operation.path_parameters:
            few(given(case=operation.as_strategy(generation_mode=mode))(check))()
    if mode == GenerationMode.POSITIVE:
        assert statuses.keys() == {operation.label for operation in operations} and len(statuses) == 12
        assert 200 in statuses["POST /v1/audio/speech"] and 202 in statuses["POST /feedback/train"]
    else:
        assert statuses["POST /feedback"] <= {400, 401, 415, 422} and len(statuses) == 8
