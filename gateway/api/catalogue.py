"""Every operation of the REST API: what is routed, guarded and documented."""

from gateway.accounts.accounts import Accounts
from gateway.api.resources.outbound_voice_profiles import profile_operations
from gateway.api.rest.operation import Operation


def operations(accounts: Accounts) -> list[Operation]:
    """In the order of the document."""
    return [*profile_operations(accounts.profiles)]
