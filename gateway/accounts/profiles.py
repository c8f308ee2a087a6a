"""Makes and changes outbound voice profiles."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from gateway.accounts.core.merging import merged
from gateway.accounts.core.profile import ProfileSettings
from gateway.accounts.errors import checked
from gateway.accounts.ids import decimal_id
from gateway.observability.clock import utc_now
from gateway.store.database import Database
from gateway.store.profiles import Profile, Profiles


class VoiceProfiles:
    """Every method is done when the store has it; all may raise `StoreError`."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.rows = Profiles(database)
        self._clock = clock

    async def create(self, *, name: str, is_enabled: bool, settings: ProfileSettings) -> Profile:
        """A new profile."""
        at = self._clock()
        profile = Profile(
            profile_id=decimal_id(),
            name=name,
            is_enabled=is_enabled,
            settings=settings.model_dump(mode="json"),
            created_at=at,
            updated_at=at,
        )
        await self.rows.add(profile)
        return profile

    async def change(
        self, profile_id: str, *, name: str | None, is_enabled: bool | None, given: Mapping[str, object]
    ) -> Profile:
        """Change what is not None, and of the settings what is given.

        Raises:
            NotFound: there is none.
            InvalidDocument: what was given does not fit.
        """

        def changed(profile: Profile) -> Profile:
            settings = checked(ProfileSettings, merged(profile.settings, given))
            return replace(
                profile,
                name=profile.name if name is None else name,
                is_enabled=profile.is_enabled if is_enabled is None else is_enabled,
                settings=settings.model_dump(mode="json"),
                updated_at=self._clock(),
            )

        return await self.rows.change(profile_id, changed)
