"""Everything that is provisioned, in one hand: what the API and the console work with."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from gateway.accounts.connections import CredentialConnections
from gateway.accounts.credentials import TelephonyCredentials
from gateway.accounts.numbers import PhoneNumbers
from gateway.accounts.profiles import VoiceProfiles
from gateway.accounts.push_credentials import MobilePushCredentials
from gateway.auth.jwt import Tokens
from gateway.auth.passwords import Passwords
from gateway.auth.sealing import Seal
from gateway.observability.clock import utc_now
from gateway.store.database import Database

ACCOUNT_ID: Final = "5d6a1c1e-7d3b-5e0f-9b1a-3c1f7a2f9e10"
"""The one account of a gateway, `user_id` and `organization_id` of everything in it."""


class Accounts:
    """One a process. Each attribute is one kind of resource.

    Attributes:
        connections: credential connections.
        credentials: telephony credentials.
        profiles: outbound voice profiles.
        numbers: the account's numbers, their orders, and what is for sale.
        push: what pushes are sent with.
    """

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        tokens: Tokens,
        seal: Seal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """All of them on one database."""
        self.connections = CredentialConnections(database, passwords=passwords, seal=seal, clock=clock)
        self.credentials = TelephonyCredentials(database, passwords=passwords, tokens=tokens, seal=seal, clock=clock)
        self.profiles = VoiceProfiles(database, clock=clock)
        self.numbers = PhoneNumbers(database, clock=clock)
        self.push = MobilePushCredentials(database, seal=seal, clock=clock)
