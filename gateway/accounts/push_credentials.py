"""Keeps what pushes are sent with; its secrets are sealed."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.auth.errors import Unsealable
from gateway.auth.sealing import Seal
from gateway.observability.clock import utc_now
from gateway.store.database import Database
from gateway.store.push_credentials import PushCredential, PushCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMaterial:
    """The secrets of a push credential: a certificate with its key, or a service account; the others are empty."""

    certificate: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    project_account: Mapping[str, Any] = field(default_factory=dict, repr=False)  # Any: JSON of the provider


class MobilePushCredentials:
    """Every method is done when the store has it; all may raise `StoreError`."""

    def __init__(self, database: Database, *, seal: Seal, clock: Callable[[], datetime] = utc_now) -> None:
        self.rows = PushCredentials(database)
        self._seal, self._clock = seal, clock

    async def create(self, *, type: str, alias: str, material: PushMaterial) -> PushCredential:
        """A new one.

        Raises:
            Duplicate: the alias is taken.
        """
        at, push_credential_id = self._clock(), str(uuid.uuid4())
        document = {
            "certificate": material.certificate,
            "private_key": material.private_key,
            "project_account": material.project_account,
        }
        credential = PushCredential(
            push_credential_id=push_credential_id,
            type=type,
            alias=alias,
            material_sealed=self._seal.seal(json.dumps(document), owner=push_credential_id),
            created_at=at,
            updated_at=at,
        )
        await self.rows.add(credential)
        return credential

    def material(self, credential: PushCredential) -> PushMaterial:
        """Its secrets; empty where they were sealed under another key."""
        try:
            text = self._seal.open(credential.material_sealed, owner=credential.push_credential_id)
        except Unsealable:
            return PushMaterial()
        return PushMaterial(**json.loads(text))
