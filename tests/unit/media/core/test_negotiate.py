"""Codec choice."""

from dataclasses import replace

import pytest

from gateway.media.core.codec import G722, OPUS, PCMA, PCMU
from gateway.media.core.negotiate import (
    accepted,
    answer_formats,
    answered,
    choose,
    offer_formats,
    usable_codecs,
)
from gateway.media.core.sdp import Audio, Format
from gateway.media.core.sdp_parser import parse
from gateway.media.engine import NoCommonCodec

from .test_sdp_parser import sample

ALL = ("opus", "G722", "PCMU", "PCMA")
EVENT_8K = Format(payload_type=101, name="telephone-event", clock_rate=8000)
EVENT_48K = Format(payload_type=110, name="telephone-event", clock_rate=48000)


def audio(*formats: Format, ptime: float | None = None, maxptime: float | None = None, port: int = 4000) -> Audio:
    return Audio(port=port, protocol="RTP/AVP", formats=formats, ptime=ptime, maxptime=maxptime)


def pcmu(payload_type: int = 0) -> Format:
    return Format(payload_type=payload_type, name="PCMU", clock_rate=8000)


def opus(payload_type: int = 111) -> Format:
    return Format(payload_type=payload_type, name="opus", clock_rate=48000, channels=2)


def test_usable_codecs_keep_the_order_of_the_far_end() -> None:
    offer = parse(sample("chromium-156-audio.sdp")).audio

    assert [codec.name for codec in usable_codecs(offer, ALL)] == ["opus", "G722", "PCMU", "PCMA"]
    assert [codec.name for codec in usable_codecs(offer, ("PCMA", "PCMU"))] == ["PCMU", "PCMA"]


def test_names_of_codecs_are_compared_without_case() -> None:
    offered = audio(Format(payload_type=0, name="pcmu", clock_rate=8000))

    assert [codec.name for codec in usable_codecs(offered, ALL)] == ["PCMU"]


@pytest.mark.parametrize(
    "format_",
    [
        Format(payload_type=9, name="G722", clock_rate=16000),
        Format(payload_type=111, name="opus", clock_rate=48000, channels=1),
        Format(payload_type=111, name="opus", clock_rate=16000, channels=2),
        Format(payload_type=97, name="PCMU", clock_rate=16000),
        Format(payload_type=18, name="G729", clock_rate=8000),
        EVENT_8K,
    ],
)
def test_codecs_with_another_clock_or_none_of_ours_are_refused(format_: Format) -> None:
    with pytest.raises(NoCommonCodec) as refusal:
        usable_codecs(audio(format_), ALL)

    assert refusal.value.offered == (f"{format_.name}/{format_.clock_rate}",)
    assert refusal.value.supported == ALL


def test_parameters_and_packet_time_of_the_far_end_come_with_its_codec() -> None:
    (codec,) = usable_codecs(audio(replace(opus(), fmtp="stereo=1;maxplaybackrate=8000"), ptime=0.04), ALL)

    assert codec.fmtp == {"stereo": "1", "maxplaybackrate": "8000"}
    assert codec.ptime == 0.04


@pytest.mark.parametrize(
    ("ptime", "maxptime", "expected"),
    [
        (None, None, 0.02),
        (0.03, None, 0.03),
        (0.03, 0.02, 0.02),
        (None, 0.01, 0.01),
        (0.025, None, 0.02),
        (0.2, None, 0.06),
        (0.001, None, 0.01),
    ],
)
def test_packet_time_is_a_multiple_of_ten_within_bounds(
    ptime: float | None, maxptime: float | None, expected: float
) -> None:
    (codec,) = usable_codecs(audio(pcmu(), ptime=ptime, maxptime=maxptime), ALL)

    assert codec.ptime == pytest.approx(expected)


def test_codec_of_the_other_leg_is_chosen_if_offered() -> None:
    chosen = choose([OPUS, PCMU, PCMA], other="PCMA", other_allowed=(), keeps_opus=False)

    assert chosen is PCMA


def test_first_offered_is_chosen_when_the_codec_of_the_other_leg_is_not_offered() -> None:
    assert choose([OPUS, PCMU], other="G722", other_allowed=(), keeps_opus=False) is OPUS


def test_before_the_other_leg_answers_its_allowed_codecs_guide_the_choice() -> None:
    assert choose([OPUS, G722, PCMU], other=None, other_allowed=("PCMA", "PCMU"), keeps_opus=False) is PCMU
    assert choose([OPUS, G722], other=None, other_allowed=("PCMA",), keeps_opus=False) is OPUS


def test_quality_keeps_opus_whatever_the_other_leg_has() -> None:
    assert choose([PCMU, OPUS], other="PCMU", other_allowed=(), keeps_opus=True) is OPUS
    assert choose([PCMU, PCMA], other="PCMA", other_allowed=(), keeps_opus=True) is PCMA


