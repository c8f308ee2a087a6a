"""`/mobile_push_credentials` (rest-v2 A.5)."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, RootModel, StringConstraints

from gateway.accounts.core.model import Document, Name
from gateway.accounts.push_credentials import MobilePushCredentials, PushMaterial
from gateway.api.errors import InvalidValue
from gateway.api.resources.outbound_voice_profiles import page_of
from gateway.api.resources.times import to_milliseconds
from gateway.api.rest.listing import FilterRule, ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape
from gateway.store.errors import Duplicate
from gateway.store.push_credentials import PushCredential

_TAG: Final = "Push credentials"
_RULES: Final = ListRules(
    filters={
        "type": FilterRule(choices=("ios", "android"), about="For which kind of device."),
        "alias": FilterRule(about="Exactly that alias."),
    },
)

Pem = Annotated[str, StringConstraints(min_length=1, max_length=65_536)]


class IosCreate(Document):
    """A certificate of APNs with its key, both PEM."""

    type: Literal["ios"]
    alias: Name
    certificate: Pem
    private_key: Pem


class AndroidCreate(Document):
    """The JSON file of a service account of Firebase."""

    type: Literal["android"]
    alias: Name
    project_account_json_file: Annotated[dict[str, Any], Field(min_length=1)]  # Any: the provider's JSON


class PushCredentialCreate(RootModel[Annotated[IosCreate | AndroidCreate, Field(discriminator="type")]]):
    """A new push credential, of one kind or the other."""


class PushCredentialView(BaseModel):
    """A push credential as the API shows it; what belongs to the other kind of device is empty."""

    id: str
    record_type: str = "push_credential"
    type: str
    alias: str
    certificate: str
    private_key: str
    project_account_json_file: dict[str, Any]  # Any: the provider's JSON
    created_at: str
    updated_at: str


def push_credential_operations(credentials: MobilePushCredentials) -> list[Operation]:
    """Every operation of the resource."""

    def view(credential: PushCredential) -> PushCredentialView:
        material = credentials.material(credential)
        return PushCredentialView(
            id=credential.push_credential_id,
            type=credential.type,
            alias=credential.alias,
            certificate=material.certificate,
            private_key=material.private_key,
            project_account_json_file=dict(material.project_account),
            created_at=to_milliseconds(credential.created_at),
            updated_at=to_milliseconds(credential.updated_at),
        )

    async def create(call: Call[PushCredentialCreate]) -> PushCredentialView:
        body = call.body.root
        if isinstance(body, IosCreate):
            material = PushMaterial(certificate=body.certificate, private_key=body.private_key)
        else:
            material = PushMaterial(project_account=body.project_account_json_file)
        try:
            return view(await credentials.create(type=body.type, alias=body.alias, material=material))
        except Duplicate as error:
            raise InvalidValue("has already been taken", pointer="/alias") from error

    async def retrieve(call: Call[None]) -> PushCredentialView:
        return view(await credentials.rows.get(call.path["id"]))

    async def listed(call: Call[None]) -> Rows:
        asked = call.listing
        found = await credentials.rows.page(page_of(asked), type=asked.text("type"), alias=asked.text("alias"))
        return Rows([view(row) for row in found.rows], found.total)

    async def remove(call: Call[None]) -> None:
        await credentials.rows.remove(call.path["id"])

    root, one = "/mobile_push_credentials", "/mobile_push_credentials/{id}"
    return [
        Operation(
            method="POST",
            path=root,
            name="create_mobile_push_credential",
            summary="Keep a certificate of APNs or an account of FCM",
            tag=_TAG,
            handler=create,
            body=PushCredentialCreate,
            answer=PushCredentialView,
            errors=(422,),
        ),
        Operation(
            method="GET",
            path=root,
            name="list_mobile_push_credentials",
            summary="List push credentials",
            tag=_TAG,
            handler=listed,
            rules=_RULES,
            answer=PushCredentialView,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path=one,
            name="retrieve_mobile_push_credential",
            summary="Show a push credential",
            tag=_TAG,
            handler=retrieve,
            answer=PushCredentialView,
            errors=(404,),
        ),
        Operation(
            method="DELETE",
            path=one,
            name="delete_mobile_push_credential",
            summary="Delete a push credential",
            tag=_TAG,
            handler=remove,
            shape=Shape.NOTHING,
            status=204,
            errors=(404,),
        ),
    ]
