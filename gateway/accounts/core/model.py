"""What the models of the API share: how unknown keys, text and Telnyx' own error codes are treated.

Pydantic serves here as a checker of values; nothing in this package reads or writes anything.
"""

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

MAX_URL: Final = 2000
"""Characters of a webhook's URL (rest-v2 0.5, code 10003)."""


class Document(BaseModel):
    """A JSON document that is kept: unknown keys are ignored, as the service does (checklist I.9)."""

    # Python's regular expressions: one of ours looks ahead, which the faster engine cannot.
    model_config = ConfigDict(extra="ignore", frozen=True, regex_engine="python-re")


def telnyx_error(number: str, message: str) -> PydanticCustomError:
    """An error of a model's own rule that the API answers with Telnyx' code `number`."""
    return PydanticCustomError(f"telnyx_{number}", "{message}", {"message": message})


def _check_url(url: str) -> str:
    if url == "":
        return url
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and len(url) <= MAX_URL
        _ = parts.port
    except ValueError:
        is_good = False
    if not is_good or any(character.isspace() for character in url):
        raise telnyx_error("10003", f"a URL with http:// or https://, at most {MAX_URL} characters")
    return url


def _refuse_text(value: object) -> object:
    """Pydantic would read a number out of a text or a boolean; the service does not."""
    if isinstance(value, str | bool):
        raise telnyx_error("10027", "a number")
    return value


Whole = Annotated[int, BeforeValidator(_refuse_text)]
"""A whole number."""

Decimal = Annotated[float, BeforeValidator(_refuse_text)]
"""A number, whole or not."""

Url = Annotated[str, AfterValidator(_check_url)]
"""A URL of http or https; empty for none."""

Tags = Annotated[tuple[Annotated[str, StringConstraints(min_length=1, max_length=255)], ...], Field(max_length=100)]

Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""What people call a thing: one line of printable text."""
