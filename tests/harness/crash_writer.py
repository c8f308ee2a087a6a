"""A process that has its children write into a store until they are killed: `python -m tests.harness.crash_writer`.

It reads the store's settings from its first line of input, then forks a child for each further line, the number of a
round: a fork costs a hundredth of what a new interpreter does. The child says `pid`, then `done WHAT NUMBER` behind
every write that the store has answered; when it is dead, its parent says `dead`.
"""

import asyncio
import json
import os
import sys
from dataclasses import replace
from itertools import count
from typing import Final

from gateway.store.calls import Calls
from gateway.store.connections import Connections
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.orders import Orders
from gateway.store.profiles import Profiles
from gateway.store.settings import StoreSettings
from tests.unit.store.samples import connection, credential, ended, initiated, number, order, profile

PER_ROUND: Final = 1000
"""Numbers of a round: each write has one of its own."""


async def write(settings: StoreSettings, first: int) -> None:
    """Write until killed, one answer behind the other."""
    database = await Database.open(settings)
    for number_of_write in count(first):
        await _write_one(database, number_of_write)


async def _write_one(database: Database, i: int) -> None:
    owner = connection(i).connection_id
    await Connections(database).add(connection(i))
    say("connection", i)
    await Credentials(database).add(credential(i, connection_id=owner))
    say("credential", i)
    await Profiles(database).add(profile(i))
    say("profile", i)
    await Connections(database).change(
        owner, lambda row: replace(row, settings={"i": i}, outbound_voice_profile_id=profile(i).profile_id)
    )
    say("change", i)
    bought = [
        replace(number(connection_id=owner), number_id=f"{i}-{part}", phone_number=f"+{i}{part}") for part in (1, 2)
    ]
    await Orders(database).add(order(i), bought)
    say("order", i)
    await Calls(database).write([initiated(i)])
    say("call", i)
    await Calls(database).write([ended(i)])
    say("ended", i)


def say(what: str, i: int) -> None:
    """One line in one write, so that a kill cannot cut it."""
    os.write(sys.stdout.fileno(), f"done {what} {i}\n".encode())


def main() -> None:
    """See the module."""
    settings = StoreSettings(**json.loads(sys.stdin.readline()))
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            asyncio.run(write(settings, int(line) * PER_ROUND))
        os.write(sys.stdout.fileno(), f"pid {child}\n".encode())
        os.waitpid(child, 0)
        os.write(sys.stdout.fileno(), b"dead\n")


if __name__ == "__main__":
    main()
