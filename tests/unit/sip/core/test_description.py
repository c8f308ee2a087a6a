from typing import Final

import pytest

from gateway.domain.ids import Sdp
from gateway.sip.core.description import says_the_same

BEFORE: Final = Sdp(
    "v=0\r\no=- 1 5 IN IP4 192.0.2.9\r\ns=x\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
)


def changed(old: str, new: str) -> Sdp:
    assert old in BEFORE
    return Sdp(BEFORE.replace(old, new))


def test_an_equal_description_says_the_same() -> None:
    assert says_the_same(BEFORE, BEFORE)
    assert says_the_same(Sdp("no sdp"), Sdp("no sdp"))


@pytest.mark.parametrize(("old", "new"), [("s=x", "s=y"), ("a=ptime:20\r\n", ""), ("\r\n", "\n")])
def test_with_an_unchanged_version_small_words_do_not_matter(old: str, new: str) -> None:
    assert says_the_same(changed(old, new), BEFORE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("o=- 1 5", "o=- 1 6"), ("sendrecv", "sendonly"), ("4000", "4002"), ("c=IN IP4 192.0.2.9", "c=IN IP4 192.0.2.8")],
)
def test_a_new_version_or_other_media_is_something_new(old: str, new: str) -> None:
    assert not says_the_same(changed(old, new), BEFORE)


def test_without_anything_before_or_without_an_origin_it_is_something_new() -> None:
    assert not says_the_same(BEFORE, None)
    assert not says_the_same(Sdp("s=a"), Sdp("s=b"))
