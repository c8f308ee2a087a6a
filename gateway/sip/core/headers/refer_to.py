"""Refer-To and Referred-By (RFC 3515 section 2.1, RFC 3892), with the Replaces in the URI (RFC 3891 section 6.1)."""

from dataclasses import replace

from gateway.sip.call import ReferTarget, Replaces
from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.headers.replaces import format_replaces, parse_replaces
from gateway.sip.core.headers.uri import SipUri


def refer_target_of(headers: Headers) -> ReferTarget:
    """Whom a REFER wants called. Header fields in the URI other than Replaces are left out.

    Raises:
        UnsupportedUri: not a sip, sips or tel URI.
        SipParseError: none or several Refer-To, a broken one, a broken or doubled Replaces in it, a Join beside it,
            or a `method` other than INVITE.
    """
    values = headers.get_all("Refer-To")
    if len(values) != 1:
        raise SipParseError(f"{len(values)} Refer-To header fields")
    uri = SipUri.parse(NameAddr.parse(values[0]).uri)
    if (uri.param("method") or "INVITE").upper() != "INVITE":
        raise SipParseError("a Refer-To for another method than INVITE", status=501)
    found = [value or "" for name, value in uri.headers if name.lower() == "replaces"]
    if len(found) > 1 or (found and any(name.lower() == "join" for name, _ in uri.headers)):
        raise SipParseError("more than one Replaces in Refer-To, or one beside a Join")
    params = tuple((name, value) for name, value in uri.params if name.lower() != "method")
    bare = str(replace(uri, params=params, headers=()))
    return ReferTarget(bare, parse_replaces(found[0]) if found else None)


def format_refer_to(uri: str, replaces: Replaces | None) -> str:
    """The value of Refer-To for calling that URI, and taking the place of that dialog there.

    Raises:
        SipError: not a sip, sips or tel URI, or a tel URI beside a Replaces, which it cannot carry.
    """
    parsed = SipUri.parse(uri)
    if replaces is None:
        return f"<{uri}>"
    if parsed.scheme == "tel":
        raise SipParseError("a tel URI cannot carry a Replaces")
    return f"<{replace(parsed, headers=(*parsed.headers, ('Replaces', format_replaces(replaces))))}>"


def referred_by_of(headers: Headers) -> str | None:
    """The URI of Referred-By; None when there is none.

    Raises:
        SipParseError: several, or a broken one.
    """
    values = headers.get_all("Referred-By")
    if len(values) > 1:
        raise SipParseError("more than one Referred-By")
    return NameAddr.parse(values[0]).uri if values else None
