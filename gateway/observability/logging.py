"""structlog for the whole program: JSON, or coloured lines on a terminal. Secrets are cut out of every line.

The event is a past-tense snake_case name, never a sentence. Bind `call_id`, `session_id` and so on once with
`structlog.contextvars.bind_contextvars`; tasks started inside inherit them.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

# structlog loads rich, where it is installed, for tracebacks in colours. Ours are text (`format_exc_info`), and rich is
# a twentieth of a start. None says that there is no such module (Python's reference, 5.3.1), which the stubs do not
# know: for structlog alone, whose import therefore stands below. Whoever prints a table loads rich long after this.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]

import structlog  # noqa: E402

if _rich is None:
    del sys.modules["rich"]
else:
    sys.modules["rich"] = _rich

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

MASK: Final = "***"

_SECRET_KEYS: Final = frozenset(
    {
        "password",
        "passwd",
        "login_token",
        "token",
        "jwt",
        "authorization",
        "secret",
        "api_key",
        "call_report_id",
        "credential",
        "ha1",
        "dtmf",
        "digits",
        "sip_password",
        "iceservers",
        "ice_servers",
    }
)

_SECRET_TEXT: Final = re.compile(
    r"""(?ix)
    (?P<name>
      (?:\b|(?<=\\[rn]))a=(?:crypto|ice-pwd):\s*    # SDP keys and ICE passwords, also inside a JSON string
    | \binline:                                      # the key itself, wherever it stands (RFC 4568)
    | \b(?:proxy-)?authorization\s*:\s*              # SIP and HTTP credentials
    | \bbearer\s+
    )
    (?: (?!\\[rn]) [^"\r\n] )+
    """
)
_SECRET_MEMBER: Final = re.compile(
    r'''(?i)(?P<name>"(?:passwd|password|login_token|credential|dtmf|digits)"\s*:\s*)"(?:[^"\\]|\\.)*"'''
)
_SIGNS: Final = re.compile(r'[":\s]|eyJ')
"""Without any of them in a text none of the patterns above and below fits: ids and addresses are let through."""

_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")


def mask_text(text: str) -> str:
    """The text without passwords, tokens, SDP keys and digits; for SIP messages and Verto frames in debug lines."""
    if _SIGNS.search(text) is None:
        return text
    text = _SECRET_MEMBER.sub(lambda match: f'{match["name"]}"{MASK}"', text)
    return _JWT.sub(MASK, _SECRET_TEXT.sub(lambda match: match["name"] + MASK, text))


def _mask(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key.lower() in _SECRET_KEYS:
            event[key] = MASK
        elif isinstance(value, str):
            event[key] = mask_text(value)
    return event


def _mask_traceback(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    exception = event.get("exception")
    if isinstance(exception, str):
        event["exception"] = mask_text(exception)
    return event


_SHARED: Final[tuple[structlog.typing.Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    _mask,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
_PROCESSORS: Final[list[structlog.typing.Processor]] = [
    structlog.stdlib.filter_by_level,
    *_SHARED,
    structlog.processors.StackInfoRenderer(),
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
"""One list whatever is configured: loggers keep it, and `structlog.testing.capture_logs` empties it for a while."""


def configure(*, level: LogLevel = "info", format: LogFormat = "auto") -> None:
    """Set up structlog and the standard library's logging (aiortc, aiohttp, SQLAlchemy) alike, on stderr."""
    is_console = format == "console" or (format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if is_console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,  # making it anew is a third of a line that is not written
    )
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _mask_traceback,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=[*final, renderer])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    _leave_out_places()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their own info lines are per packet, per check or per request: ours say what a reader needs.
    for name in ("aiortc", "aioice", "aiohttp.access", "alembic", "sqlalchemy", "aiosqlite"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _leave_out_places() -> None:
    """No line says in which thread and line of code it was written, so nobody needs to find out.

    Source: "Optimization" in the logging HOWTO of Python's documentation.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def get_logger(**bound: object) -> structlog.stdlib.BoundLogger:
    """A logger of the calling module, with some keys bound."""
    # Told its name, structlog need not look through the stack for it at every line.
    name = sys._getframe(1).f_globals["__name__"]
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name, **bound)
    return logger
