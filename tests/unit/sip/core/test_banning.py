"""Points, bans and their end."""

from ipaddress import ip_network

import pytest

from gateway.sip.core import banning
from gateway.sip.core.banning import Ban, BanList, Offence

HOST = "203.0.113.9"


def made(*, limit: int = 3, window: float = 30.0, duration: float = 100.0, never: tuple[str, ...] = ()) -> BanList:
    return BanList(limit=limit, window=window, duration=duration, never=[ip_network(text) for text in never])


def offend(bans: BanList, host: str, times: int, now: float = 0.0) -> list[Ban | None]:
    return [bans.offend(host, Offence.MALFORMED, now) for _ in range(times)]


def test_address_is_banned_by_as_many_offences_as_the_limit_and_told_once() -> None:
    bans = made()

    told = offend(bans, HOST, 5)

    assert told == [None, None, Ban(HOST, Offence.MALFORMED, 0.0, 100.0), None, None]
    assert bans.is_banned(HOST, 0.0)
    assert not bans.is_banned("203.0.113.10", 0.0)
    assert len(bans) == 1


def test_name_of_a_scanner_bans_at_once() -> None:
    bans = made()

    assert bans.offend(HOST, Offence.SCANNER, 7.0) == Ban(HOST, Offence.SCANNER, 7.0, 107.0)


def test_ban_ends_exactly_at_its_time_and_starts_from_nothing() -> None:
    bans = made()
    offend(bans, HOST, 3)

    assert bans.is_banned(HOST, 99.9)
    assert not bans.is_banned(HOST, 100.0)
    assert offend(bans, HOST, 2, now=100.0) == [None, None]
    assert bans.bans(100.0) == ()


def test_points_drain_so_that_rare_mistakes_never_ban() -> None:
    bans = made(limit=3, window=30.0)  # one point drains in ten seconds

    told = [bans.offend(HOST, Offence.WRONG_DIGEST, now) for now in range(0, 1000, 10)]

    assert told == [None] * 100


def test_points_that_come_faster_than_they_drain_ban() -> None:
    bans = made(limit=3, window=30.0)

    told = [bans.offend(HOST, Offence.WRONG_DIGEST, now) for now in (0.0, 6.0, 12.0, 18.0)]

    assert told[:3] == [None] * 3
    assert told[3] is not None


def test_ipv6_network_of_a_customer_counts_as_one() -> None:
    bans = made()
    for last in ("1", "2", "3"):
        bans.offend(f"2001:db8:0:1::{last}", Offence.UNKNOWN_USER, 0.0)

    assert bans.is_banned("2001:db8:0:1:ffff::", 1.0)
    assert not bans.is_banned("2001:db8:0:2::1", 1.0)
    assert [ban.network for ban in bans.bans(1.0)] == ["2001:db8:0:1::/64"]
    assert bans.lift("2001:db8:0:1::7", 1.0)
    assert not bans.is_banned("2001:db8:0:1::1", 1.0)


def test_networks_of_the_settings_are_never_banned() -> None:
    bans = made(never=("203.0.113.0/24", "2001:db8::/32"))

    assert offend(bans, HOST, 10) + offend(bans, "2001:db8::1", 10) == [None] * 20
    assert bans.is_exempt(HOST)
    assert not bans.is_exempt("198.51.100.1")


def test_ban_time_of_nothing_bans_nobody() -> None:
    bans = made(duration=0.0)

    assert offend(bans, HOST, 10) == [None] * 10
    assert bans.offend(HOST, Offence.SCANNER, 0.0) is None


def test_far_end_that_we_call_is_listened_to_again_and_never_banned() -> None:
    bans = made()
    offend(bans, HOST, 3)

    bans.spare(HOST)
    bans.spare(HOST)

    assert not bans.is_banned(HOST, 1.0)
    assert offend(bans, HOST, 10, now=1.0) == [None] * 10


def test_lifted_ban_is_over_and_its_points_are_forgotten() -> None:
    bans = made()
    offend(bans, HOST, 3)

    assert bans.lift(HOST, 1.0)
    assert not bans.lift(HOST, 1.0)
    assert not bans.is_banned(HOST, 1.0)
    assert offend(bans, HOST, 2, now=1.0) == [None, None]


def test_expired_ban_cannot_be_lifted() -> None:
    bans = made()
    offend(bans, HOST, 3)

    assert not bans.lift(HOST, 100.0)


def test_newest_ban_is_listed_first() -> None:
    bans = made(limit=1)
    bans.offend("192.0.2.1", Offence.FLOOD, 1.0)
    bans.offend("192.0.2.2", Offence.FLOOD, 2.0)

    assert [ban.network for ban in bans.bans(3.0)] == ["192.0.2.2", "192.0.2.1"]


def test_tables_forget_the_oldest_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banning, "MAX_OFFENDERS", 2)
    monkeypatch.setattr(banning, "MAX_BANS", 2)
    monkeypatch.setattr(banning, "MAX_CALLED", 1)
    bans = made(limit=2)

    for number in range(5):
        bans.offend(f"192.0.2.{number}", Offence.MALFORMED, 0.0)
    assert bans.offend("192.0.2.0", Offence.MALFORMED, 0.0) is None  # forgotten, so this counts as its first
    for number in range(5):
        bans.offend(f"198.51.100.{number}", Offence.SCANNER, float(number))
    bans.spare("203.0.113.1")
    bans.spare("203.0.113.2")

    assert [ban.network for ban in bans.bans(9.0)] == ["198.51.100.4", "198.51.100.3"]
    assert not bans.is_exempt("203.0.113.1")
    assert bans.is_exempt("203.0.113.2")
