"""Media settings."""

import pytest

from gateway.media.core.negotiate import Preference
from gateway.media.settings import MediaSettings


def test_defaults_are_those_of_the_contract() -> None:
    settings = MediaSettings()

    assert settings.addresses == ("127.0.0.1",)
    assert settings.advertised == ("127.0.0.1",)
    assert settings.port_range == range(20000, 30000)
    assert settings.preference is Preference.PASSTHROUGH


def test_several_addresses_and_an_advertised_one_for_the_first() -> None:
    settings = MediaSettings(address="10.0.0.5, fd00::5", advertise="203.0.113.9")

    assert settings.addresses == ("10.0.0.5", "fd00::5")
    assert settings.advertised == ("203.0.113.9", "fd00::5")


def test_any_address_works_once_something_is_advertised() -> None:
    assert MediaSettings(address="::", advertise="203.0.113.9").advertised == ("203.0.113.9",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("address", "localhost"),
        ("address", ""),
        ("address", "::"),
        ("advertise", "example.com"),
        ("rtp_ports", "20000"),
        ("rtp_ports", "a-b"),
        ("rtp_ports", "30000-20000"),
        ("rtp_ports", "80-90"),
        ("rtp_ports", "65000-70000"),
        ("rtp_ports", "20000-20000"),
        ("engine", "magic"),
        ("webrtc_port", 80),
        ("webrtc_port", 65536),
        ("workers", -1),
        ("workers", 65),
        ("opus_complexity", -1),
        ("opus_complexity", 11),
        ("tick", -0.001),
        ("tick", 0.021),
        ("prefer", "cheap"),
        ("ice_timeout", 0.0),
        ("dtls_timeout", -1.0),
        ("consent_interval", 0.0),
        ("consent_timeout", 0.0),
        ("rtp_timeout", -1.0),
        ("port_quarantine", -0.1),
    ],
)
def test_value_that_cannot_work_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        MediaSettings(**{name: value})  # type: ignore[arg-type] # wrong values are the point
