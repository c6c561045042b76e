"""A progress bar for work in several passes over the same items."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def pass_bar(unit: str) -> Iterator[Callable[..., None]]:
    """Yield a function (items done, name of the pass, total) that updates the bar; a new name resets the bar.

    If the total is given, the bar shows the time left.
    """
    with tqdm(unit=f" {unit}", file=sys.stdout, mininterval=0.5) as bar:
        current = ""

        def show(done: int, name: str, total: int | None = None) -> None:
            nonlocal current
            if name != current:
                current = name
                bar.reset()
                bar.total = total
                bar.set_description_str(name)
            bar.update(done - bar.n)

        yield show
