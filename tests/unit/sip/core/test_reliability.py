import pytest

from gateway.sip.core.capabilities import find_refusal
from gateway.sip.core.reliability import Reliability, option_headers
from tests.unit.sip.core.script import OFFER, in_dialog, request

REQUIRED = (("Require", "100Rel"),)
SUPPORTED = (("Supported", "timer, 100rel"),)


def test_an_invite_says_what_the_setting_says() -> None:
    assert option_headers("timer", "off") == (("Supported", "timer"),)
    assert option_headers("timer", "supported") == (("Supported", "timer, 100rel"),)
    assert option_headers("timer", "required") == (("Supported", "timer, 100rel"), ("Require", "100rel"))


def test_a_caller_that_requires_it_is_refused_where_it_is_off() -> None:
    refusal = find_refusal(request("INVITE", sdp=OFFER, more=REQUIRED), reliability="off")

    assert refusal is not None
    assert (refusal.status, refusal.headers) == (420, (("Unsupported", "100Rel"),))


@pytest.mark.parametrize("reliability", ["supported", "required"])
@pytest.mark.parametrize("lines", [REQUIRED, SUPPORTED])
def test_a_caller_that_knows_it_is_served(reliability: Reliability, lines: tuple[tuple[str, str], ...]) -> None:
    assert find_refusal(request("INVITE", sdp=OFFER, more=lines), reliability=reliability) is None


def test_a_caller_that_does_not_know_it_is_refused_where_it_is_required() -> None:
    refusal = find_refusal(request("INVITE", sdp=OFFER), reliability="required")

    assert refusal is not None
    assert (refusal.status, refusal.reason, refusal.headers) == (421, "Extension Required", (("Require", "100rel"),))
    assert find_refusal(request("OPTIONS"), reliability="required") is None
    assert find_refusal(in_dialog("INVITE"), reliability="required") is None
