"""`/telephony_credentials` and their tokens (rest-v2 A.1)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints

from gateway.accounts.core.model import Document, Name, telnyx_error
from gateway.accounts.credentials import TelephonyCredentials
from gateway.api.errors import ExpiredCredential, MissingReference, Unprocessable
from gateway.api.resources.outbound_voice_profiles import page_of
from gateway.api.resources.times import to_milliseconds, to_seconds
from gateway.api.rest.listing import FilterRule, ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape
from gateway.auth.errors import CredentialExpired
from gateway.store.credentials import Credential
from gateway.store.errors import NotFound

_TAG: Final = "Telephony credentials"
_OWNER: Final = "connection:"

_RULES: Final = ListRules(
    filters={
        "tag": FilterRule(about="Exactly that tag."),
        "name": FilterRule(about="Exactly that name."),
        "status": FilterRule(about="Whether its time is over.", choices=("expired", "active")),
        "resource_id": FilterRule(about="`connection:` and the id of a connection."),
        "sip_username": FilterRule(about="Exactly that user name."),
    },
    sorts=("created_at",),
    default_sort="created_at",
    default_size=50,
)


def _read_time(value: object) -> object:
    """ISO 8601 with or without a zone; UTC without (rest-v2 A.1.1)."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise telnyx_error("10015", "a time like 2024-09-18T00:00:00 or 2018-02-02T22:25:27.521Z")


def _in_utc(at: datetime) -> datetime:
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise telnyx_error("10015", "a time of the years 1 to 9999 in UTC") from None


Time = Annotated[datetime, BeforeValidator(_read_time), AfterValidator(_in_utc)]
ConnectionId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Tag = Annotated[str, StringConstraints(max_length=255)]


class CredentialCreate(Document):
    """A new credential."""

    connection_id: ConnectionId
    name: Name | None = None
    tag: Tag | None = None
    expires_at: Time | None = None


class CredentialUpdate(Document):
    """What changes of a credential. A time in the past expires it at once."""

    connection_id: ConnectionId | None = None
    name: Name | None = None
    tag: Tag | None = None
    expires_at: Time | None = None


class CredentialView(BaseModel):
    """A credential as the API shows it."""

    id: str
    record_type: str = "credential"
    name: str
    resource_id: str
    user_id: str
    expired: bool
    sip_username: str
    sip_password: str
    created_at: str
    updated_at: str
    expires_at: str


class _Resource:
    """The handlers of the resource."""

    def __init__(self, credentials: TelephonyCredentials, *, user_id: str, token_ttl: int) -> None:
        self._credentials, self._user_id, self._token_ttl = credentials, user_id, token_ttl

    async def create(self, call: Call[CredentialCreate]) -> CredentialView:
        body = call.body
        try:
            made = await self._credentials.create(
                body.connection_id, name=body.name, tag=body.tag or None, expires_at=body.expires_at
            )
        except NotFound as error:
            raise MissingReference(str(error), pointer="/connection_id") from error
        return self._view(made.credential)

    async def retrieve(self, call: Call[None]) -> CredentialView:
        return self._view(await self._credentials.rows.get(call.path["id"]))

    async def change(self, call: Call[CredentialUpdate]) -> CredentialView:
        body = call.body
        try:
            changed = await self._credentials.change(
                call.path["id"],
                connection_id=body.connection_id,
                name=body.name,
                tag=body.tag,
                expires_at=body.expires_at,
            )
        except CredentialExpired as error:
            raise ExpiredCredential(str(error)) from error
        return self._view(changed)

    async def remove(self, call: Call[None]) -> CredentialView:
        return self._view(await self._credentials.remove(call.path["id"]))

    async def listed(self, call: Call[None]) -> Rows:
        asked = call.listing
        owner, status = asked.text("resource_id"), asked.text("status")
        if owner is not None and not owner.startswith(_OWNER):
            return Rows([], 0)  # the bare id matches nothing
        found = await self._credentials.rows.page(
            page_of(asked),
            at=self._credentials.now(),
            tag=asked.text("tag"),
            name=asked.text("name"),
            connection_id=None if owner is None else owner.removeprefix(_OWNER),
            sip_username=asked.text("sip_username"),
            is_expired=None if status is None else status == "expired",
            is_newest_first=asked.sort[0].is_descending,
        )
        return Rows([self._view(row) for row in found.rows], found.total)

    async def token(self, call: Call[None]) -> str:
        try:
            return await self._credentials.create_token(call.path["id"], ttl=self._token_ttl)
        except CredentialExpired as error:
            raise Unprocessable("the credential has expired, so that a token would be dead on arrival") from error

    async def must_exist(self, path: Mapping[str, str]) -> object:
        return await self._credentials.rows.get(path["id"])

    def _view(self, credential: Credential) -> CredentialView:
        return CredentialView(
            id=credential.credential_id,
            name=credential.name,
            resource_id=_OWNER + credential.connection_id,
            user_id=self._user_id,
            expired=self._credentials.is_expired(credential),
            sip_username=credential.sip_username,
            sip_password=self._credentials.password(credential),
            created_at=to_seconds(credential.created_at),
            updated_at=to_milliseconds(credential.updated_at),
            expires_at=to_seconds(credential.expires_at),
        )


def credential_operations(credentials: TelephonyCredentials, *, user_id: str, token_ttl: int) -> list[Operation]:
    """Every operation of the resource.

    Args:
        user_id: the account that owns everything here; a UUID.
        token_ttl: seconds that a token lasts, if its credential does.
    """
    resource = _Resource(credentials, user_id=user_id, token_ttl=token_ttl)
    root, one = "/telephony_credentials", "/telephony_credentials/{id}"
    return [
        Operation(
            method="POST",
            path=root,
            name="create_telephony_credential",
            summary="Create a credential under a connection; its user name and password are generated",
            tag=_TAG,
            handler=resource.create,
            body=CredentialCreate,
            answer=CredentialView,
            status=201,
            errors=(422,),
        ),
        Operation(
            method="GET",
            path=root,
            name="list_telephony_credentials",
            summary="List credentials",
            tag=_TAG,
            handler=resource.listed,
            rules=_RULES,
            answer=CredentialView,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path=one,
            name="retrieve_telephony_credential",
            summary="Show a credential",
            tag=_TAG,
            handler=resource.retrieve,
            answer=CredentialView,
            errors=(404,),
        ),
        Operation(
            method="PATCH",
            path=one,
            name="update_telephony_credential",
            summary="Change a credential that has not expired",
            tag=_TAG,
            handler=resource.change,
            body=CredentialUpdate,
            answer=CredentialView,
            must_exist=resource.must_exist,
            errors=(404, 422),
        ),
        Operation(
            method="DELETE",
            path=one,
            name="delete_telephony_credential",
            summary="Delete a credential; its registrations and tokens end",
            tag=_TAG,
            handler=resource.remove,
            answer=CredentialView,
            errors=(404,),
        ),
        Operation(
            method="POST",
            path=one + "/token",
            name="create_telephony_credential_token",
            summary="Make an access token: a JWT, as plain text",
            tag=_TAG,
            handler=resource.token,
            shape=Shape.TEXT,
            status=201,
            errors=(404, 422),
        ),
    ]
