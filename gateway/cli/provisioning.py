"""`connection`, `credential`, `number`, `token`, `key`: provisioning without the REST API, on the same store."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.auth.scopes import SCOPES
from gateway.cli.options import ConfigOption, JsonOption, YesOption, confirm, load_config, provision
from gateway.cli.output import print_json, print_line, print_row, print_table

if TYPE_CHECKING:
    from gateway.store.connections import Connection
    from gateway.store.credentials import Credential
    from gateway.store.keys import ApiKey
    from gateway.store.numbers import Number


def _group(summary: str) -> typer.Typer:
    return typer.Typer(help=summary, no_args_is_help=True, rich_markup_mode=None)


connection = _group("Credential connections: user name and password of a client.")
credential = _group("Telephony credentials: generated logins under a connection.")
number = _group("Numbers that ring a connection's client.")
token = _group("Access tokens (JWT) of a credential.")
key = _group("API keys of REST API, lab and console.")

ConnectionArgument = Annotated[str, typer.Argument(metavar="CONNECTION_ID", help="As `connection list` shows it.")]
CredentialArgument = Annotated[str, typer.Argument(metavar="CREDENTIAL_ID", help="As `credential list` shows it.")]
OfConnection = Annotated[str | None, typer.Option("--connection", metavar="ID", help="Only of this connection.")]
ForConnection = Annotated[str, typer.Option("--connection", metavar="ID", help="The connection it belongs to.")]


@connection.command("add", epilog="Example: rtc-gateway connection add --name lab --user alice --password s3cret")
def add_connection(
    name: Annotated[str, typer.Option("--name", help="What people call it.")],
    user: Annotated[str, typer.Option("--user", help="4 to 32 letters and digits; unique.")],
    password: Annotated[str, typer.Option("--password", prompt=True, hide_input=True, help="Asked for when left out.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a connection; prints its id."""
    made = provision(config, lambda store: store.add_connection(name=name, user_name=user, password=password))
    print_json(_connection(made)) if as_json else print_line(made.connection_id)


