"""Keeps passwords in the database so that only this installation can read them again.

Logins are checked against argon2id hashes. The API, however, shows a credential's password again (rest-v2 A.1.2), and
SIP's digest (RFC 8760) needs it: so the password itself is kept too, encrypted under a key that is not in the
database. A stolen database alone gives no password away.
"""

import base64
import binascii
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.auth.errors import Unsealable

_VERSION: Final = "1."
_NONCE_OCTETS: Final = 12


class Seal:
    """AES-256-GCM (NIST SP 800-38D) under a key derived from that of the key file; a fresh nonce for each text."""

    def __init__(self, key: bytes) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"rtc-gateway sealed passwords").derive(key)
        self._cipher = AESGCM(derived)

    def seal(self, text: str, *, owner: str) -> str:
        """Encrypt it for that row: elsewhere it does not open.

        Args:
            owner: what it belongs to, for example the connection's id.
        """
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        octets = nonce + self._cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), owner.encode())
        return _VERSION + base64.urlsafe_b64encode(octets).decode()

    def open(self, sealed: str, *, owner: str) -> str:
        """The text again.

        Raises:
            Unsealable: it was sealed under another key or for another row, or was changed.
        """
        try:
            if not sealed.startswith(_VERSION):
                raise ValueError("unknown version")
            octets = base64.urlsafe_b64decode(sealed[len(_VERSION) :])
            text = self._cipher.decrypt(octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:], owner.encode())
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise Unsealable(f"the password of {owner} was sealed under another key") from error
        return text.decode("utf-8", "surrogatepass")
