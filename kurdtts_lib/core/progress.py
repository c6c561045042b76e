"""A progress bar for work that goes over the same things more than once."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def pass_bar(unit: str) -> Iterator[Callable[..., None]]:
    """Give a function (number done, name of the pass, how many there are) that draws; a new name starts the bar anew.

    Where the last is given, the bar shows the time left.
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
