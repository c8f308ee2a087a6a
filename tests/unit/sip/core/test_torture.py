"""Our own messages of the kinds that RFC 4475 collects, each with the outcome that `outcomes.toml` names."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.message import BrokenMessage, Request, Response, parse, response_to, serialize

FOLDER = Path(__file__).parents[3] / "data" / "sip" / "torture"
OUTCOMES: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "outcomes.toml").read_text())  # Any: as TOML has it
LEGAL = [name for name, outcome in OUTCOMES.items() if outcome["outcome"] in ("request", "response")]
BROKEN = [name for name in OUTCOMES if name not in LEGAL]


def message_of(name: str) -> bytes:
    return (FOLDER / f"{name}.sip").read_bytes()


def test_each_message_has_an_outcome_and_there_are_enough_of_both_kinds() -> None:
    assert {path.stem for path in FOLDER.glob("*.sip")} == set(OUTCOMES)
    assert len(LEGAL) >= 24
    assert len(BROKEN) >= 45


@pytest.mark.parametrize("name", LEGAL)
def test_odd_but_legal_message_parses(name: str) -> None:
    expected = OUTCOMES[name]

    message = parse(message_of(name))

    assert isinstance(message, Request if expected["outcome"] == "request" else Response)
    found: dict[str, object] = {
        "outcome": expected["outcome"],
        "why": expected["why"],
        "method": message.cseq.method,
        "vias": len(message.headers.get_all("Via")),
        "contacts": len([NameAddr.parse(value) for value in message.headers.get_all("Contact")]),
        "body_bytes": len(message.body),
        "from_uri": message.from_.uri,
        "from_name": message.from_.display_name,
        "from_tag": message.from_.tag,
        "from_user": message.from_.sip_uri.user if "from_user" in expected else None,
        "response_status": message.status if isinstance(message, Response) else None,
    }
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("name", LEGAL)
def test_odd_but_legal_message_survives_being_written_down_again(name: str) -> None:
    message = parse(message_of(name))

    again = parse(serialize(message))

    message.headers.remove("Content-Length")
    again.headers.remove("Content-Length")
    assert again == message


@pytest.mark.parametrize("name", [name for name in LEGAL if OUTCOMES[name]["outcome"] == "request"])
def test_response_to_an_odd_request_echoes_its_fields_unchanged(name: str) -> None:
    request = parse(message_of(name))
    assert isinstance(request, Request)

    response = response_to(request, 200, to_tag="ours")

    for field in ("Via", "From", "Call-ID", "CSeq"):
        assert response.headers.get_all(field) == request.headers.get_all(field)
    assert parse(serialize(response)).to.tag is not None


@pytest.mark.parametrize("name", BROKEN)
def test_broken_message_is_refused_as_expected(name: str) -> None:
    expected = OUTCOMES[name]

    with pytest.raises(BrokenMessage) as caught:
        parse(message_of(name))

    if expected["outcome"] == "dropped":
        assert caught.value.salvaged is None
    else:
        assert caught.value.status == expected["status"]
        assert caught.value.salvaged is not None
        assert serialize(response_to(caught.value.salvaged, caught.value.status)).startswith(b"SIP/2.0 ")
