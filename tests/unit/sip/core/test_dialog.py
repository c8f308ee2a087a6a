from itertools import pairwise

import pytest

from gateway.sip.core.dialog import Dialog, DialogId
from gateway.sip.core.errors import SipError
from tests.unit.sip.core.script import in_dialog, our_invite, reply, request

ROUTES = (("Record-Route", "<sip:p2.test;lr>, <sip:p1.test;lr>"), ("Record-Route", "<sip:p0.test;lr>"))


def test_callee_keeps_the_record_route_in_its_order() -> None:
    dialog = Dialog.from_invite(request("INVITE", cseq=7, more=ROUTES), local_tag="ours")

    bye = dialog.request("BYE")

    assert dialog.dialog_id == DialogId(dialog.dialog_id.sip_call_id, "ours", "theirs")
    assert bye.uri == "sip:peer@192.0.2.9:5070"
    assert bye.headers.get_all("Route") == ["<sip:p2.test;lr>", "<sip:p1.test;lr>", "<sip:p0.test;lr>"]
    assert bye.headers.get("From") == "<sip:us@192.0.2.1>;tag=ours"
    assert bye.headers.get("To") == "<sip:peer@192.0.2.9>;tag=theirs"
    assert bye.headers.get("CSeq") == "1 BYE"
    assert dialog.next_hop == "sip:p2.test;lr"


def test_caller_reverses_the_record_route() -> None:
    invite = our_invite()
    dialog = Dialog.from_response(invite, reply(invite, 200, more=ROUTES))

    bye = dialog.request("BYE")

    assert bye.headers.get_all("Route") == ["<sip:p0.test;lr>", "<sip:p1.test;lr>", "<sip:p2.test;lr>"]
    assert bye.headers.get("From") == '"Us" <sip:us@192.0.2.1>;tag=ours'
    assert bye.headers.get("To") == "<sip:peer@trunk.test>;tag=theirs"
    assert bye.headers.get("CSeq") == "2 BYE"
    assert bye.headers.get("Max-Forwards") == "70"


def test_strict_router_gets_itself_as_request_uri_and_the_target_as_last_route() -> None:
    routes = (("Record-Route", "<sip:p1.test;method=X;maddr=192.0.2.7?a=b>, <sip:p0.test;lr>"),)
    dialog = Dialog.from_invite(request("INVITE", more=routes), local_tag="ours")

    bye = dialog.request("BYE")

    assert bye.uri == "sip:p1.test;maddr=192.0.2.7"
    assert bye.headers.get_all("Route") == ["<sip:p0.test;lr>", "<sip:peer@192.0.2.9:5070>"]
    assert dialog.next_hop.startswith("sip:p1.test")


def test_without_routes_the_remote_target_is_the_next_hop() -> None:
    dialog = Dialog.from_invite(request("INVITE"), local_tag="ours")

    assert dialog.next_hop == dialog.request("BYE").uri == "sip:peer@192.0.2.9:5070"


def test_ack_has_the_number_of_its_invite_and_does_not_count() -> None:
    invite = our_invite()
    dialog = Dialog.from_response(invite, reply(invite, 200))

    ack = dialog.ack(invite)

    assert (ack.method, ack.headers.get("CSeq")) == ("ACK", "1 ACK")
    assert dialog.request("BYE").headers.get("CSeq") == "2 BYE"


def test_our_requests_count_up() -> None:
    dialog = Dialog.from_invite(request("INVITE"), local_tag="ours")

    numbers = [dialog.request("INFO").cseq.number for _ in range(4)]

    assert all(later == earlier + 1 for earlier, later in pairwise(numbers))


def test_a_lower_number_is_out_of_order_and_not_remembered() -> None:
    dialog = Dialog.from_invite(request("INVITE", cseq=10), local_tag="ours")

    assert dialog.is_in_order(in_dialog("INFO", cseq=15))
    assert not dialog.is_in_order(in_dialog("INFO", cseq=14))
    assert dialog.is_in_order(in_dialog("BYE", cseq=15))
    assert dialog.remote_seq == 15


def test_the_first_request_to_a_caller_may_have_any_number() -> None:
    invite = our_invite()
    dialog = Dialog.from_response(invite, reply(invite, 200))

    assert dialog.is_in_order(in_dialog("BYE", cseq=0))
    assert dialog.remote_seq == 0


def test_a_target_refresh_moves_the_target_but_not_the_route() -> None:
    dialog = Dialog.from_invite(request("INVITE", more=ROUTES), local_tag="ours")

    dialog.refresh_target(request("INVITE", contact="<sip:peer@192.0.2.77>"))

    assert dialog.remote_target == "sip:peer@192.0.2.77"
    assert dialog.next_hop == "sip:p2.test;lr"


@pytest.mark.parametrize("contact", [None, "*", "<sip:peer@192.0.2.9", "<mailto:a@b>"])
def test_an_unusable_contact_leaves_the_target_as_it_was(contact: str | None) -> None:
    dialog = Dialog.from_invite(request("INVITE"), local_tag="ours")

    dialog.refresh_target(request("INVITE", contact=contact))

    assert dialog.remote_target == "sip:peer@192.0.2.9:5070"


def test_a_provisional_response_without_contact_leaves_the_request_uri_as_target() -> None:
    invite = our_invite()

    assert Dialog.from_response(invite, reply(invite, 180, contact=None)).remote_target == "sip:peer@trunk.test"


@pytest.mark.parametrize(
    "more", [(("Record-Route", "<sip:p1.test"),), (("Record-Route", "<mailto:p1>"),), (("Contact", "<<>"),)]
)
def test_a_dialog_is_not_made_of_what_cannot_be_answered(more: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(SipError):
        Dialog.from_invite(request("INVITE", contact=None, more=more), local_tag="ours")


def test_a_peer_without_tags_gets_none_back() -> None:
    dialog = Dialog.from_invite(request("INVITE", from_="sip:old@192.0.2.9"), local_tag="ours")

    assert dialog.dialog_id.remote_tag == ""
    assert dialog.request("BYE").headers.get("To") == "sip:old@192.0.2.9"
