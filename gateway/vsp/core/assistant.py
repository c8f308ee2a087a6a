"""`ai_conversation` while there is no assistant: what the user typed comes back, and nobody answers (verto-js 8).

Android and Flutter show a typed message only when the server echoes it, iOS replaces its own copy by the echo
(verto-mobile 5, M-73). Flutter loses a frame whose members have other types than these.
"""

from typing import Final

from gateway.vsp.core.jsonrpc import Json

NOBODY_ANSWERS: Final = "taken; no assistant takes part in this session"
"""In the result of every `ai_conversation` with an id."""

MAX_ECHO: Final = 128 * 1024
"""Characters of content that are echoed. Images are often larger; the client has its own copy of them."""

_MAX_ID: Final = 256
_MAX_PARTS: Final = 64


def transcript_item(params: Json) -> Json | None:
    """The user's message in an `ai_conversation`, as it belongs into the transcript; None for anything else."""
    item = params.get("item")
    if params.get("type") != "conversation.item.create" or not isinstance(item, dict):
        return None
    item_id = item.get("id")
    is_id = isinstance(item_id, str) and 0 < len(item_id) <= _MAX_ID
    if not is_id or item.get("type") != "message" or item.get("role") != "user":
        return None
    return {"id": item_id, "type": "message", "role": "user", "status": "completed", "content": _content(item)}


def created(item: Json) -> Json:
    """Params of the `ai_conversation` that tells the client of an item."""
    return {"type": "conversation.item.created", "item": item}


def _content(item: Json) -> list[Json]:
    """The parts of a message, those left out that are too long or of no known kind."""
    parts = item.get("content")
    room = MAX_ECHO
    found: list[Json] = []
    for part in (parts if isinstance(parts, list) else [])[:_MAX_PARTS]:
        made = _part(part if isinstance(part, dict) else {})
        if made is not None and made[1] <= room:
            room -= made[1]
            found.append(made[0])
    return found


def _part(part: Json) -> tuple[Json, int] | None:
    """One part and its length."""
    kind, text, image = part.get("type"), part.get("text"), part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    if kind in ("input_text", "text") and isinstance(text, str):
        return {"type": "text", "text": text}, len(text)
    if kind == "image_url" and isinstance(url, str):
        return {"type": "image_url", "image_url": {"url": url}}, len(url)
    return None


__all__ = ["MAX_ECHO", "NOBODY_ANSWERS", "created", "transcript_item"]
