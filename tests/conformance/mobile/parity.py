"""Each field that a mobile SDK sends, for `docs/reference/parity.md`. The fields come from the dialects of the scripted
clients, so that none can be forgotten: the table is held against them."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tests.harness.mobile.dialect import Dialect, Login, Message
from tests.harness.mobile.sdk import SDKS

_CODEC: Final = {"mimeType": "audio/PCMU", "clockRate": 8000, "channels": 1, "sdpFmtpLine": ""}
_HEADERS: Final = [("X-A", "b")]


def sent() -> dict[str, dict[str, str]]:
    """Method, path of a field, and the letters of the platforms that send it."""
    found: dict[str, dict[str, str]] = defaultdict(lambda: defaultdict(str))
    for letter, sdk in SDKS.items():
        for method, path in sorted({(method, path) for method, body in _bodies(sdk.dialect) for path in _paths(body)}):
            found[method][path] += letter
    return {method: dict(fields) for method, fields in found.items()}


def _bodies(dialect: Dialect) -> Iterator[tuple[str, Message]]:
    """Every message of an SDK with all the fields that it may have."""
    password = Login(username="u", password="p", push_token="t", is_from_push=True, rings_when_active=True)
    token = Login(token="j", push_token="t")
    for login in (password, token, Login(token="j", is_declining=True)):
        yield "login", dialect.login_params(login, "s")
        yield "disable_push_notification", dialect.disable_push_params(login)
        yield "attachCalls", dialect.attach_calls_params(login) or {}
    if dialect.letter != "r":
        yield "anonymous_login", dialect.anonymous_login_params("t", "s")
        yield "ai_conversation", dialect.item_params("i", "text", "data:")
        yield "modify", dialect.modify_params("s", "c", "updateMedia", "v=0")
    offer = dialect.invite_params(
        "s", "c", "n", "v=0", is_trickle=True, headers=_HEADERS, preferred_codecs=[_CODEC]
    )  # fmt: skip
    yield "invite", offer
    yield "answer", dialect.answer_params("s", "c", "v=0", headers=_HEADERS, device_token="t")
    yield "attach", dialect.attach_params("s", "c", "v=0")
    yield "bye", dialect.bye_params("s", "c", ("NORMAL_CLEARING", 16))
    yield "modify", dialect.modify_params("s", "c", "hold")
    yield "info", dialect.info_params("s", "c", "1")
    yield "candidate", dialect.candidate_params("s", "c", "candidate:")
    yield "endOfCandidates", dialect.candidate_params("s", "c", None)


def _paths(value: object, path: str = "") -> Iterator[str]:
    """The paths of all leaves; an empty object or list is one."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _paths(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _paths(item, f"{path}[]")
    elif path:
        yield path
