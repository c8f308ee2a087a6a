"""Digest answers, against the examples of the RFCs and of their own rules."""

import hashlib

import pytest

from gateway.sip.core.digest import DigestChallenge, DigestClient, choose_challenge
from gateway.sip.core.headers.auth import AuthValue

RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def answer(challenge: str, *, username: str, password: str, method: str, uri: str, cnonce: str) -> AuthValue:
    chosen = choose_challenge([challenge])
    assert chosen is not None
    return AuthValue.parse(
        DigestClient(chosen, username=username, password=password).credentials(method=method, uri=uri, cnonce=cnonce)
    )


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_example_of_rfc_7616_section_3_9_1_is_reproduced(algorithm: str, response: str) -> None:
    credentials = answer(
        RFC_7616.format(algorithm=algorithm),
        username="Mufasa",
        password="Circle of Life",
        method="GET",
        uri="/dir/index.html",
        cnonce=CNONCE,
    )

    assert credentials.get("response") == response
    assert credentials.get("algorithm") == algorithm


def test_example_of_rfc_2617_section_3_5_is_reproduced() -> None:
    credentials = answer(
        'Digest realm="testrealm@host.com",qop="auth,auth-int",nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"',
        username="Mufasa",
        password="Circle Of Life",
        method="GET",
        uri="/dir/index.html",
        cnonce="0a4f113b",
    )

    assert credentials.get("response") == "6629fae49393a05397450978507c4ef1"
    assert credentials.get("opaque") == "5ccc069c403ebaf9f0171e9517f40e41"


def test_challenge_without_qop_is_answered_as_rfc_2069_did() -> None:
    credentials = answer(
        'Digest realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
        username="bob",
        password="zanzibar",
        method="INVITE",
        uri="sip:bob@biloxi.com",
        cnonce="unused",
    )

    # The value of draft-smith-sipping-auth-examples-01 section 3.2, without qop.
    assert credentials.get("response") == "bf57e4e0d0bffc0fbaedce64d59add5e"
    assert credentials.get("cnonce") is None
    assert credentials.get("nc") is None
    assert credentials.get("algorithm") is None


def test_only_the_fields_that_the_grammar_quotes_are_quoted() -> None:
    credentials = answer(
        RFC_7616.format(algorithm="SHA-256"), username="u", password="p", method="INVITE", uri="sip:a@b", cnonce="c"
    )

    assert credentials.get_raw("qop") == "auth"
    assert credentials.get_raw("nc") == "00000001"
    assert credentials.get_raw("algorithm") == "SHA-256"
    for name in ("username", "realm", "nonce", "uri", "response", "cnonce", "opaque"):
        raw = credentials.get_raw(name)
        assert raw is not None
        assert raw.startswith('"'), name


def test_nonce_count_rises_with_each_answer() -> None:
    chosen = choose_challenge([RFC_7616.format(algorithm="MD5")])
    assert chosen is not None
    client = DigestClient(chosen, username="u", password="p")

    counts = [AuthValue.parse(client.credentials(method="BYE", uri="sip:a@b", cnonce="c")).get("nc") for _ in range(17)]

    assert counts[0] == "00000001"
    assert counts[15:] == ["00000010", "00000011"]


@pytest.mark.parametrize(("algorithm", "name"), [("MD5-sess", "md5"), ("SHA-256-sess", "sha256")])
def test_session_key_is_made_with_the_first_cnonce_and_kept(algorithm: str, name: str) -> None:
    def digest(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    challenge = DigestChallenge(realm="r", nonce="n", algorithm=algorithm, is_qop_auth=True)
    client = DigestClient(challenge, username="u", password="p")
    client.credentials(method="INVITE", uri="sip:a@b", cnonce="first")

    second = AuthValue.parse(client.credentials(method="BYE", uri="sip:a@b", cnonce="second"))

    key = digest(f"{digest('u:r:p')}:n:first")
    assert second.get("response") == digest(f"{key}:n:00000002:second:auth:{digest('BYE:sip:a@b')}")


def test_session_algorithm_without_qop_still_sends_its_cnonce() -> None:
    challenge = DigestChallenge(realm="r", nonce="n", algorithm="MD5-sess")

    credentials = DigestClient(challenge, username="u", password="p").credentials(
        method="INVITE", uri="sip:a@b", cnonce="c"
    )

    assert AuthValue.parse(credentials).get("cnonce") == "c"
    assert AuthValue.parse(credentials).get("qop") is None


def test_sha_256_is_preferred_wherever_it_stands() -> None:
    chosen = choose_challenge(
        [
            'Digest realm="r", nonce="1", algorithm=MD5',
            'Digest realm="r", nonce="2", algorithm=SHA-512-256',
            'Digest realm="r", nonce="3", algorithm=SHA-256',
        ]
    )

    assert chosen is not None
    assert chosen.nonce == "3"


def test_first_of_equal_challenges_wins() -> None:
    chosen = choose_challenge(['Digest realm="a", nonce="1"', 'Digest realm="b", nonce="2"'])

    assert chosen is not None
    assert chosen.realm == "a"


def test_algorithm_is_echoed_in_the_spelling_of_the_server() -> None:
    credentials = answer(
        'Digest realm="r", nonce="n", algorithm=md5', username="u", password="p", method="A", uri="sip:b", cnonce="c"
    )

    assert credentials.get("algorithm") == "md5"


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="r", nonce="n", algorithm=SHA-512-256',
        'Digest realm="r", nonce="n", algorithm=AKAv1-MD5',
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest nonce="n"',
        'Digest realm="r"',
        'Basic realm="r"',
        'Digest realm="r, nonce="n"',
        "",
        "Digest",
    ],
)
def test_challenge_that_cannot_be_answered_is_passed_over(challenge: str) -> None:
    assert choose_challenge([challenge]) is None
    assert choose_challenge([challenge, 'Digest realm="r", nonce="good"']) is not None


def test_realm_with_comma_and_escaped_quote_is_kept_and_hashed_as_written() -> None:
    challenge = r'Digest realm="a, \"b\"", nonce="n"'

    credentials = answer(challenge, username="u", password="p", method="INVITE", uri="sip:x", cnonce="c")

    def digest(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    assert credentials.get_raw("realm") == r'"a, \"b\""'
    key, method = digest('u:a, \\"b\\":p'), digest("INVITE:sip:x")
    assert credentials.get("response") == digest(f"{key}:n:{method}")


@pytest.mark.parametrize(("value", "is_stale"), [("true", True), ("TRUE", True), ('"true"', True), ("false", False)])
def test_stale_is_read_with_and_without_quotes(value: str, is_stale: bool) -> None:
    chosen = choose_challenge([f'Digest realm="r", nonce="n", stale={value}'])

    assert chosen is not None
    assert chosen.is_stale is is_stale


def test_two_challenges_in_one_line_are_both_seen() -> None:
    chosen = choose_challenge(
        ['Digest realm="r", nonce="1", algorithm=MD5, Digest realm="r", nonce="2", algorithm=SHA-256']
    )

    assert chosen is not None
    assert chosen.nonce == "2"


def test_password_does_not_show_in_the_text_of_the_client() -> None:
    client = DigestClient(DigestChallenge(realm="r", nonce="n"), username="u", password="s3cret")

    assert "s3cret" not in repr(client)
