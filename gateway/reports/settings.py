"""Settings of call reports and debug data: `[reports]`."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What the SDKs may tell about their calls, where it is kept and for how long."""

    enabled: bool = True
    """Give every session but a visitor's a `call_report_id`. Without one the SDKs collect and upload nothing, and the
    JavaScript SDK does not restart ICE when no audio comes in. Debug frames are then acknowledged and dropped."""

    store: str = "var/reports"
    """A folder, or `s3://BUCKET/PREFIX` for any S3-compatible store."""

    s3_endpoint: str = ""
    """Address of the S3 service, as `https://s3.example.net`; empty: Amazon's for the region. Buckets are addressed in
    the path. Plain http is for loopback."""

    s3_region: str = "us-east-1"
    """Region for the signature; services beside Amazon's mostly take any."""

    s3_access_key_id: str = ""
    """The key's name; empty: from the environment or the machine's role, as Amazon's tools find it."""

    s3_secret_access_key: str | None = field(default=None, repr=False)
    """The key itself, from `s3_secret_access_key_file` or the environment."""

    keep_days: float = 14.0
    """Days after which a report is removed."""

    max_total_bytes: int = 4096 * MIB
    """Bytes that all reports may take together; the oldest go first."""

    cleanup_interval: float = 3600.0
    """Seconds between two looks for reports that are too old."""

    upload_window: float = 3600.0
    """Seconds that a session's `call_report_id` is good for after its end: SDKs upload behind the call."""

    max_report_size: int = 2 * MIB
    """Largest call report in bytes; the SDKs split above 2 MB. A larger one is refused with 413."""

    max_recording_size: int = 16 * MIB
    """Largest part of a recording in bytes; the JavaScript SDK sends some 4 MB per 15 s and direction."""

    max_session_bytes: int = 1024 * MIB
    """Bytes that one session may upload and send as debug frames; further ones are refused with 429, or dropped."""

    max_uploads: int = 16
    """Uploads that are taken at the same time; a further one waits, then gets 503."""

    upload_timeout: float = 60.0
    """Seconds for one upload from its first byte to its last."""

    store_timeout: float = 15.0
    """Seconds that the store may take for one object; then it counts as down."""

    segment_bytes: int = MIB
    """Debug frames of a call are written when that many bytes have come..."""

    segment_interval: float = 300.0
    """...or that many seconds have passed; in short calls at the end."""

    max_buffered_bytes: int = 32 * MIB
    """Debug frames of all calls that wait to be written; further ones are dropped and counted."""

    def __post_init__(self) -> None:
        if not self.store:
            raise ValueError("store: expected a folder or s3://BUCKET/PREFIX")
        if "://" in self.store and not self.store.startswith("s3://"):
            raise ValueError("store: expected a folder or s3://BUCKET/PREFIX")
        if self.store.startswith("s3://") and not urlsplit(self.store).netloc:
            raise ValueError("store: expected a bucket, as in s3://BUCKET/PREFIX")
        self._check_endpoint()
        if bool(self.s3_access_key_id) != (self.s3_secret_access_key is not None):
            raise ValueError("s3_access_key_id: expected together with s3_secret_access_key_file")

    def _check_endpoint(self) -> None:
        parts = urlsplit(self.s3_endpoint)
        if self.s3_endpoint and (parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc):
            raise ValueError("s3_endpoint: expected https://HOST[:PORT]")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("s3_endpoint: expected https://, plain http is for loopback")

    @property
    def is_s3(self) -> bool:
        """Whether the store is S3."""
        return self.store.startswith("s3://")
