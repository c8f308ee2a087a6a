"""Via, and what a server writes into it."""

import pytest

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.via import Via, stamp


@pytest.mark.parametrize(
    ("text", "via"),
    [
        ("SIP/2.0/UDP h", Via("UDP", "h")),
        ("sip/2.0/udp h:1;branch=z", Via("UDP", "h", 1, Params((("branch", "z"),)))),
        ("SIP / 2.0 / TCP\t[2001:db8::1] : 65535 ;rport", Via("TCP", "2001:db8::1", 65535, Params((("rport", None),)))),
        (
            "SIP/2.0/TLS my_host_1.;received=2001:db8::9",
            Via("TLS", "my_host_1.", None, Params((("received", "2001:db8::9"),))),
        ),
    ],
)
def test_via_is_read_and_written(text: str, via: Via) -> None:
    assert Via.parse(text) == via
    assert Via.parse(str(via)) == via


@pytest.mark.parametrize(
    "text",
    [
        *("", "SIP/2.0/UDP", "SIP/2.0 h", "SIP/1.0/UDP h", "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:99999"),
        *("SIP/2.0/UDP h:123456", "SIP/2.0/UDP h:-1", "SIP/2.0/UDP h x", "SIP/2.0/UDP ;branch=1", "HTTP/2.0/UDP h"),
        *("SIP/2.0/UDP [fe80::1%eth0]", "SIP/2.0/UDP h:²", "SIP/2.0/U DP h", "SIP/2.0/UDP h;branch=1;branch=2"),
    ],
)
def test_broken_via_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        Via.parse(text)


def test_sent_by_has_the_default_port_of_its_transport() -> None:
    assert Via.parse("SIP/2.0/UDP HOST").sent_by == ("host", 5060)
    assert Via.parse("SIP/2.0/TLS host").sent_by == ("host", 5061)
    assert Via.parse("SIP/2.0/TCP host:7").sent_by == ("host", 7)


@pytest.mark.parametrize(
    ("text", "stamped"),
    [
        ("SIP/2.0/UDP 192.0.2.9;branch=a", "SIP/2.0/UDP 192.0.2.9;branch=a"),
        ("SIP/2.0/UDP host;branch=a", "SIP/2.0/UDP host;branch=a;received=192.0.2.9"),
        ("SIP/2.0/UDP 192.0.2.9;rport;branch=a", "SIP/2.0/UDP 192.0.2.9;rport=7000;branch=a;received=192.0.2.9"),
        ("SIP/2.0/UDP h;RPORT=1;received=1.1.1.1", "SIP/2.0/UDP h;rport=7000;received=192.0.2.9"),
        ('SIP / 2.0/UDP  h ; x="a;rport;b" ;y', 'SIP / 2.0/UDP  h ; x="a;rport;b" ;y;received=192.0.2.9'),
    ],
)
def test_server_notes_where_the_request_came_from_and_changes_nothing_else(text: str, stamped: str) -> None:
    assert stamp(text, host="192.0.2.9", port=7000) == stamped


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("SIP/2.0/UDP 192.0.2.15;;", "SIP/2.0/UDP 192.0.2.15"),
        ("SIP/2.0/UDP h:5070;=x;branch=z9hG4bK1;rport", "SIP/2.0/UDP h:5070;branch=z9hG4bK1;rport"),
        ('SIP/2.0/TCP h;branch="a;rport;;', "SIP/2.0/TCP h;rport"),
        ("SIP / 7.0 / UDP h;branch=z9hG4bK1", "SIP/2.0/UDP h;branch=z9hG4bK1"),
    ],
)
def test_broken_via_keeps_what_an_answer_needs(broken: str, mended: str) -> None:
    found = Via.mend(broken)

    assert str(found) == mended


@pytest.mark.parametrize("hopeless", ["", "SIP/2.0/UDP", ";;", "SIP/2.0/UDP h:99999;branch=1", "h;rport"])
def test_via_that_does_not_say_who_sent_it_is_not_mended(hopeless: str) -> None:
    assert Via.mend(hopeless) is None


def test_via_with_a_parameter_twice_is_not_mended() -> None:
    assert Via.mend("SIP/2.0/UDP h;branch=a;branch=b") is None
