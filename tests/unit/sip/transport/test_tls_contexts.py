"""Which authorities vouch for which trunk."""

from pathlib import Path

import pytest

from gateway.sip.core.errors import TlsSetUpFailed
from gateway.sip.transport.tls_contexts import authorities_of
from gateway.sip.trunk_settings import TrunkSettings


def trunk(name: str, host: str, ca: str | None) -> TrunkSettings:
    return TrunkSettings(name=name, uri=f"sip:{host};transport=tls", ca=None if ca is None else Path(ca))


def test_trunks_without_authorities_of_their_own_are_left_to_the_common_ones() -> None:
    assert authorities_of([trunk("a", "a.example", None), trunk("b", "b.example", "b.pem")]) == {
        "b.example": Path("b.pem")
    }


def test_two_trunks_at_one_host_cannot_have_different_authorities() -> None:
    with pytest.raises(TlsSetUpFailed, match=r"trunk b: ca: another trunk at a\.example has a\.pem"):
        authorities_of([trunk("a", "a.example", "a.pem"), trunk("b", "A.example", "b.pem")])


def test_two_trunks_at_one_host_may_name_the_same_authorities() -> None:
    assert authorities_of([trunk("a", "a.example", "a.pem"), trunk("b", "A.example", "a.pem")]) == {
        "a.example": Path("a.pem")
    }
