"""Text of strangers in columns."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.storable import storable


@given(st.text(max_size=40), st.integers(1, 30))
def test_stored_text_is_valid_utf8_without_nul_and_fits(text: str, length: int) -> None:
    stored = storable(text, length)

    assert "\x00" not in stored
    assert len(stored) <= length
    assert stored.encode("utf-8").decode("utf-8") == stored
