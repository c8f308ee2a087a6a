"""The URLs of `listen`."""

import pytest

from gateway.http.address import ListenAddress, ListenRefused
from gateway.http.settings import HttpSettings


@pytest.mark.parametrize(
    ("url", "expected", "shown"),
    [
        ("https://127.0.0.1:8443", ListenAddress(True, "127.0.0.1", 8443), "https://127.0.0.1:8443"),
        ("http://localhost:0/", ListenAddress(False, "localhost", 0), "http://localhost:0"),
        ("https://gw.example", ListenAddress(True, "gw.example", 443), "https://gw.example:443"),
        ("http://[::1]", ListenAddress(False, "::1", 80), "http://[::1]:80"),
    ],
)
def test_a_listener_is_a_scheme_a_host_and_a_port(url: str, expected: ListenAddress, shown: str) -> None:
    address = ListenAddress.parse(url)

    assert address == expected
    assert address.url(address.port) == shown


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8443",
        "ws://127.0.0.1:1",
        "https://",
        "https://h:70000",
        "https://h:x",
        "https://h/path",
        "http://u@h",
    ],
)
def test_what_is_no_listener_is_refused_with_the_url(url: str) -> None:
    with pytest.raises(ListenRefused, match=url.replace("/", "/")):
        ListenAddress.parse(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80", "http://127.9.9.9:80", "http://[::1]:80", "http://localhost:80"]
)
def test_plain_http_is_fine_on_loopback(url: str) -> None:
    HttpSettings(listen=(url,))


@pytest.mark.parametrize("url", ["http://0.0.0.0:80", "http://192.0.2.1:80", "http://gw.example:80", "http://[::]:80"])
def test_plain_http_beyond_loopback_is_refused_unless_a_proxy_is_in_front(url: str) -> None:
    with pytest.raises(ListenRefused, match="behind_proxy"):
        HttpSettings(listen=(url,))

    HttpSettings(listen=(url,), behind_proxy=True)
    HttpSettings(listen=(url.replace("http:", "https:"),))
