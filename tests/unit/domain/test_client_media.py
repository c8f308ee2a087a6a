"""What a connection asks of the media of its clients."""

import pytest

from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA, ClientMedia, DtmfMode


@pytest.mark.parametrize(
    ("named", "spoken"),
    [
        (("G722", "G711U", "G711A", "G729", "OPUS", "H.264"), ("G722", "PCMU", "PCMA", "opus")),
        (("OPUS", "G711A"), ("opus", "PCMA")),
        (("G711A", "G711A", "OPUS"), ("PCMA", "opus")),
        (("G729", "H.264"), ()),
        ((), ()),
    ],
)
def test_codecs_of_a_connection_keep_their_order_and_lose_what_is_not_spoken(
    named: tuple[str, ...], spoken: tuple[str, ...]
) -> None:
    media = ClientMedia.of_connection(codecs=named, dtmf=DtmfMode.RFC_2833, encrypted_media=None)

    assert media.codecs == spoken


def test_encryption_is_required_where_the_connection_says_srtp() -> None:
    media = ClientMedia.of_connection(codecs=("OPUS",), dtmf=DtmfMode.INBAND, encrypted_media="SRTP")

    assert (media.requires_encryption, media.dtmf) == (True, DtmfMode.INBAND)


def test_a_client_without_a_word_of_its_connection_has_what_the_settings_say() -> None:
    assert DEFAULT_CLIENT_MEDIA.codecs is None
    assert DEFAULT_CLIENT_MEDIA.dtmf.has_events
    assert not DEFAULT_CLIENT_MEDIA.requires_encryption


def test_only_rfc_2833_negotiates_telephone_event() -> None:
    assert [mode for mode in DtmfMode if mode.has_events] == [DtmfMode.RFC_2833]
