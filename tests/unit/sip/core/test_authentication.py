from gateway.sip.core.actions import ClientRequest
from gateway.sip.core.authentication import MAX_ANSWERS, Authentication, ack_headers
from gateway.sip.core.dialog import Dialog
from gateway.sip.core.headers.auth import AuthValue
from gateway.sip.core.message import Response
from tests.unit.sip.core.script import our_invite, reply

TRUNK = "sip:peer@Trunk.test:5062"


def authentication() -> Authentication:
    return Authentication("user", "secret", hosts=("trunk.test", "192.0.2.9"), new_cnonce=lambda: "0a4f113b0a4f113b")


def invite(next_hop: str = TRUNK) -> ClientRequest:
    return ClientRequest(our_invite(), next_hop)


def challenge(to: ClientRequest, status: int = 401, *, realm: str = "r", nonce: str = "n1", more: str = "") -> Response:
    field = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return reply(to.request, status, more=((field, f'Digest realm="{realm}", nonce="{nonce}", qop="auth"{more}'),))


def param(request: ClientRequest, name: str, field: str = "Authorization") -> str | None:
    return AuthValue.parse(request.request.headers.get(field) or "").get(name)


def test_a_401_is_answered_with_a_new_number_and_the_same_everything_else() -> None:
    first = invite()

    second = authentication().retry(first, challenge(first))

    assert second is not None
    assert second.request.headers.get("CSeq") == "2 INVITE"
    assert second.request.headers.get("From") == first.request.headers.get("From")
    assert second.request.body == first.request.body
    assert (param(second, "uri"), param(second, "nc")) == ("sip:peer@trunk.test", "00000001")
    assert first.request.headers.get("Authorization") is None


def test_a_407_is_answered_in_its_own_header_field() -> None:
    first = invite()

    second = authentication().retry(first, challenge(first, 407))

    assert second is not None
    assert param(second, "realm", "Proxy-Authorization") == "r"
    assert second.request.headers.get("Authorization") is None


def test_the_same_question_again_is_not_answered() -> None:
    one, first = authentication(), invite()
    second = one.retry(first, challenge(first))
    assert second is not None

    assert one.retry(second, challenge(second)) is None
    assert one.retry(second, challenge(second, nonce="n2")) is None


def test_a_stale_nonce_is_answered_once_more() -> None:
    one, first = authentication(), invite()
    second = one.retry(first, challenge(first))
    assert second is not None

    third = one.retry(second, challenge(second, nonce="n2", more=", stale=true"))
    assert third is not None

    assert (param(third, "nonce"), param(third, "nc")) == ("n2", "00000001")
    assert third.request.headers.get("CSeq") == "3 INVITE"
    assert one.retry(third, challenge(third, nonce="n3", more=", stale=true")) is None


def test_a_stale_with_the_same_nonce_is_a_loop() -> None:
    one, first = authentication(), invite()
    second = one.retry(first, challenge(first))
    assert second is not None

    assert one.retry(second, challenge(second, more=", stale=true")) is None


def test_a_proxy_and_the_far_end_may_both_ask() -> None:
    one, first = authentication(), invite()
    second = one.retry(first, challenge(first, 407, realm="proxy"))
    assert second is not None

    third = one.retry(second, challenge(second, 401, realm="end"))

    assert third is not None
    assert param(third, "realm", "Authorization") == "end"
    assert param(third, "nc", "Proxy-Authorization") == "00000002"


def test_a_chain_of_realms_comes_to_an_end() -> None:
    one, current = authentication(), invite()

    for number in range(MAX_ANSWERS):
        following = one.retry(current, challenge(current, realm=f"r{number}"))
        assert following is not None
        current = following

    assert one.retry(current, challenge(current, realm="one too many")) is None


def test_a_stranger_gets_no_digest() -> None:
    first = invite("sip:peer@evil.test")

    assert authentication().retry(first, challenge(first)) is None


def test_a_next_hop_that_is_no_sip_uri_gets_no_digest() -> None:
    first = invite("mailto:a@trunk.test")

    assert authentication().retry(first, challenge(first)) is None


def test_other_refusals_and_unknown_challenges_are_not_answered() -> None:
    one, first = authentication(), invite()

    assert one.retry(first, reply(first.request, 403)) is None
    assert one.retry(first, reply(first.request, 401)) is None
    assert one.retry(first, reply(first.request, 401, more=(("WWW-Authenticate", 'Basic realm="x"'),))) is None


def test_a_nonce_that_is_used_again_is_counted_on() -> None:
    one, first = authentication(), invite()
    one.retry(first, challenge(first))
    dialog = Dialog.from_response(first.request, reply(first.request, 200))
    bye = ClientRequest(dialog.request("BYE"), "sip:192.0.2.9", "theirs")

    again = one.retry(bye, challenge(bye), dialog)

    assert again is not None
    assert param(again, "nc") == "00000002"
    assert again.request.cseq.number == bye.request.cseq.number + 1 == dialog.local_seq


def test_the_ack_carries_the_credentials_only_to_who_may_see_them() -> None:
    one, first = authentication(), invite()
    second = one.retry(first, challenge(first))
    assert second is not None
    shown = (("Authorization", second.request.headers.get("Authorization")),)

    assert one.ack_headers(second.request, "sip:peer@192.0.2.9") == shown
    assert one.ack_headers(second.request, "sip:peer@192.0.2.66") == ()
    assert ack_headers(None, second.request, TRUNK) == ()


def test_only_the_realm_that_was_configured_gets_a_digest() -> None:
    one, first = (
        Authentication("user", "secret", hosts=("trunk.test",), new_cnonce=lambda: "c" * 16, realm="carrier"),
        invite(),
    )

    assert one.retry(first, challenge(first, realm="attacker")) is None
    assert one.retry(first, challenge(first, realm="Carrier")) is None
    second = one.retry(first, challenge(first, realm="carrier"))
    assert second is not None
    assert param(second, "realm") == "carrier"


def test_challenge_of_another_realm_hides_none_of_ours() -> None:
    one = Authentication("user", "secret", hosts=("trunk.test",), new_cnonce=lambda: "c" * 16, realm='a "b"')
    first = invite()
    more = (
        ("WWW-Authenticate", 'Digest realm="attacker", nonce="n", algorithm=SHA-256'),
        ("WWW-Authenticate", 'Digest realm="a \\"b\\"", nonce="n"'),
    )

    second = one.retry(first, reply(first.request, 401, more=more))

    assert second is not None
    assert param(second, "algorithm") is None
