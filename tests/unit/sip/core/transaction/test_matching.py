"""Which transaction a message belongs to."""

from gateway.sip.core.message import Headers
from gateway.sip.core.transaction.matching import cancelled_key_of, client_key_of, server_key_of
from tests.unit.sip.core.messages import request, response


def test_repeat_of_a_request_has_its_key() -> None:
    assert server_key_of(request("INVITE")) == server_key_of(request("INVITE", call_id="other"))


def test_another_branch_sent_by_or_method_is_another_transaction() -> None:
    keys = {
        server_key_of(request("INVITE")),
        server_key_of(request("INVITE", branch="z9hG4bK2")),
        server_key_of(request("INVITE", via="SIP/2.0/UDP 192.0.2.10:5070")),
        server_key_of(request("INVITE", via="SIP/2.0/UDP 192.0.2.9:5071")),
        server_key_of(request("BYE")),
    }

    assert len(keys) == 5


def test_sent_by_is_compared_without_case_and_with_the_default_port() -> None:
    one, other = request(via="SIP/2.0/UDP Host.example"), request(via="SIP/2.0/UDP host.EXAMPLE:5060")

    assert server_key_of(one) == server_key_of(other)


def test_ack_and_cancel_find_their_invite() -> None:
    invite = server_key_of(request("INVITE"))

    assert server_key_of(request("ACK")) == invite
    assert cancelled_key_of(request("CANCEL")) == invite
    assert server_key_of(request("CANCEL")) != invite


def test_peer_without_magic_cookie_is_matched_by_the_fields_of_rfc_2543() -> None:
    invite = server_key_of(request("INVITE", branch="1"))

    assert server_key_of(request("ACK", branch="1", to="<sip:gw@192.0.2.1>;tag=ours")) == invite
    assert server_key_of(request("INVITE", branch="1", number=2)) != invite
    assert server_key_of(request("INVITE", branch="1", call_id="other")) != invite
    assert server_key_of(request("INVITE", branch="z9hG4bK")) != server_key_of(
        request("INVITE", branch="z9hG4bK", call_id="other")
    )


def test_request_without_branch_is_matched_too() -> None:
    plain = request("INVITE")
    plain.headers.set("Via", "SIP/2.0/UDP 192.0.2.9:5070")

    assert server_key_of(plain).identity[-1] == ""
    assert client_key_of(plain) is None


def test_response_finds_its_request_by_branch_sent_by_and_method() -> None:
    invite = request("INVITE")

    assert client_key_of(response(180, invite)) == client_key_of(invite)
    assert client_key_of(response(200, request("CANCEL"))) != client_key_of(invite)
    stranger = response(180, invite)
    stranger.headers = Headers([*stranger.headers.items()])
    stranger.headers.set("Via", "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1")
    assert client_key_of(stranger) != client_key_of(invite)
