"""Duration and memory of a full-size training step: the plain form against the library's, in pairs.

    python benchmarks/train_step.py                      processor, float32, batch 4 and 8
    python benchmarks/train_step.py --pairs 9 --batch 4

Each form runs in its own process; the two take turns, so that other load on the machine affects both. The first steps
(compilation, memory allocation) are not counted. Peak memory is the process's largest resident set, everything
included.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from worker import Worker, peak_memory

FORMS = ("plain", "ours")
WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("no", "bf16"), default="no", help="of ours; the plain form is float32")
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.form:
        _work(options)
        return
    for batch in options.batch:
        _report(batch, options, _measure(batch, options))


def _measure(batch: int, options: argparse.Namespace) -> dict[str, list[dict]]:
    """Start one process per form and let them take turns."""
    arguments = ("--batch", str(batch), "--precision", options.precision)
    workers = {form: Worker(__file__, options.threads, "--form", form, *arguments) for form in FORMS}
    steps: dict[str, list[dict]] = {form: [] for form in FORMS}
    for turn in range(WARM_UP + options.pairs):
        for form in FORMS if turn % 2 else reversed(FORMS):
            step = workers[form].ask("step")
            if turn >= WARM_UP:
                steps[form].append(step)
    for worker in workers.values():
        worker.close()
    return steps


def _report(batch: int, options: argparse.Namespace, steps: dict[str, list[dict]]) -> None:
    print(f"batch {batch}, {options.threads} thread(s), ours in {options.precision}, {options.pairs} pairs")
    for form in FORMS:
        seconds = [step["seconds"] for step in steps[form]]
        phases = {
            name: statistics.median(step["phases"][name] for step in steps[form]) for name in steps[form][0]["phases"]
        }
        print(
            f"  {form:5}  {statistics.median(seconds):6.2f} s a step ({min(seconds):.2f} to {max(seconds):.2f}), "
            f"peak {steps[form][-1]['peak'] / 1e9:.2f} GB;  "
            + ", ".join(f"{name} {value:.2f}" for name, value in phases.items())
        )
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(steps["ours"], steps["plain"], strict=True)]
    print(f"  ours / plain: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)


def _work(options: argparse.Namespace) -> None:
    """A worker: run one step for each line of stdin."""
    import torch
    from plain_step import PlainStep, full_size_models, random_batch

    torch.set_num_threads(options.threads)
    (size,) = options.batch
    batch = random_batch(size)
    step = PlainStep(*full_size_models()) if options.form == "plain" else _ours(options.precision)
    for _ in sys.stdin:
        started = time.perf_counter()
        phases = step(batch)
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "phases": phases, "peak": peak_memory()}), flush=True)


def _ours(precision: str) -> Callable[[Any], dict[str, float]]:
    """Like `PlainStep`: call with a batch; returns the seconds of each phase."""
    from accelerate import PartialState
    from plain_step import full_size_models

    from kurdtts_lib.core.settings import TrainingSettings
    from kurdtts_lib.vits.optimised_ops import keep_freed_memory
    from kurdtts_lib.vits.step import TrainingStep

    keep_freed_memory()  # as `kurdtts train` does
    step = TrainingStep(*full_size_models(), TrainingSettings(mixed_precision=precision), PartialState(cpu=True))
    phases: dict[str, float] = {}

    def timed(name: str, function: Callable) -> Callable:
        def run(*arguments: Any, **keywords: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **keywords)
            phases[name] = time.perf_counter() - started
            return result

        return run

    for owner, attribute, name in (
        (step.generator, "forward", "generator forward"),
        (step, "_discriminator_step", "D step"),
        (step, "_generator_step", "G step"),
    ):
        setattr(owner, attribute, timed(name, getattr(owner, attribute)))

    def run(batch: Any) -> dict[str, float]:
        step([batch])
        return dict(phases)

    return run


if __name__ == "__main__":
    main()
