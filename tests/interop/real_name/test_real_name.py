"""Each step of docs/how-to/answer-under-the-real-name.md that can be tried here, tried: port 443, the real names."""

import asyncio
from typing import Any

import pytest

from gateway.http.names import TELNYX_NAMES
from tests.interop.real_name.namespace import run_inside

pytestmark = [pytest.mark.interop, pytest.mark.timeout(320)]

Found = dict[str, Any]  # Any: JSON of `scenarios`

GOOD = {"preflight": 204, "upgrade": 101}
NOT_TRUSTED = 60
"""curl: the peer's certificate cannot be authenticated."""


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What came of each."""
    found: Found = asyncio.run(run_inside(tmp_path_factory.mktemp("real-name")))
    return found


def found_by(scenario: str, scenarios: Found) -> Found:
    if "failed" in scenarios[scenario]:
        pytest.fail(scenarios[scenario]["failed"])
    found: Found = scenarios[scenario]["found"]
    return found


def test_curl_gets_an_answer_under_every_name_and_only_with_the_authority(scenarios: Found) -> None:
    found = found_by("curl", scenarios)

    assert found["trusting"] == dict.fromkeys(TELNYX_NAMES, 0)
    assert (found["not trusting"], found["another name"]) == (NOT_TRUSTED, NOT_TRUSTED)
    assert found["stolen"] == NOT_TRUSTED  # a thief of the authority gets nothing from OpenSSL


def test_node_connects_to_the_name_with_its_extra_authority(scenarios: Found) -> None:
    found = found_by("node", scenarios)

    assert (found["trusting"], found["region"]) == (GOOD, GOOD)
    assert found["not trusting"]["refused"] in ("SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
    assert found["another name"]["refused"] == "ERR_TLS_CERT_ALTNAME_INVALID"
    assert found["stolen"]["refused"] not in ("ECONNREFUSED", "ENOTFOUND", "ERR_TLS_CERT_ALTNAME_INVALID")


def test_java_connects_to_the_name_with_a_keystore(scenarios: Found) -> None:
    found = found_by("java", scenarios)

    assert found["trusting"] == GOOD
    assert found["not trusting"] == {"preflight": 0, "refused": "SSLHandshakeException"}
    assert found["stolen"]["preflight"] == 200  # Java does not look at the limits: the page about trust says so


def test_m77_a_client_that_dropped_its_port_registers_and_reports_on_443(scenarios: Found) -> None:
    found = found_by("python", scenarios)

    assert found == {"state": "REGED", "report": 200, "stored": ["call_report/final.json"]}


def test_the_sdk_without_a_host_option_calls_through_the_gateway(scenarios: Found) -> None:
    found = found_by("browser", scenarios)

    assert found["socket"].partition("?")[0] == "wss://rtc.telnyx.com/"
    assert found["not trusting"] == "socket.error"
    assert found["reports"] == ["call_report/final.json"]
    assert found["stolen"] == "ERR_CERT_INVALID"