def test_answer_uses_the_numbers_of_the_offer_both_ways() -> None:
    offered = audio(opus(96), EVENT_8K, EVENT_48K)
    (codec,) = usable_codecs(offered, ALL)

    agreement = answered(offered, codec)

    assert agreement.receive == agreement.send
    assert agreement.codec == "opus"
    assert agreement.send.codec.payload_type == 96
    assert agreement.send.telephone_event == (110, 48000)


def test_telephone_event_falls_back_to_8000() -> None:
    offered = audio(opus(), EVENT_8K)

    assert answered(offered, OPUS).send.telephone_event == (101, 8000)


def test_telephone_event_of_another_rate_alone_is_not_used() -> None:
    assert answered(audio(pcmu(), EVENT_48K), PCMU).send.telephone_event is None


def test_answer_names_one_codec_and_its_telephone_event() -> None:
    offered = audio(pcmu(), opus(96), EVENT_48K)

    formats = answer_formats(answered(offered, replace(OPUS, payload_type=96)))

    assert [(format_.name, format_.payload_type) for format_ in formats] == [("opus", 96), ("telephone-event", 110)]


def test_answer_without_telephone_event_names_the_codec_alone() -> None:
    assert [format_.name for format_ in answer_formats(answered(audio(pcmu()), PCMU))] == ["PCMU"]


def test_leg_whose_digits_come_otherwise_neither_answers_nor_offers_nor_accepts_telephone_event() -> None:
    offered = audio(pcmu(), EVENT_8K)

    ours = answered(offered, PCMU, has_events=False)
    offer = offer_formats(("PCMU", "opus"), other_offer=(), has_events=False)

    assert (ours.send.telephone_event, ours.receive.telephone_event) == (None, None)
    assert [format_.name for format_ in answer_formats(ours)] == ["PCMU"]
    assert [format_.name for format_ in offer] == ["PCMU", "opus"]
    assert accepted(offer, offered, ALL).send.telephone_event is None


def test_offer_begins_with_the_codecs_of_the_other_leg_in_its_order() -> None:
    formats = offer_formats(("opus", "G722", "PCMU", "PCMA"), other_offer=("PCMA", "PCMU", "unknown"))

    assert [format_.name for format_ in formats] == [
        "PCMA",
        "PCMU",
        "opus",
        "G722",
        "telephone-event",
        "telephone-event",
    ]
    assert [format_.clock_rate for format_ in formats[4:]] == [8000, 48000]


def test_offer_never_names_what_the_leg_may_not_use() -> None:
    formats = offer_formats(("PCMU", "GSM"), other_offer=("opus", "PCMU"))

    assert [format_.name for format_ in formats] == ["PCMU", "telephone-event"]


def test_payload_types_keep_their_meaning_for_the_whole_session() -> None:
    known = [opus(96), Format(payload_type=111, name="red", clock_rate=48000, channels=2), EVENT_48K]

    formats = {
        (each.name, each.clock_rate): each.payload_type for each in offer_formats(ALL, other_offer=(), known=known)
    }

    assert formats["opus", 48000] == 96
    assert formats["telephone-event", 48000] == 110
    assert len(set(formats.values())) == len(formats)


def test_number_that_means_something_else_already_is_avoided() -> None:
    known = [Format(payload_type=111, name="red", clock_rate=48000, channels=2)]

    formats = offer_formats(("opus",), other_offer=(), known=known)

    assert formats[0].payload_type not in (111, 110, 0)


def test_first_codec_of_an_answer_counts_and_each_side_keeps_its_numbers() -> None:
    ours = offer_formats(("opus", "PCMU"), other_offer=())
    answer = audio(opus(97), pcmu(), replace(EVENT_48K, payload_type=98))

    agreement = accepted(ours, answer, ALL)

    assert agreement.send.codec.payload_type == 97
    assert agreement.receive.codec.payload_type == 111
    assert agreement.send.telephone_event == (98, 48000)
    assert agreement.receive.telephone_event == (110, 48000)


def test_answer_without_telephone_event_has_none_either_way() -> None:
    agreement = accepted(offer_formats(("PCMU",), other_offer=()), audio(pcmu()), ALL)

    assert agreement.send.telephone_event is None
    assert agreement.receive.telephone_event is None


def test_answer_with_codecs_that_were_not_offered_is_refused() -> None:
    with pytest.raises(NoCommonCodec):
        accepted(offer_formats(("PCMU",), other_offer=()), audio(opus()), ALL)


def test_answer_that_refuses_the_line_is_refused() -> None:
    with pytest.raises(NoCommonCodec):
        accepted(offer_formats(("PCMU",), other_offer=()), audio(pcmu(), port=0), ALL)
