"""Settings of authentication: `[auth]`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """How logins, tokens and password hashes are made and bounded."""

    jwt_secret_file: Path = Path("var/jwt.key")
    """Key that signs access tokens, 64 bytes or more; created at first start. Unset, it is `jwt.key` in `data_dir`.

    Whoever reads it can log in as anybody; deleting it ends every token.
    """

    seal_key_file: Path = Path("var/seal.key")
    """Key that encrypts the passwords that the API shows again and SIP phones need, 64 bytes or more; created at first
    start. Unset, it is `seal.key` in `data_dir`.

    Without it the kept passwords cannot be read any more; logins still work, for they are checked against hashes.
    """

    token_ttl: int = 86_400
    """Seconds that an access token is valid when nothing else is asked for; never longer than its credential."""

    clock_skew: float = 5.0
    """Seconds by which the clock of the host that issued a token may be wrong."""

    password_time_cost: int = 2
    """Passes of argon2id. The three defaults are OWASP's (19 MiB, 2 passes, 1 lane): some 30 ms a login."""

    password_memory_kib: int = 19_456
    """Memory of one argon2id hash, in KiB. Two are computed at once."""

    password_parallelism: int = 1
    """Lanes of argon2id. Changing a cost re-hashes each password at its next login."""

    max_waiting_logins: int = 100
    """Password checks that may wait; one more is refused as busy."""

    remember_logins: float = 600.0
    """Seconds for which a password that was right is known without computing argon2id again: clients that reconnect
    log in with the same one. Kept as a keyed digest in memory; a changed password is not known. 0: never."""

    max_wrong_logins: int = 30
    """Wrong passwords for one user from one address within a minute; further ones are refused without a look at them,
    and one more is looked at every two seconds. Tokens always are. 0: any number.

    Well above what a person mistypes, and at 43,000 a day no way to guess a password of any length.
    """

    max_wrong_logins_per_address: int = 120
    """The same for all users from one address, also for tokens that we did not sign; an IPv6 network of 64 bits counts
    as one. Does not count for a user who has logged in from there since the start: many share an address. 0: any
    number."""

    max_wrong_logins_per_user: int = 600
    """The same for one user from all addresses. High on purpose, and without effect where the user has logged in since
    the start: who knows a name and has many addresses could else lock its owner out. 0: any number."""

    max_wrong_keys: int = 60
    """Wrong API keys from one address within a minute; further ones get 429 without a look at the database, except
    those that were good lately. 0: any number."""

    def __post_init__(self) -> None:
        _check("token_ttl", self.token_ttl, 1, 10 * 365 * 86_400)
        _check("clock_skew", self.clock_skew, 0, 300)
        _check("password_time_cost", self.password_time_cost, 1, 100)
        _check("password_parallelism", self.password_parallelism, 1, 64)
        _check("password_memory_kib", self.password_memory_kib, 8 * self.password_parallelism, 4_194_304)
        _check("remember_logins", self.remember_logins, 0, 86_400)
        _check("max_waiting_logins", self.max_waiting_logins, 1, 100_000)
        for name in ("max_wrong_logins", "max_wrong_logins_per_address", "max_wrong_logins_per_user", "max_wrong_keys"):
            _check(name, getattr(self, name), 0, 1_000_000)


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise ValueError(f"{name}: expected {lowest} to {highest}, got {value}")
