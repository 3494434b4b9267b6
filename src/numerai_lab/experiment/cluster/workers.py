"""Workers beside this process: a Dask cluster of this machine, or one that is there already.

Everything that Dask is asked for is here. What the workers do for an experiment is in `work`,
which fit goes where in `fits`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from numerai_lab.disclosure import keys_hidden
from numerai_lab.errors import LabError, MachineError, UserError
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.machine import available_bytes, usable_cores

PROGRESS_TOPIC = "numerai-lab-progress"
_SECONDS_TO_ANSWER = 5
_POLL_SECONDS = 0.1
_SECONDS_TO_NOTICE_A_LOSS = 3
_LARGEST_CALL = "distributed.admin.large-graph-warning-threshold"

Call = tuple[Any, ...]
"""A function that a worker can import, and its arguments; futures among them are resolved."""


@dataclass
class Cluster:
    """Workers that answer.

    Attributes
    ----------
    client : `distributed.Client`.
    spec : as it was asked for.
    workers : addresses, ordered by the workers' names.
    threads : that one worker computes with.
    memory : bytes that one worker may still take; None if not known.
    check : called while waiting; raises when the user wants to stop.
    """

    client: Any
    spec: str
    workers: tuple[str, ...]
    threads: int
    memory: int | None
    check: Callable[[], None] = lambda: None
    _progress: dict[str, tuple[int, int]] = field(default_factory=dict)

    def on_all(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Run a quick function on every worker and return its results by address."""
        with self._lost_connection():
            found = self.client.run(function, *arguments, workers=list(self.workers))
        return {worker: found[worker] for worker in self.workers}

    def start(self, worker: str, call: Call) -> Any:
        """Start a call on one worker and return its future."""
        function, *arguments = call
        return self.client.submit(
            function, *arguments, workers=[worker], allow_other_workers=False, pure=False
        )

    def together(
        self, calls: Sequence[Call], progress: Callable[[int, int], None] | None = None
    ) -> list[Any]:
        """Run one call on each of the first workers, all of them or none, and return the futures.

        Raises
        ------
        LabError : what the first one that failed says.
        MachineError : a worker was lost, or failed in another way.
        """
        with self._lost_connection():
            futures = [
                self.start(worker, call) for worker, call in zip(self.workers, calls, strict=False)
            ]
            self._progress.clear()
            waiting = set(futures)
            while waiting:
                waiting -= self._finished(waiting, self.workers[: len(calls)])
                if progress is not None and self._progress:
                    progress(*max(self._progress.values()))
            return futures

    def each(self, waiting: deque[tuple[Any, Call]]) -> Iterator[tuple[Any, Any]]:
        """Run calls that know nothing of one another; yield (name, result) as they end.

        A worker has one call at a time, the first of those that wait. More may be added to
        `waiting`, each with a name of its own, while this goes on. What a lost worker had is
        given to another one, once.

        Raises
        ------
        LabError : what a call says. MachineError : workers were lost, or a call failed twice.
        """
        running: dict[Any, tuple[Any, Call, str]] = {}
        given_again: set[Any] = set()
        with self._lost_connection():
            while waiting or running:
                alive = self._alive()
                for future, (name, call, worker) in list(running.items()):
                    if worker not in alive:
                        del running[future]
                        future.cancel(force=True)
                        if name in given_again:
                            raise _lost(worker)
                        given_again.add(name)
                        waiting.appendleft((name, call))
                busy = {worker for _, _, worker in running.values()}
                idle = [worker for worker in alive if worker not in busy]
                if not alive:
                    raise MachineError("no worker of the cluster is left", where=self.spec)
                while idle and waiting:
                    name, call = waiting.popleft()
                    worker = idle.pop(0)
                    running[self.start(worker, call)] = name, call, worker
                for future in self._finished(set(running), ()):
                    yield running.pop(future)[0], future.result()

    def go_on_without_lost(self, warn: Callable[[str], None]) -> None:
        """Forget workers that were lost since, and say so.

        Raises
        ------
        MachineError : none is left.
        """
        with self._lost_connection():
            alive = self._alive()
        if not alive:
            raise MachineError("no worker of the cluster is left", where=self.spec)
        if len(alive) < len(self.workers):
            warn(f"cluster: {len(self.workers) - len(alive)} workers were lost, {len(alive)} go on")
            self.workers = tuple(alive)

    def results(self, futures: Sequence[Any]) -> list[Any]:
        """Fetch what finished calls returned."""
        with self._lost_connection():
            return [future.result() for future in futures]

    def _finished(self, futures: set[Any], needed: Sequence[str]) -> set[Any]:
        """Wait a moment and return the futures that are done."""
        self.check()
        done = {future for future in futures if future.done()}
        if not done:
            time.sleep(_POLL_SECONDS)
            done = {future for future in futures if future.done()}
        failed = [future for future in done if future.status != "finished"]
        if failed and needed:
            self._raise_loss(needed, _SECONDS_TO_NOTICE_A_LOSS)
        for future in failed:
            error = future.exception() if future.status == "error" else None
            if isinstance(error, LabError):
                raise error
            what = f"{type(error).__name__}: {error}" if error else "its work was cancelled"
            raise MachineError(f"a worker failed: {what}", where=self.spec) from error
        if needed:
            self._raise_loss(needed, 0)
        return done

    def _alive(self) -> list[str]:
        there = self.client.nthreads()
        return [worker for worker in self.workers if worker in there]

    def _raise_loss(self, needed: Sequence[str], seconds: float) -> None:
        """Raise if a worker is gone; a worker that died a moment ago is noticed a little later."""
        waited = 0.0
        while True:
            lost = [worker for worker in needed if worker not in self._alive()]
            if lost:
                raise _lost(lost[0])
            if waited >= seconds:
                return
            time.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS

    @contextlib.contextmanager
    def _lost_connection(self) -> Iterator[None]:
        from distributed import comm

        try:
            yield
        except (comm.CommClosedError, OSError, TimeoutError) as error:
            raise MachineError(
                f"the connection to the cluster is lost ({type(error).__name__})",
                where=self.spec,
                fix="start the cluster again and run train with --resume",
            ) from error

    def remember(self, event: Any) -> None:
        """Take note of how far a worker is."""
        _, (worker, done, total) = event
        self._progress[worker] = (done, total)


