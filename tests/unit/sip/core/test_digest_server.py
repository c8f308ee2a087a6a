"""The digest server: nonces that carry their own proof, counts against replay, answers that are right or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.digest import DigestClient, choose_challenge
from gateway.sip.core.digest_server import (
    Algorithm,
    DigestAnswer,
    NonceCounts,
    Nonces,
    NonceState,
    challenges,
    find_answer,
    is_same_target,
    read_answer,
)
from gateway.sip.core.headers.auth import AuthValue

REALM = "sip.example.com"
URI = "sip:sip.example.com"
BOTH: tuple[Algorithm, ...] = ("SHA-256", "MD5")


def nonces(lifetime: float = 300.0) -> Nonces:
    return Nonces(b"key", lifetime=lifetime)


def answer_to(
    *values: str, password: str = "secret", user: str = "alice", method: str = "REGISTER", uri: str = URI
) -> DigestAnswer:
    chosen = choose_challenge(values)
    assert chosen is not None
    client = DigestClient(chosen, username=user, password=password)
    answer = read_answer(AuthValue.parse(client.credentials(method=method, uri=uri, cnonce="c")), offered=BOTH)
    assert answer is not None
    return answer


def credentials(**changes: str | None) -> str:
    parts = {
        "username": '"alice"',
        "realm": f'"{REALM}"',
        "nonce": '"n"',
        "uri": f'"{URI}"',
        "algorithm": "MD5",
        "cnonce": '"c"',
        "qop": "auth",
        "nc": "00000001",
        "response": '"' + "0" * 32 + '"',
        **changes,
    }
    return "Digest " + ", ".join(f"{name}={value}" for name, value in parts.items() if value is not None)


def test_a_fresh_nonce_is_known_again_without_being_kept() -> None:
    made = nonces()

    nonce = made.make(1000.0, "192.0.2.1", b"salted")

    assert made.state(nonce, 1299.0, "192.0.2.1") is NonceState.FRESH


def test_an_old_nonce_is_stale() -> None:
    made = nonces()

    nonce = made.make(1000.0, "192.0.2.1", b"salted")

    assert made.state(nonce, 1300.0, "192.0.2.1") is NonceState.STALE


def test_a_nonce_is_good_for_the_address_that_it_was_given_to_only() -> None:
    made = nonces()

    nonce = made.make(1000.0, "192.0.2.1", b"salted")

    assert made.state(nonce, 1000.0, "192.0.2.2") is NonceState.FOREIGN


def test_a_nonce_of_another_key_is_foreign() -> None:
    nonce = Nonces(b"other", lifetime=300).make(1000.0, "192.0.2.1", b"salted")

    assert nonces().state(nonce, 1000.0, "192.0.2.1") is NonceState.FOREIGN


def test_two_phones_behind_one_address_get_different_nonces_at_the_same_moment() -> None:
    made = nonces()

    assert made.make(1.0, "192.0.2.1", b"aaaaaa") != made.make(1.0, "192.0.2.1", b"bbbbbb")


@given(st.text(max_size=60))
def test_whatever_comes_as_a_nonce_is_foreign(text: str) -> None:
    assert nonces().state(text, 1000.0, "192.0.2.1") is NonceState.FOREIGN


@given(st.integers(0, 37), st.sampled_from("AZaz09-_=+/"))
def test_a_nonce_with_one_character_changed_is_foreign(place: int, char: str) -> None:
    nonce = nonces().make(1000.0, "192.0.2.1", b"salted")
    changed = nonce[:place] + char + nonce[place + 1 :]

    state = nonces().state(changed, 1000.0, "192.0.2.1")

    assert state is (NonceState.FRESH if changed == nonce else NonceState.FOREIGN)


@pytest.mark.parametrize("algorithm", BOTH)
def test_an_answer_with_the_right_password_is_right(algorithm: Algorithm) -> None:
    answer = answer_to(*challenges(REALM, "n", algorithms=(algorithm,)))

    assert answer.algorithm == algorithm
    assert answer.is_right("secret", "REGISTER")
    assert not answer.is_right("Secret", "REGISTER")
    assert not answer.is_right("secret", "INVITE")


def test_the_strongest_algorithm_is_offered_first() -> None:
    values = challenges(REALM, "n", algorithms=BOTH)

    assert ["SHA-256" in value for value in values] == [True, False]
    assert answer_to(*values).algorithm == "SHA-256"


def test_a_stale_challenge_says_so() -> None:
    [value] = challenges(REALM, "n", algorithms=("MD5",), is_stale=True)
    chosen = choose_challenge([value])

    assert chosen is not None
    assert chosen.is_stale


def test_example_of_rfc_7616_section_3_9_1_is_right() -> None:
    answer = read_answer(
        AuthValue.parse(
            'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256, '
            'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, qop=auth, '
            'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", '
            'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"'
        ),
        offered=BOTH,
    )

    assert answer is not None
    assert answer.is_right("Circle of Life", "GET")


def test_a_domain_behind_the_user_name_is_hashed_but_does_not_count() -> None:
    answer = answer_to(*challenges(REALM, "n", algorithms=BOTH), user="alice@sip.example.com")

    assert answer.user == "alice"
    assert answer.is_right("secret", "REGISTER")


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "MD5-sess"},
        {"algorithm": "SHA-512-256"},
        {"qop": None},
        {"qop": "auth-int"},
        {"nc": "1"},
        {"nc": "0000000g"},
        {"cnonce": None},
        {"username": '""'},
        {"username": '"' + "a" * 257 + '"'},
        {"response": '"zz"'},
        {"uri": None},
    ],
)
def test_an_answer_that_was_not_asked_for_is_none(changes: dict[str, str | None]) -> None:
    assert read_answer(AuthValue.parse(credentials()), offered=BOTH) is not None

    assert read_answer(AuthValue.parse(credentials(**changes)), offered=BOTH) is None


def test_an_algorithm_that_is_not_offered_is_refused() -> None:
    assert read_answer(AuthValue.parse(credentials()), offered=("SHA-256",)) is None


def test_only_credentials_for_our_realm_are_found() -> None:
    other = credentials(realm='"elsewhere"')

    found = find_answer(["broken", "Basic x=y", other, credentials()], realm=REALM)

    assert found is not None
    assert found.get("realm") == REALM
    assert find_answer([other], realm=REALM) is None


@pytest.mark.parametrize(
    ("uri", "is_same"),
    [
        (URI, True),
        ("sip:SIP.example.com:5060;transport=tcp", True),
        ("sip:alice@sip.example.com", False),
        ("sips:sip.example.com", False),
        ("sip:elsewhere.example.com", False),
        ("rubbish", False),
    ],
)
def test_the_digest_must_be_for_the_target_of_the_request(uri: str, is_same: bool) -> None:
    assert is_same_target(uri, URI) is is_same


def test_a_count_is_good_once_and_only_upwards() -> None:
    counts, nonce = NonceCounts(), nonces().make(5.0, "h", b"salted")

    counts.use(nonce, 2)

    assert [counts.may_use(nonce, count) for count in (0, 1, 2, 3, 9)] == [False, False, False, True, True]


def test_a_nonce_that_was_forgotten_begins_no_count_again() -> None:
    counts, made = NonceCounts(max_entries=2), nonces()
    old, middle, new, later = (made.make(at, "h", b"salted") for at in (1.0, 2.0, 3.0, 4.0))

    for nonce in (old, middle, new):
        counts.use(nonce, 1)

    assert len(counts) == 2
    assert not counts.may_use(old, 1)
    assert not counts.may_use(old, 2)
    assert counts.may_use(middle, 2)
    assert counts.may_use(later, 1)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4)), max_size=40))
def test_no_count_of_a_nonce_is_ever_taken_twice(uses: list[tuple[int, int]]) -> None:
    counts, made = NonceCounts(max_entries=3), nonces()
    taken: list[tuple[int, int]] = []

    for moment, count in uses:
        nonce = made.make(float(moment), "h", b"salted")
        if counts.may_use(nonce, count):
            counts.use(nonce, count)
            taken.append((moment, count))

    assert len(taken) == len(set(taken))
    assert len(counts) <= 3
