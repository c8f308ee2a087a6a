"""What `rtc-gateway demo` makes in an empty store: a connection, a number, a credential, a token and a key.

Starting it again finds everything and makes only a fresh token.
"""

import asyncio
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.accounts.provisioning import Provisioning, opened
from gateway.auth.errors import KeyRevoked
from gateway.auth.keys import KeyChecker
from gateway.config import Config
from gateway.domain.errors import GatewayError
from gateway.observability.clock import utc_now
from gateway.store.connections import Connection

NAME: Final = "demo"
"""Name of the connection, of its user and of its credential."""

NUMBER: Final = "+12025550199"

PASSWORD_FILE: Final = "demo-password"  # noqa: S105 - the name of a file
KEY_FILE: Final = "demo-api-key"


class DemoFileUnusable(GatewayError):
    """A file that keeps a secret of the demo cannot be read or written."""

    code = "demo_file_unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAccess:
    """How to get in.

    Attributes:
        number: the number that rings the user; None when somebody gave it to another connection.
        token: a fresh JWT of the credential, valid for a day.
        api_key: with every scope.
    """

    connection_id: str
    credential_id: str
    user_name: str
    password: str = field(repr=False)
    sip_username: str
    number: str | None
    token: str = field(repr=False)
    api_key: str = field(repr=False)


async def prepare(config: Config) -> DemoAccess:
    """Find or make everything.

    Raises:
        StoreError, AuthError: what is configured cannot be used.
        DemoFileUnusable: a secret cannot be kept in `data_dir`.
    """
    async with opened(config.store, config.auth) as store:
        password = await _kept_secret(config.data_dir / PASSWORD_FILE)
        connection = await _connection(store, password)
        number = await store.numbers.find(NUMBER) or await store.add_number(NUMBER, connection.connection_id)
        credential_id, sip_username = await _credential(store, connection.connection_id)
        return DemoAccess(
            connection_id=connection.connection_id,
            credential_id=credential_id,
            user_name=connection.user_name,
            password=password,
            sip_username=sip_username,
            number=number.phone_number if number.connection_id == connection.connection_id else None,
            token=await store.create_token(credential_id, ttl=config.auth.token_ttl),
            api_key=await _api_key(store, config.data_dir / KEY_FILE),
        )


async def _connection(store: Provisioning, password: str) -> Connection:
    """The demo's connection, whose password is the one in the file."""
    found = await store.connections.find_by_user_name(NAME)
    if found is None:
        return await store.add_connection(name=NAME, user_name=NAME, password=password)
    if not await store.is_password(found, password):
        await store.set_password(found.connection_id, password)
    return found


async def _credential(store: Provisioning, connection_id: str) -> tuple[str, str]:
    """A credential to make tokens of; nobody needs its password."""
    for row in await store.credentials.all(connection_id=connection_id):
        if row.name == NAME and not row.is_expired(utc_now()):
            return row.credential_id, row.sip_username
    made = (await store.add_credential(connection_id, name=NAME)).credential
    return made.credential_id, made.sip_username


async def _api_key(store: Provisioning, path: Path) -> str:
    """The key in the file while it is valid, else a new one."""
    kept = await asyncio.to_thread(_read, path)
    if kept is not None and await _is_good(store, kept):
        return kept
    made = await store.create_key()
    await asyncio.to_thread(_write, path, made.text)
    return made.text


async def _is_good(store: Provisioning, key: str) -> bool:
    try:
        return await KeyChecker(store.keys).check(key) is not None
    except KeyRevoked:
        return False


async def _kept_secret(path: Path) -> str:
    kept = await asyncio.to_thread(_read, path)
    if kept is None:
        kept = secrets.token_hex(8)
        await asyncio.to_thread(_write, path, kept)
    return kept


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DemoFileUnusable(f"cannot read {path}: {error}") from error


def _write(path: Path, text: str) -> None:
    """For the owner only, and complete or not at all."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text + "\n")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise DemoFileUnusable(f"cannot write {path}: {error.strerror}") from error