def _lost(worker: str) -> MachineError:
    return MachineError(
        f"worker {worker} was lost while it worked; nothing of what it did was kept",
        fix="find out why it ended (memory?), and run train again with --resume",
    )


@contextlib.contextmanager
def open_cluster(spec: str, reporter: Reporter) -> Iterator[Cluster]:
    """Start or reach the workers that `--cluster` names.

    Parameters
    ----------
    spec : `local:N`, N processes on this machine that share its cores, or `tcp://HOST:PORT` of
        a Dask scheduler.
    reporter : told which workers there are, and asked while waiting whether to stop.

    Raises
    ------
    UserError : not such a name, Dask is not installed, or nothing answers there.
    """
    n_local = _local_workers(spec)
    try:
        import dask
        import distributed
    except ImportError:
        raise UserError(
            "--cluster needs Dask, which is not installed",
            fix="install it with pip install numerai_lab[dask]",
        ) from None
    # Dask tells about lost workers in its own words; the lab says it in a sentence.
    for name in ("distributed", "distributed.client", "distributed.core", "distributed.nanny"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as held:
        # Weights and models go out with the calls, and Dask warns of 10 MB.
        held.enter_context(dask.config.set({_LARGEST_CALL: "1 TiB"}))
        if n_local is None:
            address, threads = spec, None
        else:
            threads = max(1, usable_cores() // n_local)
            # Workers inherit the environment, also those that take the place of a lost one.
            held.enter_context(keys_hidden())
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="numerai-lab-dask-"))
            local = held.enter_context(
                distributed.LocalCluster(
                    n_workers=n_local,
                    threads_per_worker=threads,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                    local_directory=folder,
                )
            )
            address = local.scheduler_address
        try:
            # A client would wait for ever for somebody who listens and never says a word.
            asyncio.run(asyncio.wait_for(_identity(address), _SECONDS_TO_ANSWER))
            client = held.enter_context(
                distributed.Client(address, timeout=_SECONDS_TO_ANSWER, set_as_default=False)
            )
        except (OSError, TimeoutError) as error:
            raise UserError(
                f"no Dask scheduler answers within {_SECONDS_TO_ANSWER} s",
                where=spec,
                fix="check the address and that `dask scheduler` runs there",
            ) from error
        cluster = _check_workers(client, spec, threads)
        cluster.check = reporter.check
        if n_local is not None:
            cluster.on_all(_silence)
        client.subscribe_topic(PROGRESS_TOPIC, cluster.remember)
        n = len(cluster.workers)
        reporter.say(f"cluster {spec}: {n} workers with {cluster.threads} threads each")
        yield cluster


async def _identity(address: str) -> Any:
    from distributed.core import rpc

    async with rpc(address) as scheduler:
        return await scheduler.identity()


def _local_workers(spec: str) -> int | None:
    """Return N of `local:N`, or None for a scheduler's address."""
    kind, _, rest = spec.partition(":")
    if kind == "local" and rest.isdigit() and int(rest) > 0:
        return int(rest)
    url = urlsplit(spec)
    try:
        if url.scheme in ("tcp", "tls") and url.hostname and url.port:
            return None
    except ValueError:  # a port that is none
        pass
    raise UserError(
        f"--cluster '{spec}' names no cluster",
        fix="write local:2 for two processes here, or tcp://HOST:8786 of a Dask scheduler",
    )


def _check_workers(client: Any, spec: str, threads: int | None) -> Cluster:
    """Ask who is there and what each worker has."""
    there = client.scheduler_info(n_workers=-1)["workers"]
    if not there:
        raise UserError("the cluster has no workers", where=spec, fix="start some: dask worker")
    workers = tuple(sorted(there, key=lambda worker: (str(there[worker]["name"]), worker)))
    if threads is None:
        threads = min(there[worker]["nthreads"] for worker in workers)
    try:
        memory = client.run(available_bytes, workers=list(workers))
    except ImportError as error:
        raise UserError(
            f"the workers cannot import numerai_lab ({error})",
            where=spec,
            fix="install the same numerai_lab and libraries on every worker",
        ) from None
    known = [memory[worker] for worker in workers if memory[worker] is not None]
    # Workers of one host share its memory.
    on_host = max(
        [urlsplit(worker).hostname for worker in workers].count(urlsplit(worker).hostname)
        for worker in workers
    )
    return Cluster(client, spec, workers, threads, min(known) // on_host if known else None)


def _silence() -> None:
    """Silence a worker of ours, whose standard output and error are the command's own.

    Both libraries print who met whom and who is gone, some of it past Python. What a user should
    know comes back as a result or as an exception.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def host_of(worker: str) -> str:
    """Return the host in a worker's address."""
    return urlsplit(worker).hostname or os.uname().nodename
