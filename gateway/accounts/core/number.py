"""The model of a phone number: what of it can be changed (rest-v2 A.4)."""

from typing import Annotated

from pydantic import StrictBool, StringConstraints

from gateway.accounts.core.model import Document, Tags

Reference = Annotated[str, StringConstraints(max_length=255)]


class NumberSettings(Document):
    """Everything of a number that is not a column of its table."""

    tags: Tags = ()
    external_pin: Annotated[str, StringConstraints(max_length=64)] | None = None
    billing_group_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    address_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    hd_voice_enabled: StrictBool = False
