"""Who may come in without a name: clients that want to talk to an assistant (`anonymous_login`)."""

from typing import Final

from gateway.auth.authenticator import Refusal
from gateway.domain.identity import Identity
from gateway.observability.logging import get_logger
from gateway.observability.metrics import LOGINS
from gateway.vsp.core.messages import AnonymousLogin
from gateway.vsp.settings import VspSettings

TARGET_TYPE: Final = "ai_assistant"
"""The only one that the SDKs document."""

_log = get_logger()


def admit(login: AnonymousLogin, settings: VspSettings, *, visitors: int, peer: str) -> Identity | Refusal:
    """Let a visitor in, or say why not. Whether the target exists turns out when the visitor calls it.

    Args:
        visitors: how many there are.
    """
    refusal = _refusal(login, settings, visitors)
    LOGINS.labels(kind="anonymous", result="ok" if refusal is None else refusal.code).inc()
    if refusal is not None:
        _log.warning("login_refused", kind="anonymous", peer=peer, error_code=refusal.code)
        return refusal
    return Identity(connection_id=None, credential_id=None, username="", target=login.target)


def _refusal(login: AnonymousLogin, settings: VspSettings, visitors: int) -> Refusal | None:
    if not settings.anonymous_login:
        return Refusal("anonymous_login_off", "anonymous logins are switched off here")
    if login.target.target_type != TARGET_TYPE:
        return Refusal("unknown_target", f'target_type must be "{TARGET_TYPE}"')
    if visitors >= settings.max_visitors:
        return Refusal("too_many_visitors", "too many anonymous sessions, try again later")
    return None
