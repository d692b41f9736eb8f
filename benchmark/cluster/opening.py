"""From what a command asks for to a pool of workers: a scheduler that runs already, or one for jobs of a queue."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import BadOption, ClusterError, needing
from ..home import home
from ..store import Store
from .far import Order, code
from .pool import DaskPool
from .profile import Profile
from .queues import jobs
from .workers import Workers

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 30.0
"""How long a scheduler is waited for, at the start and when the connection breaks."""

WORKER_SECONDS = 300.0
"""How long a run goes on without any worker."""

SEE_SECONDS = 60.0
"""How long a worker looks for a folder of the store: network file systems show one late."""


@contextmanager
def dask_pool(address: str, store: Store, order: Order, say: Callable[[str], None]) -> Iterator[DaskPool]:
    """A pool of the workers of a scheduler. Raises `ClusterError` where there is none, or none fits the order."""
    with connected(address) as client:
        resources = needed(client, order)
        yield DaskPool("dask", Workers(client, WORKER_SECONDS, say), store, order, resources)


@contextmanager
def queue_pool(
    name: str, profile: Profile, store: Store, order: Order, say: Callable[[str], None]
) -> Iterator[DaskPool]:
    """A pool of workers that are jobs of a queue, under limits of what a job has. Jobs may wait as long as they must.

    Raises `ClusterError` where the queue cannot be reached or refuses the jobs.
    """
    from distributed import Client

    if order.gpu and not profile.gpus:
        raise BadOption("--device cuda, but the jobs of the profile ask for no GPU", "write gpus = 1 into it")
    share = profile.bytes // profile.slots
    if order.memory > share:
        raise BadOption(
            f"--memory-limit {order.memory / 2**30:.1f}: a job of {profile.memory} runs {profile.slots} cells at once",
            "raise memory in the profile, or threads, so that fewer cells run in a job",
        )
    order = order.model_copy(update={"memory": order.memory or int(share * 0.9)})
    with (
        jobs(name, profile, store.path / "jobs") as (cluster, refused),
        Client(cluster, set_as_default=False) as client,
    ):
        say(f"jobs of {name}: at most {profile.maximum}, {profile.slots} cells each; logs in {store.path / 'jobs'}")
        resources = {"GPU": 1.0} if order.gpu else {}
        workers = Workers(client, math.inf, say, refused)
        yield DaskPool(name, workers, store, order, resources, profile.maximum * profile.slots)


def make_order(store: Store, threads: int, seconds: float, memory: int, isolated: bool, device: str) -> Order:
    """What is asked of workers for every cell of a run."""
    home().mkdir(parents=True, exist_ok=True)
    return Order(
        topic=f"brainbench-{uuid.uuid4().hex}",
        log=store.log,
        threads=threads,
        seconds=seconds,
        memory=memory,
        isolated=isolated,
        gpu=device.startswith("cuda"),
        home=home().absolute(),
        code=code(),
        patience=SEE_SECONDS,
    )


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of a scheduler, closed at the end. Raises `ClusterError` where nobody answers."""
    with needing("cluster", "distributed", "dask"):
        from distributed import Client
    check_address(address)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, TypeError) as error:
        raise ClusterError(
            f"no scheduler answers at {address}: {error or type(error).__name__}",
            "start one (dask scheduler), and give the address that it prints",
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=2)


def check_address(address: str) -> None:
    """Raise `BadOption` for what is no address, and for TLS without certificates.

    Dask's client says the same, but then holds the process for a minute and prints how it failed to close.
    """
    from distributed.comm.addressing import get_address_host_port, parse_address
    from distributed.security import Security

    try:
        get_address_host_port(address)
    except ValueError as error:
        raise BadOption(f"--scheduler {address}: {error}", "expected an address such as tcp://10.0.0.5:8786") from None
    certificates = "name them in Dask's configuration: DASK_DISTRIBUTED__COMM__TLS__CA_FILE ... (docs/clusters.md)"
    try:
        context = Security().get_connection_args("client").get("ssl_context")
    except OSError as error:
        raise BadOption(f"--scheduler {address}: the certificates of TLS: {error}", certificates) from None
    if parse_address(address)[0] == "tls" and context is None:
        raise BadOption(f"--scheduler {address}: TLS without certificates", certificates)


def needed(client: Client, order: Order) -> dict[str, float]:
    """What a worker must offer for a cell: a card, and the memory of the limit where any worker declares memory.

    Raises `ClusterError` where there are workers and none of them offers that.
    """
    workers = client.scheduler_info()["workers"]
    offers = [worker["resources"] for worker in workers.values()]
    wanted = {"GPU": 1.0} if order.gpu else {}
    if order.memory and any("MEMORY" in offer for offer in offers):
        wanted["MEMORY"] = float(order.memory)
    for name, amount in wanted.items():
        most = max((offer.get(name, 0) for offer in offers), default=math.inf)
        if most < amount:
            raise ClusterError(
                f"no worker offers {name}={amount:.0f}; the most is {most:.0f}",
                f'start one that does:  dask worker {client.scheduler.address} --resources "{name}={amount:.0f}"',
            )
    return wanted
