"""The one table of causes."""

import pytest

from gateway.domain import causes
from gateway.domain.causes import ALL, from_q850, from_sip_response, from_sip_status, from_verto


def test_every_cause_has_a_name_and_a_code_of_its_own() -> None:
    assert len({cause.name for cause in ALL}) == len(ALL)
    assert len({cause.code for cause in ALL}) == len(ALL)


def test_every_constant_of_the_module_is_in_the_table() -> None:
    constants = {value for value in vars(causes).values() if isinstance(value, causes.Cause)}

    assert constants == set(ALL)


@pytest.mark.parametrize("cause", ALL, ids=lambda cause: cause.name)
def test_every_cause_suggests_a_final_failure_to_sip(cause: causes.Cause) -> None:
    assert 400 <= cause.sip_status <= 699
    assert cause.sip_reason


@pytest.mark.parametrize("status", range(300, 700))
def test_every_final_failure_of_sip_has_a_cause(status: int) -> None:
    assert from_sip_status(status) in ALL


@pytest.mark.parametrize(
    ("status", "name"),
    [(404, "UNALLOCATED_NUMBER"), (486, "USER_BUSY"), (487, "ORIGINATOR_CANCEL"), (603, "CALL_REJECTED"),
     (503, "NORMAL_TEMPORARY_FAILURE"), (488, "INCOMPATIBLE_DESTINATION"), (499, "CALL_REJECTED"),
     (599, "NORMAL_TEMPORARY_FAILURE"), (699, "CALL_REJECTED"), (302, "INTERWORKING")],
)  # fmt: skip
def test_sip_status_becomes_the_cause_that_rfc_3398_names(status: int, name: str) -> None:
    assert from_sip_status(status).name == name


@pytest.mark.parametrize(
    ("status", "reason"),
    [(488, "Media Encryption Required B3"), (403, "Forbidden D10"), (404, "Connection is inactive D18"),
     (480, "D21"), (503, "Too much D1"), (403, "Forbidden")],
)  # fmt: skip
def test_rejection_with_a_code_of_telnyx_is_a_rejected_call_whatever_its_status(status: int, reason: str) -> None:
    assert from_sip_response(status, reason) == causes.CALL_REJECTED


@pytest.mark.parametrize(
    ("status", "reason", "name"),
    [(488, "Not Acceptable Here", "INCOMPATIBLE_DESTINATION"), (488, "B3 is missing", "INCOMPATIBLE_DESTINATION"),
     (404, "No room AB3", "UNALLOCATED_NUMBER"), (486, "D1234", "USER_BUSY"), (480, "", "NO_USER_RESPONSE")],
)  # fmt: skip
def test_phrase_that_only_looks_like_a_code_of_telnyx_changes_nothing(status: int, reason: str, name: str) -> None:
    assert from_sip_response(status, reason).name == name


@pytest.mark.parametrize("code", causes.REJECTIONS)
def test_our_own_rejections_are_read_by_ourselves_as_such(code: str) -> None:
    cause = causes.REJECTIONS[code]

    assert (cause.name, cause.code) == ("CALL_REJECTED", 21)
    assert from_sip_response(cause.sip_status, cause.sip_reason) == causes.CALL_REJECTED


def test_client_cause_is_found_by_name_then_by_code_then_is_clearing() -> None:
    assert from_verto("CALL_REJECTED", 17).name == "CALL_REJECTED"
    assert from_verto(None, 17).name == "USER_BUSY"
    assert from_verto("NO_SUCH", 17).name == "USER_BUSY"
    assert from_verto("NO_SUCH", 9999).name == "NORMAL_CLEARING"
    assert from_verto(None, None).name == "NORMAL_CLEARING"


def test_unknown_q850_value_is_unspecified() -> None:
    assert from_q850(16).name == "NORMAL_CLEARING"
    assert from_q850(99).name == "NORMAL_UNSPECIFIED"
