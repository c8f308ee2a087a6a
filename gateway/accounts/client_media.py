"""What the connection of a user name asks of the media of its clients, read from the store for each call."""

from gateway.accounts.connections import settings_of
from gateway.accounts.core.connection import DEFAULT_CODECS
from gateway.accounts.lookups import Lookups
from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA, ClientMedia
from gateway.store.connections import Connection


class ConnectionMedia:
    """See `b2bua.leg_maker.MediaOf`."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def of_user(self, username: str) -> ClientMedia:
        """By the user name of a connection or of a credential; nothing is asked for one that nobody has (visitors).

        Raises StoreUnavailable.
        """
        connection = await self._lookups.named(username) or await self._of_credential(username)
        return DEFAULT_CLIENT_MEDIA if connection is None else media_of(connection)

    async def _of_credential(self, sip_username: str) -> Connection | None:
        """None also for one that was deleted in between: whoever calls or is called by it loses its registration."""
        credential = await self._lookups.credential(sip_username)
        return None if credential is None else await self._lookups.connection(credential.connection_id)


def media_of(connection: Connection) -> ClientMedia:
    """One that was made on the command line offers what `[calls] browser_codecs` says, unless it was told otherwise."""
    settings = settings_of(connection)
    codecs = settings.inbound.codecs
    return ClientMedia.of_connection(
        codecs=None if connection.is_local and codecs == DEFAULT_CODECS else codecs,
        dtmf=settings.dtmf_type,
        encrypted_media=settings.encrypted_media,
    )
