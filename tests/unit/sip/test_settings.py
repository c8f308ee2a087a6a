"""Settings that cannot work are refused with the name of the key."""

from typing import Any

import pytest

from gateway.sip.security_settings import SipSecuritySettings
from gateway.sip.settings import SipSettings
from gateway.sip.trunk_settings import TrunkSettings


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"listen": (("ws", "127.0.0.1", 5061),)}, "listen[0]"),
        ({"listen": (("udp", "127.0.0.1", 0), ("udp", "localhost", 5060))}, "listen[1]"),
        ({"listen": (("udp", "127.0.0.1", 65536),)}, "listen[0]"),
        ({"advertise": "example.com"}, "advertise"),
        *(({name: 0.0}, name) for name in ("t1", "t2", "t4", "idle_timeout", "message_timeout", "connect_timeout")),
        *(({name: 0.0}, name) for name in ("resolve_timeout", "failover_after", "avoid_failed")),
        ({"advertise_listeners": ("192.0.2.1", "192.0.2.1", "")}, "advertise_listeners"),
        ({"advertise_listeners": ("gw.example:5060",)}, "advertise_listeners[0]"),
        ({"advertise_listeners": ("", "192.0.2.1:99999")}, "advertise_listeners[1]"),
        ({"advertise_listeners": ("[2001:db8::1]:5060",)}, "advertise_listeners[0]"),
        ({"keepalive_interval": -1.0}, "keepalive_interval"),
        ({"keepalive_timeout": 0.0}, "keepalive_timeout"),
        ({"path_mtu": 500}, "path_mtu"),
        ({"t1": 5.0}, "t2"),
        ({"max_connections": 0}, "max_connections"),
        ({"max_transactions": 0}, "max_transactions"),
        ({"max_message_bytes": 100}, "max_message_bytes"),
        ({"user_agent": "a\r\nX: y"}, "user_agent"),
    ],
)
def test_endpoint_setting_that_cannot_work_is_named(values: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=r": ") as caught:
        SipSettings(**values)

    assert str(caught.value).startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"register": True}, "register"),
        ({"keepalive": -1.0}, "keepalive"),
        ({"uri": "sips:192.0.2.7;transport=udp"}, "uri"),
        ({"uri": "sip:192.0.2.7;transport=ws"}, "uri"),
        ({"register": True, "username": "acme"}, "register"),
        ({"register_expires": 29}, "register_expires"),
        ({"register_expires": 86_401}, "register_expires"),
        ({"health_interval": 0.5}, "health_interval"),
        ({"from_username": True}, "from_username"),
        ({"country_code": "+41"}, "country_code"),
        ({"national_prefix": "x"}, "national_prefix"),
        ({"international_prefix": "0000000"}, "international_prefix"),
        ({"number_format": "national"}, "number_format"),
        ({"uri": "sip:192.0.2.7:99999"}, "uri"),
        ({"uri": "tel:+1"}, "uri"),
        ({"uri": "http://example.com"}, "uri"),
        ({"srtp": "optional"}, "srtp"),
        ({"srtp": "required", "uri": "sip:192.0.2.7;transport=tcp"}, "srtp"),
    ],
)
def test_trunk_setting_that_cannot_work_is_named(values: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=r": ") as caught:
        TrunkSettings(**{"name": "carrier", "uri": "sip:192.0.2.7", **values})

    assert str(caught.value).startswith(f"{key}: ")


def test_password_of_a_trunk_does_not_show() -> None:
    assert "s3cret" not in repr(TrunkSettings(name="carrier", uri="sip:h", username="u", password="s3cret"))


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"ban_after": 0}, "ban_after"),
        ({"ban_window": 0.0}, "ban_window"),
        ({"ban_time": -1.0}, "ban_time"),
        ({"stranger_rate": -1.0}, "stranger_rate"),
        ({"scanners": ("sipcli", " ")}, "scanners[1]"),
        ({"scanners": tuple(f"scanner-{number}" for number in range(101))}, "scanners"),
    ],
)
def test_security_setting_that_cannot_work_is_named(values: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=r": ") as caught:
        SipSecuritySettings(**values)

    assert str(caught.value).startswith(f"{key}: ")


def test_each_listener_is_reached_as_it_says_itself_or_as_all_of_its_family() -> None:
    settings = SipSettings(
        listen=(("udp", "10.0.0.1", 5060), ("tcp", "10.0.0.1", 5060), ("udp", "::1", 5060), ("tls", "10.0.0.1", 5061)),
        advertise="203.0.113.1",
        advertise_listeners=("203.0.113.2:15060", "", "", "203.0.113.3"),
    )

    assert [settings.advertised(index) for index in range(4)] == [
        ("203.0.113.2", 15060),
        ("203.0.113.1", None),
        ("", None),
        ("203.0.113.3", None),
    ]


@pytest.mark.parametrize(("srtp", "is_open"), [("off", False), ("optional", True), ("required", True), ("dtls", False)])
def test_keys_in_sdp_over_open_signalling_are_allowed_by_a_setting_of_their_own(srtp: Any, is_open: bool) -> None:
    trunk = TrunkSettings(name="carrier", uri="sip:192.0.2.7", srtp=srtp, srtp_over_plain_sip=True)

    assert trunk.has_open_keys is is_open
