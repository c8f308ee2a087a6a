import pytest

from gateway.sip.core.capabilities import ALLOW, METHODS, find_refusal, sdp_of
from gateway.sip.core.message import Request
from tests.unit.sip.core.script import OFFER, request

Lines = tuple[tuple[str, str], ...]


def _with_body(method: str, content_type: str, encoding: str | None = None) -> Request:
    made = request(method, more=(("Content-Type", content_type),))
    made.body = b"body"
    if encoding is not None:
        made.headers.add("Content-Encoding", encoding)
    return made


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "SUBSCRIBE"])
def test_a_method_that_we_do_not_serve_gets_405_with_allow(method: str) -> None:
    refusal = find_refusal(request(method))

    assert refusal is not None
    assert refusal.status == 405
    allowed = dict(refusal.headers)["Allow"].split(", ")
    assert allowed == ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY"]


def test_a_method_that_nobody_knows_gets_501() -> None:
    refusal = find_refusal(request("FOO"))

    assert refusal is not None
    assert (refusal.status, refusal.headers) == (501, (ALLOW,))


@pytest.mark.parametrize("accept", ["application/sdp", "text/plain, */*", "application/*;q=0.5", "Application/SDP"])
def test_an_invite_that_takes_sdp_is_served(accept: str) -> None:
    assert find_refusal(request("INVITE", more=(("Accept", accept),))) is None


@pytest.mark.parametrize("accept", ["text/nobodyKnowsThis", "", "application/pidf+xml, text/*"])
def test_an_invite_that_takes_no_answer_of_ours_gets_406(accept: str) -> None:
    refusal = find_refusal(request("INVITE", more=(("Accept", accept),)))

    assert refusal is not None
    assert refusal.status == 406


@pytest.mark.parametrize(("branch", "status"), [("z9hG4bK1", 400), ("1", None)])
def test_only_a_peer_of_rfc_2543_may_leave_its_contact_out(branch: str, status: int | None) -> None:
    invite = request("INVITE")
    invite.headers.remove("Contact")
    invite.headers.set("Via", f"SIP/2.0/UDP 192.0.2.9;branch={branch}")

    refusal = find_refusal(invite)

    assert (refusal.status if refusal else None) == status


def test_a_refer_outside_of_a_dialog_gets_403() -> None:
    refusal = find_refusal(request("REFER"))

    assert refusal is not None
    assert refusal.status == 403
    assert find_refusal(request("REFER", to="<sip:us@192.0.2.1>;tag=ours")) is None


def test_a_replaces_belongs_into_an_invite_only() -> None:
    replaces = (("Replaces", "c;to-tag=t;from-tag=f"),)
    refusal = find_refusal(request("REFER", to="<sip:us@192.0.2.1>;tag=ours", more=replaces))

    assert refusal is not None
    assert refusal.status == 400
    assert find_refusal(request("INVITE", more=(*replaces, ("Require", "Replaces, norefersub")))) is None


def test_required_extensions_are_refused_by_name() -> None:
    refusal = find_refusal(request("INVITE", more=(("Require", "100rel, timer"), ("Require", "foo"))))

    assert refusal is not None
    assert (refusal.status, refusal.headers) == (420, (("Unsupported", "100rel, foo"),))


def test_a_peer_that_only_supports_extensions_is_served() -> None:
    assert find_refusal(request("INVITE", sdp=OFFER, more=(("Supported", "100rel, timer"),))) is None


@pytest.mark.parametrize("asked", [(("Session-Expires", "90;refresher=uac"), ("Min-SE", "90")), (("x", "89"),)])
def test_a_session_interval_that_is_long_enough_or_comes_from_a_proxy_is_taken(asked: Lines) -> None:
    assert find_refusal(request("INVITE", more=asked)) is None


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_session_interval_below_90_s_gets_422_with_ours(method: str) -> None:
    refusal = find_refusal(request(method, more=(("Session-Expires", "89"), ("k", "foo, Timer"))))

    assert refusal is not None
    assert (refusal.status, refusal.headers) == (422, (("Min-SE", "90"),))


@pytest.mark.parametrize(
    "line", [("Session-Expires", "soon"), ("Session-Expires", "90;refresher=me"), ("Min-SE", "-1"), ("x", "1" * 20)]
)
def test_a_broken_session_interval_gets_400(line: tuple[str, str]) -> None:
    refusal = find_refusal(request("INVITE", more=(line,)))

    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize(
    ("refused", "status", "header"),
    [
        (_with_body("INVITE", "multipart/mixed;boundary=x"), 415, ("Accept", "application/sdp")),
        (_with_body("INVITE", "application/sdp", "gzip"), 415, ("Accept-Encoding", "identity")),
        (_with_body("INFO", "text/plain"), 415, ("Accept", "application/dtmf-relay, application/dtmf")),
    ],
)
def test_a_body_that_we_cannot_read_gets_415(refused: Request, status: int, header: tuple[str, str]) -> None:
    refusal = find_refusal(refused)

    assert refusal is not None
    assert (refusal.status, refusal.headers) == (status, (header,))


@pytest.mark.parametrize(
    "served",
    [
        _with_body("INVITE", "Application/SDP ; charset=utf-8", "Identity"),
        _with_body("INFO", "application/dtmf"),
        _with_body("BYE", "text/plain"),
        request("INFO"),
        request("OPTIONS", contact=None),
    ],
)
def test_what_we_understand_is_served(served: Request) -> None:
    assert find_refusal(served) is None


@pytest.mark.parametrize("contact", [None, "*", "nonsense"])
def test_an_invite_that_can_make_no_dialog_gets_400(contact: str | None) -> None:
    refusal = find_refusal(request("INVITE", contact=contact))

    assert refusal is not None
    assert refusal.status == 400


def test_a_strange_scheme_gets_416() -> None:
    strange = request("OPTIONS")
    strange.uri = "nobodyKnowsThisScheme:whatever"

    refusal = find_refusal(strange)

    assert refusal is not None
    assert refusal.status == 416


def test_every_served_method_is_in_allow() -> None:
    assert set(ALLOW[1].split(", ")) == METHODS


def test_only_an_sdp_body_is_a_session_description() -> None:
    assert sdp_of(request("INVITE", sdp=OFFER)) == OFFER
    assert sdp_of(request("INVITE")) is None
    assert sdp_of(_with_body("INVITE", "text/plain")) is None
