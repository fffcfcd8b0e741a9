"""Runs a command on data that outlives it: a persistent volume, made by the first run and found again by the next.

python examples/ledger.py 127.0.0.1:5050 new 'echo first >> ledger/entries'
python examples/ledger.py 127.0.0.1:5050 old 'echo second >> ledger/entries; cat ledger/entries'
"""

import asyncio
import sys

from tepui.model.v1.mesos import Offer as OfferMessage
from tepui.model.v1.mesos import Resource, TaskState, Value, Volume
from tepui.scheduler import Offer, Offers, Scheduler, Update
from tepui.scheduler.tasks import framework_info

ROLE = "ledger"
Operation = OfferMessage.Operation
Disk = Resource.DiskInfo


def reserved_disk(megabytes: float) -> Resource:
    """Disk that only this role is offered, from now on."""
    return Resource(
        name="disk",
        type=Value.Type.SCALAR,
        scalar=Value.Scalar(value=megabytes),
        reservations=[Resource.ReservationInfo(type=Resource.ReservationInfo.Type.DYNAMIC, role=ROLE)],
        allocation_info=Resource.AllocationInfo(role=ROLE),
    )


def new_volume() -> Resource:
    """The same disk as a volume, which a task sees as `ledger` in its sandbox."""
    volume = reserved_disk(64)
    volume.disk = Disk(
        persistence=Disk.Persistence(id="ledger"), volume=Volume(container_path="ledger", mode=Volume.Mode.RW)
    )
    return volume


def volume_in(offer: Offer) -> Resource | None:
    """The volume, if this agent has it."""
    for resource in offer.message.resources:
        if resource.disk is not None and resource.disk.persistence is not None:
            return resource
    return None


async def run(masters: str, is_new: bool, command: str) -> TaskState:
    """Run `command` where the volume is, or where it is made."""
    launched = False
    async with Scheduler(masters, framework_info("ledger", roles=[ROLE])) as scheduler:
        async for event in scheduler:
            match event:
                case Offers(offers):
                    for offer in offers:
                        volume = new_volume() if is_new else volume_in(offer)
                        if launched or volume is None or not offer.fits(cpus=0.1, mem=32):
                            scheduler.decline(offer)
                            continue
                        task = offer.task(command, cpus=0.1, mem=32)
                        task.resources.append(volume)
                        launch = Operation(type=Operation.Type.LAUNCH, launch=Operation.Launch(task_infos=[task]))
                        reserve = Operation.Reserve(resources=[reserved_disk(64)])
                        create = Operation.Create(volumes=[volume])
                        make = [
                            Operation(type=Operation.Type.RESERVE, reserve=reserve),
                            Operation(type=Operation.Type.CREATE, create=create),
                        ]
                        scheduler.accept(offer, [*make, launch] if is_new else [launch])
                        launched = True
                case Update() if event.is_terminal:
                    print(f"{event.state.value}: {event.status.message}")
                    return event.state
    raise RuntimeError("The scheduler ended before the task did")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[2] not in ("new", "old"):
        print("usage: ledger.py HOST:PORT new|old COMMAND", file=sys.stderr)
        sys.exit(2)
    state = asyncio.run(run(sys.argv[1], sys.argv[2] == "new", sys.argv[3]))
    sys.exit(0 if state is TaskState.TASK_FINISHED else 1)
