"""Settings that cannot work are refused with the name of the key."""

from typing import Any

import pytest

from gateway.sip.security_settings import SipSecuritySettings
from gateway.sip.settings import SipSettings, TrunkSettings


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"listen": (("tls", "127.0.0.1", 5061),)}, "listen[0]"),
        ({"listen": (("udp", "127.0.0.1", 0), ("udp", "localhost", 5060))}, "listen[1]"),
        ({"listen": (("udp", "127.0.0.1", 65536),)}, "listen[0]"),
        ({"advertise": "example.com"}, "advertise"),
        *(({name: 0.0}, name) for name in ("t1", "t2", "t4", "idle_timeout", "message_timeout", "connect_timeout")),
        ({"resolve_timeout": -1.0}, "resolve_timeout"),
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
        ({"register": True, "username": "acme"}, "register"),
        ({"register_expires": 29}, "register_expires"),
        ({"register_expires": 86_401}, "register_expires"),
        ({"health_interval": 0.5}, "health_interval"),
        ({"from_username": True}, "from_username"),
        ({"country_code": "+41"}, "country_code"),
        ({"national_prefix": "x"}, "national_prefix"),
        ({"international_prefix": "0000000"}, "international_prefix"),
        ({"number_format": "national"}, "number_format"),
        ({"uri": "sips:192.0.2.7"}, "uri"),
        ({"uri": "sip:192.0.2.7;transport=tls"}, "uri"),
        ({"uri": "sip:192.0.2.7:99999"}, "uri"),
        ({"uri": "tel:+1"}, "uri"),
        ({"uri": "http://example.com"}, "uri"),
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
