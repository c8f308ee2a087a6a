"""Brings a database to the schema of this program, with Alembic, inside one transaction.

Alembic costs about a fifth of a second to load, so it is loaded only when there is something to do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from gateway.store.errors import WrongSchema
from gateway.store.migrations import HEAD

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS: Final = Path(__file__).parent / "migrations"

# Any fixed number: two programs that start at once on one PostgreSQL database migrate one after the other.
_ADVISORY_LOCK: Final = 0x72746367


def upgrade(connection: Connection, target: str = "head") -> None:
    """Bring the database to `target`. The caller's transaction makes it all or nothing.

    Raises:
        WrongSchema: a revision that this version does not know, or tables of somebody else.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    if (current := current_revision(connection)) == HEAD and target == "head":
        return
    from alembic import command

    _run(command.upgrade, connection, target, current)


def downgrade(connection: Connection, target: str) -> None:
    """Take the database back to `target` (`base` is empty). Data of the dropped tables is lost."""
    from alembic import command

    _run(command.downgrade, connection, target, current_revision(connection))


def current_revision(connection: Connection) -> str | None:
    """The revision written in the database, None for an empty one.

    Raises:
        WrongSchema: there are tables, but not ours.
    """
    inspector = inspect(connection)
    if inspector.has_table("alembic_version"):
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision
    if inspector.has_table("connections"):
        raise WrongSchema("the database has tables of another program")
    return None


def config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration without an ini file."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def _run(step: "Callable[[Config, str], None]", connection: Connection, target: str, current: str | None) -> None:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    settings = config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions()}
    if current is not None and current not in known:
        raise WrongSchema(f"the database has schema {current}, made by a newer version; this one knows up to {HEAD}")
    try:
        step(settings, target)
    except CommandError as error:
        raise WrongSchema(f"the schema cannot be changed to {target}: {error}") from error
