"""Two associations that talk to each other through lists of datagrams."""

from collections.abc import Callable

import pylibsrtp
import pytest
from OpenSSL import SSL

from gateway.media.core.rtp import RtpPacket, serialize
from gateway.media.core.sdp import Fingerprint
from gateway.media.engines.dtls import Certificate, DtlsAssociation, DtlsState, is_checkable

ALERT = 21
"""The content type (RFC 5246 section 6.2.1)."""

RTP = serialize(RtpPacket(0, 1, 160, 7, False, b"\x11" * 160))


class Link:
    """A client and a server, and the datagrams between them."""

    def __init__(
        self,
        *,
        client_sees: Callable[[Certificate], list[Fingerprint]] = lambda theirs: [theirs.fingerprint],
        server_sees: Callable[[Certificate], list[Fingerprint]] = lambda theirs: [theirs.fingerprint],
    ) -> None:
        ours, theirs = Certificate(), Certificate()
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.client = DtlsAssociation(
            ours, is_client=True, fingerprints=client_sees(theirs), send=self.to_server.append
        )
        self.server = DtlsAssociation(
            theirs, is_client=False, fingerprints=server_sees(ours), send=self.to_client.append
        )

    def start(self) -> None:
        self.server.start(0.0)
        self.client.start(0.0)

    def carry(self) -> None:
        """Deliver datagrams until there are none."""
        while self.to_server or self.to_client:
            while self.to_server:
                self.server.receive(self.to_server.pop(0), 0.0)
            while self.to_client:
                self.client.receive(self.to_client.pop(0), 0.0)


def connected() -> Link:
    link = Link()
    link.start()
    link.carry()
    return link


def test_handshake_gives_both_sides_keys_that_fit() -> None:
    link = connected()

    assert (link.client.state, link.server.state) == (DtlsState.CONNECTED, DtlsState.CONNECTED)
    assert link.server.unprotect(link.client.protect(RTP)) == RTP
    assert link.client.unprotect(link.server.protect(RTP)) == RTP
    report = b"\x80\xc9\x00\x01\x00\x00\x00\x07"
    assert link.server.unprotect_rtcp(link.client.protect_rtcp(report)) == report
    assert link.client.next_deadline() is None


def test_flights_fit_a_tunnel() -> None:
    link = Link()
    link.start()
    sizes = []
    while link.to_server or link.to_client:
        sizes += [len(datagram) for datagram in link.to_server + link.to_client]
        while link.to_server:
            link.server.receive(link.to_server.pop(0), 0.0)
        while link.to_client:
            link.client.receive(link.to_client.pop(0), 0.0)

    assert max(sizes) <= 1200


@pytest.mark.parametrize(
    "seen",
    [
        lambda theirs: [Fingerprint("sha-256", "00:" * 31 + "00")],
        lambda theirs: [theirs.fingerprint, Fingerprint("sha-512", "00")],
        lambda theirs: [Fingerprint("md5", theirs.fingerprint.value)],
        lambda theirs: [],
    ],
    ids=["other", "one of two", "hash that proves nothing", "none"],
)
def test_certificate_without_its_fingerprint_fails(seen: Callable[[Certificate], list[Fingerprint]]) -> None:
    link = Link(client_sees=seen)

    link.start()
    link.carry()

    assert link.client.state is DtlsState.FAILED


def test_unknown_hash_beside_a_known_one_does_no_harm() -> None:
    link = Link(client_sees=lambda theirs: [theirs.fingerprint, Fingerprint("sha-1", "00")])

    link.start()
    link.carry()

    assert link.client.state is DtlsState.CONNECTED


def test_far_end_without_a_certificate_is_told_why_it_failed() -> None:
    link = Link()
    nobody = Certificate()
    nobody.context = SSL.Context(SSL.DTLS_METHOD)
    nobody.context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
    client = DtlsAssociation(nobody, is_client=True, fingerprints=[nobody.fingerprint], send=link.to_server.append)
    link.server.start(0.0)
    client.start(0.0)

    while link.to_server:
        link.server.receive(link.to_server.pop(0), 0.0)
        last = link.to_client[-1]
        while link.to_client:
            client.receive(link.to_client.pop(0), 0.0)

    assert link.server.state is DtlsState.FAILED
    assert last[0] == ALERT
    assert link.server.next_deadline() is None


def test_forged_packet_is_refused() -> None:
    link = connected()
    protected = link.client.protect(RTP)
    forged = protected[:-1] + bytes([protected[-1] ^ 1])

    with pytest.raises(pylibsrtp.Error):
        link.server.unprotect(forged)


def test_goodbye_of_one_side_closes_the_other() -> None:
    link = connected()

    link.client.close()
    link.carry()

    assert (link.client.state, link.server.state) == (DtlsState.CLOSED, DtlsState.CLOSED)


def test_goodbye_to_a_side_that_has_said_it_already_is_harmless() -> None:
    link = connected()

    link.client.close()
    link.server.close()
    link.carry()

    assert (link.client.state, link.server.state) == (DtlsState.CLOSED, DtlsState.CLOSED)


def test_flight_is_not_sent_again_before_its_time() -> None:
    link = Link()
    link.start()
    link.to_server.clear()
    deadline = link.client.next_deadline()

    link.client.handle_timeout(0.0)

    assert deadline is not None
    assert 0 < deadline <= 1.0
    assert link.to_server == []


def test_repeated_last_flight_is_answered_after_the_handshake() -> None:
    link = Link()
    link.start()
    hello = link.to_server.pop()
    link.server.receive(hello, 0.0)
    while link.to_client:
        link.client.receive(link.to_client.pop(0), 0.0)
    flight = list(link.to_server)
    for datagram in flight:
        link.server.receive(datagram, 0.0)
    link.to_client.clear()  # the server's last flight is lost

    link.to_server.clear()
    for datagram in flight:
        link.server.receive(datagram, 0.0)
    link.carry()

    assert link.server.state is DtlsState.CONNECTED


def test_packets_before_the_start_and_after_the_end_are_ignored() -> None:
    link = Link()

    link.server.receive(b"\x16\xfe\xff" + bytes(40), 0.0)
    states = [link.server.state]
    link.server.close()
    link.server.receive(b"\x16\xfe\xff" + bytes(40), 0.0)
    states.append(link.server.state)

    assert states == [DtlsState.NEW, DtlsState.CLOSED]


@pytest.mark.parametrize("garbage", [b"\x16", b"\x16\xfe\xff" + b"\xff" * 60, bytes(range(20, 64)), b"\x14" * 1000])
def test_garbage_does_not_end_an_association(garbage: bytes) -> None:
    link = connected()

    link.server.receive(garbage, 0.0)

    assert link.server.state is DtlsState.CONNECTED
    assert link.server.unprotect(link.client.protect(RTP)) == RTP


def test_fingerprints_are_checkable_with_a_known_hash_only() -> None:
    assert is_checkable([Fingerprint("sha-1", "00"), Fingerprint("sha-384", "00")])
    assert not is_checkable([Fingerprint("sha-1", "00")])


def test_each_process_has_a_certificate_of_its_own() -> None:
    assert Certificate().fingerprint != Certificate().fingerprint
