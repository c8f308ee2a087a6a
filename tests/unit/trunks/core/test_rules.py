"""A call as one trunk wants it, and as one trunk sends it."""

from gateway.domain.headers import HeaderList
from gateway.sip.core.message import Headers, Request
from gateway.sip.trunk_settings import TrunkSettings
from gateway.trunks.core.identity import Caller
from gateway.trunks.core.rules import Dressed, OutboundCall, TrunkRules, dress, read, rules_of

CALL = OutboundCall(
    called="+41441234567",
    caller=Caller(number="+41449876543", name="Alice"),
    domain="sip.telnyx.com",
    custom=(("X-One", "1"), ("Subject", "hi")),
    own=(("Referred-By", "<sip:bob@sip.telnyx.com>"),),
    diverted_by="+41440000000",
)


def settings(**values: object) -> TrunkSettings:
    return TrunkSettings(**{"name": "carrier", "uri": "sip:192.0.2.7", **values})  # type: ignore[arg-type]  # a table


def test_a_trunk_without_rules_gets_the_call_as_it_is() -> None:
    assert dress(CALL, rules_of(settings())) == Dressed(
        "+41441234567",
        "sip:+41449876543@sip.telnyx.com",
        "Alice",
        (("X-One", "1"), ("Referred-By", "<sip:bob@sip.telnyx.com>")),
    )


def test_a_trunk_with_rules_gets_numbers_identity_and_headers_in_its_own_way() -> None:
    rules = rules_of(
        settings(
            domain="carrier.example",
            number_format="national",
            country_code="41",
            national_prefix="0",
            rewrite_called_out=("+4144|. -> 1",),
            identity_out=("P-Asserted-Identity",),
            diversion=True,
            headers_out=("Subject",),
        )
    )

    assert dress(CALL, rules) == Dressed(
        "11234567",
        "sip:0449876543@carrier.example",
        "Alice",
        (
            ("Subject", "hi"),
            ("Referred-By", "<sip:bob@sip.telnyx.com>"),
            ("P-Asserted-Identity", "Alice <sip:0449876543@carrier.example>"),
            ("Diversion", "<sip:0440000000@carrier.example>;reason=deflection;counter=1"),
        ),
    )


def test_a_caller_whose_name_is_its_number_shows_the_number_that_the_trunk_writes() -> None:
    call = OutboundCall(called="1", caller=Caller(number="+41449876543", name="+41449876543"), domain="h")

    assert dress(call, rules_of(settings(number_format="digits"))).from_name == "41449876543"


def test_a_trunk_for_a_single_line_has_the_account_in_from_and_the_caller_beside_it() -> None:
    rules = rules_of(settings(username="acme", from_username=True, identity_out=("P-Preferred-Identity",)))
    hidden = OutboundCall(called="1", caller=Caller(number="+41449876543", name="anonymous"), domain="h")

    one, other = dress(CALL, rules), dress(hidden, rules)

    assert one.from_uri == "sip:acme@sip.telnyx.com"
    assert ("P-Preferred-Identity", "Alice <sip:+41449876543@sip.telnyx.com>") in one.headers
    assert (other.from_uri, other.from_name) == ("sip:acme@h", "Anonymous")
    assert ("Privacy", "id") in other.headers


def test_a_call_that_nobody_sent_on_has_no_diversion() -> None:
    call = OutboundCall(called="1", caller=Caller(number="2"), domain="h")

    assert dress(call, TrunkRules(has_diversion=True)).headers == ()


def test_an_invite_is_shown_as_its_trunk_may_show_it() -> None:
    invite = Request(
        "INVITE",
        "sip:0441234567@gw",
        Headers(
            (
                ("From", '"PBX" <sip:100@pbx>;tag=1'),
                ("P-Asserted-Identity", "<sip:0449876543@carrier.example>"),
                ("X-One", "1"),
                ("P-Acme-Id", "7"),
            )
        ),
    )
    rules = rules_of(
        settings(
            number_format="national",
            country_code="41",
            national_prefix="0",
            identity_in=("P-Asserted-Identity",),
            headers_in=("P-Acme-*",),
        )
    )

    view = read(invite, "0441234567", rules)
    plain = read(invite, "0441234567", TrunkRules(headers_in=HeaderList(())))

    assert (view.called, view.caller, view.headers) == (
        "+41441234567",
        Caller(number="+41449876543"),
        (("P-Acme-Id", "7"),),
    )
    assert (plain.called, plain.caller, plain.headers) == ("0441234567", Caller(number="100", name="PBX"), ())
