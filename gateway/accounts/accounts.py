"""Everything that is provisioned, in one hand: what the API and the console work with."""

from collections.abc import Callable
from datetime import datetime
from typing import Self

from gateway.accounts.profiles import VoiceProfiles
from gateway.observability.clock import utc_now
from gateway.store.database import Database


class Accounts:
    """One a process. Each attribute is one kind of resource.

    Attributes:
        profiles: outbound voice profiles.
    """

    def __init__(self, *, profiles: VoiceProfiles) -> None:
        self.profiles = profiles

    @classmethod
    def on(cls, database: Database, *, clock: Callable[[], datetime] = utc_now) -> Self:
        """All of them on one database."""
        return cls(profiles=VoiceProfiles(database, clock=clock))
