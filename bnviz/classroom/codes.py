"""The secrets of a class: the short code in the link that all may have, and the teacher's key."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Digits and letters that are hard to confuse when read from a wall: no 0, 1, i, l, o."""
LENGTH = 8
"""31 to the power of 8 codes: a million guesses a second would take ten days to find one class."""

EXAMPLE = "k7qm-2xpd"
"""What a code looks like, as it is read aloud."""

_CODE = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")


def new_code() -> str:
    """A code for a new class."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def read_code(text: str) -> str | None:
    """The code as somebody typed it, in capitals or with spaces and hyphens; None if it can be none."""
    code = re.sub(r"[\s-]+", "", text[:40]).lower()
    return code if _CODE.fullmatch(code) else None


def spaced(code: str) -> str:
    """The code as it is read aloud: "k7qm-2xpd"."""
    return f"{code[:4]}-{code[4:]}"


def new_key() -> str:
    """A key that entitles to teach one class."""
    return secrets.token_urlsafe(18)


def digest(text: str, code: str) -> bytes:
    """What is stored in place of a key or of a voter's token.

    It reveals neither, and not whether a voter of one class also votes in another.
    """
    return hashlib.blake2b(text.encode(errors="replace"), key=code.encode(), digest_size=16).digest()


def fits(key: str, code: str, stored: bytes) -> bool:
    """Whether `stored` is the digest of `key`; takes the same time for a wrong key, which so gives nothing away."""
    return hmac.compare_digest(digest(key[:200], code), stored)
