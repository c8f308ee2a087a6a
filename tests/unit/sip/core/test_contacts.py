"""What a REGISTER asks for, read."""

import pytest

from gateway.sip.core.contacts import Asked, ContactChange, read_register
from gateway.sip.core.errors import IntervalTooBrief, SipError
from gateway.sip.core.message import Headers, Request

INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'


def register(*headers: tuple[str, str], vias: int = 1) -> Request:
    return Request(
        "REGISTER",
        "sip:sip.example.com",
        Headers(
            (
                *(("Via", f"SIP/2.0/UDP 192.0.2.{hop};branch=z9hG4bK{hop}") for hop in range(vias)),
                ("From", "<sip:alice@sip.example.com>;tag=1"),
                ("To", "<sip:alice@sip.example.com>"),
                ("Call-ID", "call"),
                ("CSeq", "7 REGISTER"),
                *headers,
            )
        ),
    )


def read(*headers: tuple[str, str], takes_path: bool = False, vias: int = 1) -> Asked:
    return read_register(register(*headers, vias=vias), min_expires=60, max_expires=3600, takes_path=takes_path)


def test_a_contact_is_read_with_its_q_and_time() -> None:
    asked = read(("Contact", "<sip:alice@192.0.2.1:5062>;q=0.5;expires=120"))

    assert asked == Asked(
        call_id="call", cseq=7, changes=(ContactChange(uri="sip:alice@192.0.2.1:5062", q=0.5, expires=120),)
    )


def test_without_contact_it_only_asks() -> None:
    asked = read(("Expires", "300"))

    assert asked.changes == ()
    assert not asked.is_all


@pytest.mark.parametrize(
    ("headers", "expires"),
    [
        ([("Contact", "<sip:a@h>")], 3600),
        ([("Contact", "<sip:a@h>"), ("Expires", "600")], 600),
        ([("Contact", "<sip:a@h>;expires=90"), ("Expires", "600")], 90),
        ([("Contact", "<sip:a@h>;expires=9999999999")], 3600),
        ([("Contact", "<sip:a@h>;expires=soon"), ("Expires", "600")], 600),
        ([("Contact", "<sip:a@h>;expires=0"), ("Expires", "600")], 0),
        ([("Contact", "<sip:a@h>"), ("Expires", "0")], 0),
    ],
)
def test_the_time_is_the_contacts_own_then_the_general_one_within_bounds(
    headers: list[tuple[str, str]], expires: int
) -> None:
    assert read(*headers).changes[0].expires == expires


def test_a_time_that_is_too_short_is_refused_with_the_least() -> None:
    with pytest.raises(IntervalTooBrief) as refused:
        read(("Contact", "<sip:a@h>;expires=59"))

    assert refused.value.min_expires == 60


def test_a_star_removes_everything() -> None:
    assert read(("Contact", "*"), ("Expires", "0")).is_all


@pytest.mark.parametrize(
    "headers",
    [
        [("Contact", "*")],
        [("Contact", "*"), ("Expires", "60")],
        [("Contact", "*"), ("Contact", "<sip:a@h>"), ("Expires", "0")],
        [("Contact", "<sip:a@h>;q=2")],
        [("Contact", "<sip:a@h>;q=0.1234")],
        [("Contact", "<mailto:a@h>")],
        [("Contact", "<tel:+12025550100>")],
        [("Contact", "<sip:a@h?Subject=x>")],
        [("Contact", f"<sip:{'a' * 600}@h>")],
        [("Contact", "<sip:a@h")],
        [("Contact", f"<sip:a@h>;{INSTANCE};reg-id=1"), ("Contact", f"<sip:b@h>;{INSTANCE};reg-id=2")],
    ],
)
def test_what_makes_no_sense_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(SipError):
        read(*headers)


def test_a_flow_needs_an_instance_and_a_number() -> None:
    both = read(("Contact", f"<sip:a@h>;{INSTANCE};reg-id=2")).changes[0]
    alone = read(("Contact", "<sip:a@h>;reg-id=2")).changes[0]

    assert (both.instance, both.reg_id) == ("<urn:uuid:00000000-0000-1000-8000-000A95A0E128>", 2)
    assert alone.reg_id is None


def test_a_path_counts_only_from_a_proxy_that_is_known() -> None:
    header = ("Path", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>")

    assert read(header, takes_path=True).path == ("<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>")
    assert read(header, takes_path=False).path == ()


@pytest.mark.parametrize(("param", "reg_id"), [(";ob", 1), ("", None)])
def test_through_a_proxy_a_flow_counts_only_if_the_first_supports_it(param: str, reg_id: int | None) -> None:
    asked = read(
        ("Contact", f"<sip:a@h>;{INSTANCE};reg-id=1"),
        ("Path", f"<sip:p.example.com;lr{param}>"),
        takes_path=True,
        vias=2,
    )

    assert asked.changes[0].reg_id == reg_id


@pytest.mark.parametrize("path", ["<tel:1>", "rubbish", ", ".join(["<sip:p.example.com;lr>"] * 6)])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(SipError):
        read(("Path", path), takes_path=True)
