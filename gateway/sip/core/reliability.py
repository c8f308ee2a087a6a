"""Whether a call has reliable provisional responses: the option tag of RFC 3262 section 4."""

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:  # settings name `Reliability`, and are read without loading SIP
    from gateway.sip.core.headers.fields import Headers

Reliability = Literal["off", "supported", "required"]
"""Whether calls with a far end may, or must, have reliable provisional responses."""

OPTION: Final = "100rel"


def option_tags(headers: "Headers", name: str) -> frozenset[str]:
    """The option tags in Supported or Require, in lower case."""
    return frozenset(tag.lower() for tag in headers.get_all(name))


def option_headers(supported: str, reliability: Reliability) -> tuple[tuple[str, str], ...]:
    """What an INVITE of ours says of the options; `supported` are the other ones, which stand in the same line."""
    if reliability == "off":
        return (("Supported", supported),)
    line = ("Supported", f"{supported}, {OPTION}")
    return (line, ("Require", OPTION)) if reliability == "required" else (line,)
