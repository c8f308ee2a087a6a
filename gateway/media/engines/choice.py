"""Which engine there is, by the setting."""

from gateway.media.engine import MediaEngine
from gateway.media.engines.aiortc_engine import AiortcEngine
from gateway.media.settings import MediaSettings


def make_engine(settings: MediaSettings) -> MediaEngine:
    """The engine that `engine` names, not yet started."""
    if settings.engine == "native":
        # Loaded only where it is wanted: an installation without a compiler has no such module
        from gateway.media.engines.native_engine import NativeEngine

        return NativeEngine(settings)
    return AiortcEngine(settings)
