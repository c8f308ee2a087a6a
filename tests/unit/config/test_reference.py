"""The generated reference and `check-config`."""

import dataclasses
import json
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config.reference import _documents, render
from gateway.config.sections import ARRAYS, SECTIONS
from gateway.config.show import flat, in_force

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_reference_in_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run: python -m gateway.config > docs/reference/settings.md"


@pytest.mark.parametrize("settings_class", [*SECTIONS.values(), *ARRAYS.values()])
def test_every_setting_says_what_it_is(settings_class: type) -> None:
    fields = {field.name for field in dataclasses.fields(settings_class)}

    assert {name for name, text in _documents(settings_class).items() if text} >= fields


def test_settings_in_force_are_json_and_hide_their_secrets() -> None:
    environ = {
        "RTC_GATEWAY__TRUNKS": '[{name="a", uri="sip:10.0.0.1", username="u", accept_from=["10.0.0.0/8"]}]',
        "RTC_GATEWAY__TRUNKS__0__PASSWORD": "hunter2",
        "RTC_GATEWAY__STORE__PASSWORD": "hunter3",
        "RTC_GATEWAY__HTTP__CERTIFICATE": '{cert="/c", key="/k"}',
    }

    text = json.dumps(in_force(load(environ=environ)))

    assert "hunter" not in text
    shown = json.loads(text)
    assert shown["trunks"][0]["password"] == "***"
    assert shown["trunks"][0]["accept_from"] == ["10.0.0.0/8"]
    assert shown["sip"]["listen"] == ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
    assert shown["metrics"]["listen"] == "127.0.0.1:9464"
    assert shown["http"]["certificate"] == {"cert": "/c", "key": "/k"}


def test_what_is_shown_can_be_written_into_a_file_again() -> None:
    shown = in_force(load(environ={}))
    sections = {name: value for name, value in shown.items() if name in SECTIONS}

    def without_nothing(value: object) -> dict[str, object]:
        assert isinstance(value, dict)
        return {key: inner for key, inner in value.items() if inner is not None}

    assert load(environ={}, preset={name: without_nothing(value) for name, value in sections.items()}) == load(
        environ={}
    )


def test_flat_form_has_full_keys() -> None:
    rows = dict(flat(in_force(load(environ={"RTC_GATEWAY__TRUNKS": '[{name="a", uri="sip:10.0.0.1"}]'}))))

    assert rows["trunks[0].name"] == "a"
    assert rows["sip.t1"] == 0.5
    assert rows["config_file"] is None
