from gateway.b2bua.headers import MAX_HEADERS, crossing_headers


def test_custom_fields_and_user_to_user_cross_as_they_are() -> None:
    fields = (("X-Agent", "7"), ("User-to-User", "56a390f3;encoding=hex"), ("user-to-user", "00;purpose=isdn-uui"))

    assert crossing_headers(fields) == fields


def test_fields_of_sip_itself_and_broken_values_stay() -> None:
    fields = (
        ("From", "x"),
        ("User-to-Users", "x"),
        ("User-Agent", "x"),
        ("X-", "x"),
        ("X-Bell", "\x07"),
        ("X-Long", "x" * 1025),
    )

    assert crossing_headers(fields) == ()


def test_their_number_is_bounded() -> None:
    assert len(crossing_headers((("X-Many", "x"),) * 99)) == MAX_HEADERS
