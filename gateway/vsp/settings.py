"""Settings of the browser side. Seconds, bytes and counts; the reasons for the defaults stand beside them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class VspSettings:
    """How the gateway treats WebSockets and Verto sessions."""

    dc: str = "local"
    """Data centre code in the gateway state; applications show it in reports."""

    region: str = "local"
    """Region in the gateway state; informative too."""

    ping_interval: float = 15.0
    """Seconds between two pings to a logged-in browser. Its SDK probes by itself after 20 s of silence, and calls
    the connection dead 5 s later."""

    mobile_ping_interval: float = 30.0
    """The same for the mobile SDKs, known by their User-Agent. Android and Flutter grade the connection by this
    interval and count a ping as missed half a second after 30 s."""

    idle_timeout: float = 60.0
    """Seconds without any frame from a client after which its socket is dropped: four pings unanswered, or two of
    the slower ones."""

    revoked_calls: Literal["keep", "end"] = "keep"
    """What becomes of a client's calls when its credential is deleted, expires or is switched off, or its password
    changes. `keep`: they go on until somebody hangs up, though a lost socket does not come back. `end`: they end."""

    login_timeout: float = 30.0
    """Seconds that a socket may stay open before its first login request."""

    refused_login_linger: float = 300.0
    """Seconds that a socket may stay open after a refused login. Closing it at once would make the SDK reconnect and
    be refused again, ten times."""

    authentication_timeout: float = 10.0
    """Seconds that one login may take to be checked; then the socket is closed, and the client tries again."""

    max_login_attempts: int = 10
    """Refused logins on one socket before it is closed."""

    anonymous_login: bool = True
    """Whether visitors may come in without a name, to talk to an assistant. None is there yet: their calls end."""

    max_visitors: int = 100
    """Sessions of visitors at once."""

    reattach_window: float = 120.0
    """Seconds that the calls of a lost socket wait for their client; meanwhile both legs live on. 0: they end at once.
    The SDK itself tries for some three minutes, and a page that reloads presents its session for 90 s."""

    attach_timeout: float = 15.0
    """Seconds from the moment that a client has heard our `telnyx_rtc.attach` until its answer: it asks for the
    microphone and gathers candidates meanwhile. Then that call ends."""

    max_detached_sessions: int = 1000
    """Sessions without a socket that are kept at once; one more, and the one that has waited longest ends."""

    request_timeout: float = 8.0
    """Seconds that call control has to answer a hold or a media update. Below the SDK's own 10 s, after which it
    drops the socket."""

    max_message_size: int = 16 * 1024 * 1024
    """Largest text message of a logged-in client in bytes: applications send images to assistants."""

    max_login_message_size: int = 64 * 1024
    """Largest text message before the login in bytes."""

    message_rate: float = 100.0
    """Messages per second that a socket may send over a longer time."""

    message_burst: int = 300
    """Messages that a socket may send at once: a page with several calls trickles some 40 candidates for each."""

    message_bytes_rate: int = 2 * 1024 * 1024
    """Bytes of messages per second that a socket may send over a longer time."""

    message_bytes_burst: int = 48 * 1024 * 1024
    """Bytes of messages that a socket may send at once: three of the largest."""

    max_bytes_receiving: int = 256 * 1024 * 1024
    """Bytes of half-received messages of all sockets; beyond it the one that holds the most is closed."""

    max_live_calls: int = 100
    """Live calls of one session, a bound on memory: one more is an error of the request. `[calls]
    max_calls_per_session` is lower and refuses with a cause that the application sees."""

    speed_test_max_bytes: int = 10 * 1024 * 1024
    """Largest speed test in bytes, each way. 0 switches it off."""

    max_sockets: int = 4096
    """Open WebSockets. Further ones are refused with 503."""

    max_sockets_per_address: int = 1024
    """Open WebSockets of one address. Generous, since an office or a test machine may be one address."""

    max_sockets_without_login: int = 512
    """Open WebSockets that have not logged in."""

    max_sessions_per_user: int = 100
    """Connected sessions of one user name. One more is refused; none of those that are there is ended for it."""

    max_sessions_per_connection: int = 1000
    """Connected sessions of one connection, whatever their user names."""

    send_timeout: float = 10.0
    """Seconds that a client may leave its receive window shut before its socket is dropped."""

    max_frames_queued: int = 1000
    """Frames that may wait for one slow client; one more and its socket is dropped."""

    max_bytes_queued: int = 4 * 1024 * 1024
    """Bytes that may wait for one slow client."""

    close_timeout: float = 3.0
    """Seconds that a client has to answer our close frame. The SDK itself gives up after 5 s."""
