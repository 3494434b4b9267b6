"""Work on one era after another, several at a time, with results in the order of eras."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from numerai_lab.machine import usable_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], n_threads: int
) -> Iterator[Result]:
    """Yield `work(item)` of each item, in order; as many at a time as threads, 0: as cores.

    NumPy's own threads are switched off meanwhile: an era's products are too small for them, and
    on a machine that does other things they would wait for one another most of the time. Results
    are the same for any number of threads.
    """
    n_threads = n_threads or usable_cores()
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        if n_threads == 1:
            yield from map(work, items)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            waiting: deque[Future[Result]] = deque()
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
