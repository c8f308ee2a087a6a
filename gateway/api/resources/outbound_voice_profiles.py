"""`/outbound_voice_profiles` (rest-v2 A.3)."""

from typing import Any, Final, cast

from pydantic import StrictBool

from gateway.accounts.core.profile import ProfileName, ProfileSettings
from gateway.accounts.profiles import VoiceProfiles
from gateway.api.resources.times import to_milliseconds
from gateway.api.rest.listing import FilterRule, Listing, ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape
from gateway.store.paging import Page
from gateway.store.profiles import Profile, ProfileSort

_TAG: Final = "Outbound voice profiles"
_RULES: Final = ListRules(
    filters={"name][contains": FilterRule(about="Text that the name holds, in whatever case.")},
    sorts=("enabled", "created_at", "name", "service_plan", "traffic_type", "usage_payment_method"),
    default_sort="-created_at",
)


class ProfileCreate(ProfileSettings):
    """A new profile."""

    name: ProfileName
    enabled: StrictBool = True


class ProfileUpdate(ProfileSettings):
    """What changes of a profile; what is not named stays."""

    name: ProfileName | None = None
    enabled: StrictBool | None = None


class ProfileView(ProfileSettings):
    """A profile as the API shows it."""

    id: str
    record_type: str = "outbound_voice_profile"
    name: str
    enabled: bool
    connections_count: int
    created_at: str
    updated_at: str


def profile_operations(profiles: VoiceProfiles) -> list[Operation]:
    """Every operation of the resource."""

    async def create(call: Call[ProfileCreate]) -> ProfileView:
        body = call.body
        settings = ProfileSettings.model_validate(body.model_dump(exclude={"name", "enabled"}))
        return _view(await profiles.create(name=body.name, is_enabled=body.enabled, settings=settings))

    async def retrieve(call: Call[None]) -> ProfileView:
        return _view(await profiles.rows.get(call.path["id"]))

    async def change(call: Call[ProfileUpdate]) -> ProfileView:
        given = call.body.model_dump(mode="json", exclude_unset=True, exclude={"name", "enabled"})
        profile = await profiles.change(call.path["id"], name=call.body.name, is_enabled=call.body.enabled, given=given)
        return _view(profile)

    async def remove(call: Call[None]) -> ProfileView:
        return _view(await profiles.rows.remove(call.path["id"]))

    async def listed(call: Call[None]) -> Rows:
        asked = call.listing
        found = await profiles.rows.page(
            page_of(asked),
            name_contains=asked.text("name][contains"),
            sort=tuple((cast(ProfileSort, key.field), key.is_descending) for key in asked.sort),  # `_RULES` knows them
        )
        return Rows([_view(row) for row in found.rows], found.total)

    async def must_exist(path: Any) -> object:  # Any: aiohttp's match_info
        return await profiles.rows.get(path["id"])

    root, one = "/outbound_voice_profiles", "/outbound_voice_profiles/{id}"
    return [
        Operation(
            method="POST",
            path=root,
            name="create_outbound_voice_profile",
            summary="Create a profile",
            tag=_TAG,
            handler=create,
            body=ProfileCreate,
            answer=ProfileView,
            errors=(422,),
        ),
        Operation(
            method="GET",
            path=root,
            name="list_outbound_voice_profiles",
            summary="List profiles",
            tag=_TAG,
            handler=listed,
            rules=_RULES,
            answer=ProfileView,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path=one,
            name="retrieve_outbound_voice_profile",
            summary="Show a profile",
            tag=_TAG,
            handler=retrieve,
            answer=ProfileView,
            errors=(404,),
        ),
        Operation(
            method="PATCH",
            path=one,
            name="update_outbound_voice_profile",
            summary="Change a profile",
            tag=_TAG,
            handler=change,
            body=ProfileUpdate,
            answer=ProfileView,
            must_exist=must_exist,
            errors=(404, 422),
        ),
        Operation(
            method="DELETE",
            path=one,
            name="delete_outbound_voice_profile",
            summary="Delete a profile that no connection uses",
            tag=_TAG,
            handler=remove,
            answer=ProfileView,
            errors=(404, 422),
        ),
    ]


def _view(profile: Profile) -> ProfileView:
    settings = ProfileSettings.model_validate(profile.settings)
    return ProfileView(
        **settings.model_dump(),
        id=profile.profile_id,
        name=profile.name,
        enabled=profile.is_enabled,
        connections_count=profile.connections_count,
        created_at=to_milliseconds(profile.created_at),
        updated_at=to_milliseconds(profile.updated_at),
    )


def page_of(listing: Listing) -> Page:
    """The store's page of what was asked for."""
    return Page(number=listing.number, size=listing.size)
