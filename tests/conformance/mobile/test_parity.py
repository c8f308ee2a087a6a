"""The mobile chapters of the parity page leave out nothing that a mobile SDK sends."""

from tests.conformance.mobile.parity import FIELDS, chapter, sent, word_of
from tests.harness.mobile.sdk import SDKS


def test_every_field_of_every_platform_has_a_word() -> None:
    assert [
        (method, path) for method, fields in sent().items() for path in fields if word_of(method, path) is None
    ] == []


def test_no_word_is_about_a_field_that_nobody_sends() -> None:
    paths = {path for fields in sent().values() for path in fields}
    known = {*paths, *(f"{method}:{path}" for method, fields in sent().items() for path in fields)}

    assert [
        key for key in FIELDS if not any(one == key or one.startswith((f"{key}.", f"{key}[")) for one in known)
    ] == []


def test_what_is_not_done_in_full_has_a_reason() -> None:
    assert [key for key, word in FIELDS.items() if word.verdict != "implemented" and not word.why] == []


def test_the_chapter_has_a_column_for_each_platform() -> None:
    text = chapter()

    assert "| field | iOS | Android | Flutter | React Native | gateway |" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("| `dialogParams")}) == 1
    assert len(SDKS) == 4