@connection.command("list", epilog="Example: rtc-gateway connection list --json")
def list_connections(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the connections, oldest first."""
    _print_rows([_connection(row) for row in provision(config, lambda store: store.connections.all())], as_json)


@connection.command("show", epilog="Example: rtc-gateway connection show 1567510696929005999")
def show_connection(
    connection_id: ConnectionArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show a connection. Its password cannot be shown: only a hash of it is kept."""
    _print_one(_connection(provision(config, lambda store: store.connections.get(connection_id))), as_json)


@connection.command("remove", epilog="Example: rtc-gateway connection remove 1567510696929005999 --yes")
def remove_connection(
    connection_id: ConnectionArgument,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a connection with its credentials. Its numbers and the records of its calls stay."""
    confirm(f"Remove connection {connection_id} with its credentials?", is_agreed=yes)
    provision(config, lambda store: store.remove_connection(connection_id))
    _print_removed(connection_id, as_json)


@credential.command("add", epilog="Example: rtc-gateway credential add --connection 1567510696929005999 --name desk")
def add_credential(
    connection_id: ForConnection,
    name: Annotated[str | None, typer.Option("--name", help="What people call it; the time when left out.")] = None,
    expires_at: Annotated[
        str | None,
        typer.Option("--expires-at", metavar="T", help="ISO 8601, UTC without a zone. 22 years when left out."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a credential; prints id, sip_username and sip_password. The password is shown only now."""
    until = None if expires_at is None else _time(expires_at)
    made = provision(config, lambda store: store.add_credential(connection_id, name=name, expires_at=until))
    shown = _credential(made.credential) | {"sip_password": made.sip_password}
    if as_json:
        print_json(shown)
    else:
        print_row({name: shown[name] for name in ("id", "sip_username", "sip_password")})


@credential.command("list", epilog="Example: rtc-gateway credential list --connection 1567510696929005999")
def list_credentials(
    connection_id: OfConnection = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the credentials, oldest first."""
    rows = provision(config, lambda store: store.credentials.all(connection_id=connection_id))
    _print_rows([_credential(row) for row in rows], as_json)


@credential.command("show", epilog="Example: rtc-gateway credential show c215ade3-0d39-418e-94be-c5f780760199")
def show_credential(
    credential_id: CredentialArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show a credential, without its password."""
    _print_one(_credential(provision(config, lambda store: store.credentials.get(credential_id))), as_json)


@credential.command("remove", epilog="Example: rtc-gateway credential remove c215ade3-0d39-418e-94be-c5f780760199")
def remove_credential(
    credential_id: CredentialArgument,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a credential; its tokens no longer log in."""
    confirm(f"Remove credential {credential_id}? Its tokens end with it.", is_agreed=yes)
    provision(config, lambda store: store.remove_credential(credential_id))
    _print_removed(credential_id, as_json)


NumberArgument = Annotated[str, typer.Argument(metavar="+NUMBER", help="E.164 with the plus sign.")]


@number.command("add", epilog="Example: rtc-gateway number add +12025550190 --connection 1567510696929005999")
def add_number(
    phone_number: NumberArgument,
    connection_id: ForConnection,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a number to a connection: calls to it ring that connection's client."""
    made = provision(config, lambda store: store.add_number(phone_number, connection_id))
    print_json(_number(made)) if as_json else print_line(made.phone_number)


@number.command("list", epilog="Example: rtc-gateway number list")
def list_numbers(connection_id: OfConnection = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the numbers, oldest first."""
    rows = provision(config, lambda store: store.numbers.all(connection_id=connection_id))
    _print_rows([_number(row) for row in rows], as_json)


@number.command("remove", epilog="Example: rtc-gateway number remove +12025550190")
def remove_number(
    phone_number: NumberArgument, yes: YesOption = False, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Take a number away from its connection."""
    confirm(f"Remove number {phone_number}?", is_agreed=yes)
    provision(config, lambda store: store.numbers.remove(phone_number))
    _print_removed(phone_number, as_json)


@token.command("create", epilog="Example: rtc-gateway token create c215ade3-0d39-418e-94be-c5f780760199 --ttl 3600")
def create_token(
    credential_id: CredentialArgument,
    ttl: Annotated[
        int | None, typer.Option("--ttl", min=1, metavar="SECONDS", help="auth.token_ttl when left out.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an access token; prints the bare JWT."""
    seconds = load_config(config).auth.token_ttl if ttl is None else ttl
    made = provision(config, lambda store: store.create_token(credential_id, ttl=seconds))
    print_json({"token": made}) if as_json else print_line(made)


@token.command("rotate-key", epilog="Example: rtc-gateway token rotate-key --overlap 3600")
def rotate_key(
    overlap: Annotated[
        int | None,
        typer.Option(
            "--overlap", min=0, metavar="SECONDS", help="How long old tokens stay good; auth.token_ttl if left out."
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign tokens with a new key from now on. A running gateway takes it over within a second."""
    from gateway.auth.keyring import rotate
    from gateway.cli.options import run

    auth = load_config(config).auth
    seconds = auth.token_ttl if overlap is None else overlap

    async def work() -> float:
        now = datetime.now(UTC).timestamp()
        await asyncio.to_thread(rotate, auth.jwt_secret_file, now=now, overlap=seconds)
        return now + seconds

    until = datetime.fromtimestamp(run(work()), UTC)
    print_json({"old_tokens_until": until}) if as_json else print_line(until.isoformat(timespec="seconds"))


@key.command("create", epilog="Example: rtc-gateway key create --scope read --scope lab")
def create_key(
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="read|write|lab", help="May be given several times; all when left out."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What people call it.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an API key; prints the bare key, which is shown only now."""
    made = provision(config, lambda store: store.create_key(scope or SCOPES, name=name))
    print_json(_key(made.key) | {"key": made.text}) if as_json else print_line(made.text)


@key.command("list", epilog="Example: rtc-gateway key list")
def list_keys(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the API keys by their last four characters."""
    _print_rows([_key(row) for row in provision(config, lambda store: store.keys.all())], as_json)


@key.command("revoke", epilog="Example: rtc-gateway key revoke 4b6f9c1e-53a0-4c5e-8d5c-7f4f3a1b2c3d")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As `key list` shows it.")],
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke an API key. It stays in the list, and its bearer is told so; a running gateway acts within a second."""
    confirm(f"Revoke key {key_id}?", is_agreed=yes)
    provision(config, lambda store: store.revoke_key(key_id))
    print_json({"id": key_id, "revoked": True}) if as_json else print_line(key_id)


def _print_rows(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])


def _print_one(row: dict[str, object], as_json: bool) -> None:
    print_json(row) if as_json else print_row(row)


def _print_removed(name: str, as_json: bool) -> None:
    print_json({"id": name, "removed": True}) if as_json else print_line(name)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not a time as 2030-01-31T12:00:00Z", param_hint="--expires-at"
        ) from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _connection(row: "Connection") -> dict[str, object]:
    return {
        "id": row.connection_id,
        "name": row.name,
        "user_name": row.user_name,
        "active": row.is_active,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _credential(row: "Credential") -> dict[str, object]:
    return {
        "id": row.credential_id,
        "connection_id": row.connection_id,
        "name": row.name,
        "sip_username": row.sip_username,
        "expires_at": row.expires_at,
        "expired": row.is_expired(datetime.now(UTC)),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _number(row: "Number") -> dict[str, object]:
    return {
        "id": row.number_id,
        "phone_number": row.phone_number,
        "connection_id": row.connection_id,
        "created_at": row.created_at,
    }


def _key(row: "ApiKey") -> dict[str, object]:
    return {
        "id": row.key_id,
        "name": row.name,
        "last4": row.last4,
        "scope": row.scope,
        "created_at": row.created_at,
        "revoked_at": row.revoked_at,
    }
