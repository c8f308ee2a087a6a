"""From a file and the environment to settings."""

import dataclasses
import re
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.accounts.settings import tariff
from gateway.config import DEMO, Config, ConfigError, Problem, load
from gateway.config.sections import ARRAYS, SECTIONS, number_limits
from gateway.http.settings import CertificateFiles
from gateway.sip.tls_settings import KeyPair


def _load(tmp_path: Path, text: str, **environ: str) -> Config:
    (tmp_path / "gateway.toml").write_text(text)
    return load(tmp_path / "gateway.toml", environ={f"RTC_GATEWAY__{name}": value for name, value in environ.items()})


def _problems(tmp_path: Path, text: str, **environ: str) -> dict[str, str]:
    """Key and message of each mistake."""
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, text, **environ)
    return {problem.key: problem.message for problem in refused.value.problems}


CONTRACT = """
[http]
listen = ["https://127.0.0.1:8443", "http://127.0.0.1:8080"]
certificate = "auto"
behind_proxy = false
public_url = "https://127.0.0.1:8443"

[metrics]
listen = "127.0.0.1:9464"

[store]
url = "sqlite+aiosqlite:///var/gateway.db"

[auth]
jwt_secret_file = "var/jwt.key"

[sip]
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
advertise = "127.0.0.1"
domain = "sip.telnyx.com"

[[trunks]]
name = "carrier"
uri = "sip:127.0.0.2:5060;transport=udp"
username = "acme"
password_file = "carrier.password"
register = false
codecs = ["PCMU", "PCMA"]
accept_from = ["127.0.0.2/32"]

[media]
address = "127.0.0.1"
advertise = ""
rtp_ports = "20000-29999"
engine = "embedded"

[lab]
enabled = true
"""


def test_example_of_the_reference_is_taken_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "carrier.password").write_text("s3cret\n")

    config = _load(tmp_path, CONTRACT)

    (trunk,) = config.trunks
    assert config.sip.listen == (("udp", "127.0.0.1", 5060), ("tcp", "127.0.0.1", 5060))
    assert config.metrics.listen == ("127.0.0.1", 9464)
    assert config.store.url == f"sqlite+aiosqlite:///{tmp_path}/var/gateway.db"
    assert config.auth.jwt_secret_file == tmp_path / "var" / "jwt.key"
    assert (trunk.name, trunk.username, trunk.password) == ("carrier", "acme", "s3cret")
    assert trunk.accept_from == (ip_network("127.0.0.2/32"),)
    assert config.lab.enabled


@pytest.mark.parametrize("name", ["rtp_timeout", "tick", "port_quarantine"])
def test_what_zero_turns_off_may_be_zero(tmp_path: Path, name: str) -> None:
    assert getattr(_load(tmp_path, f"[media]\n{name} = 0\n").media, name) == 0


def test_prices_of_minutes_come_from_the_file_and_the_environment(tmp_path: Path) -> None:
    text = "[[rates]]\nprefix = '+44'\nrate = '0.01'\n"

    config = _load(tmp_path, text, BILLING__DEFAULT_RATE="0.005", RATES__1__PREFIX="+1", RATES__1__RATE="0.0125")

    prices = tariff(config.billing, config.rates)
    found = [str(prices.price_per_minute(number)) for number in ("+442079460000", "+12025550100", "+49301234")]
    assert found == ["0.01", "0.0125", "0.005"]


def test_without_anything_the_lab_is_off_and_every_listener_is_on_loopback(tmp_path: Path) -> None:
    config = load(environ={})

    assert not config.lab.enabled
    assert config.trunks == ()
    assert {host for _, host, _ in config.sip.listen} == {"127.0.0.1"}
    assert {url.split("/")[2].rpartition(":")[0] for url in config.http.listen} == {"127.0.0.1"}
    assert config.metrics.listen[0] == "127.0.0.1"
    assert config.media.address == "127.0.0.1"
    assert config.data_dir == Path.cwd() / "var"


def test_demo_is_the_same_with_the_lab_and_the_registrar_on(tmp_path: Path) -> None:
    plain, demo = load(environ={}), load(environ={}, preset=DEMO)

    assert dataclasses.replace(demo, lab=plain.lab, registrar=plain.registrar) == plain
    assert demo.lab.enabled
    assert demo.registrar.enabled
    assert not plain.registrar.enabled


def test_file_wins_over_the_preset_and_the_environment_over_both(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[lab]\nport = 2\ntime_scale = 2.0\n")
    preset = {"lab": {"enabled": True, "port": 1, "time_scale": 1.5}}

    config = load(tmp_path / "x.toml", environ={"RTC_GATEWAY__LAB__PORT": "3"}, preset=preset)

    assert (config.lab.enabled, config.lab.port, config.lab.time_scale) == (True, 3, 2.0)


@pytest.mark.parametrize(
    ("variable", "text", "section", "key", "value"),
    [
        ("LAB__ENABLED", "true", "lab", "enabled", True),
        ("LAB__PORT", "5070", "lab", "port", 5070),
        ("CALLS__RING_TIMEOUT", "15", "calls", "ring_timeout", 15.0),
        ("SIP__DOMAIN", "example.org", "sip", "domain", "example.org"),
        ("SIP__DOMAIN", '"example.org"', "sip", "domain", "example.org"),
        ("SIP__USER_AGENT", "42", "sip", "user_agent", "42"),
        ("SIP__USER_AGENT", "2024-01-01", "sip", "user_agent", "2024-01-01"),
        ("MEDIA__RTP_PORTS", "30000-30010", "media", "rtp_ports", "30000-30010"),
        ("MEDIA__ADVERTISE", "", "media", "advertise", ""),
        ("SIP__LISTEN", '["tcp:127.0.0.1:0"]', "sip", "listen", (("tcp", "127.0.0.1", 0),)),
        (
            "SIP__NAMESERVERS",
            "192.0.2.53,[::1]:5353,::2",
            "sip",
            "nameservers",
            (("192.0.2.53", 53), ("::1", 5353), ("::2", 53)),
        ),
        ("SIP__LISTEN", "udp:[::1]:5060", "sip", "listen", (("udp", "::1", 5060),)),
        ("CALLS__BROWSER_CODECS", "opus, PCMU", "calls", "browser_codecs", ("opus", "PCMU")),
        ("METRICS__LISTEN", "[::1]:0", "metrics", "listen", ("::1", 0)),
        ("LOG__LEVEL", "debug", "log", "level", "debug"),
    ],
)
def test_variable_is_read_as_toml_or_as_the_text_it_is(
    variable: str, text: str, section: str, key: str, value: object
) -> None:
    config = load(environ={f"RTC_GATEWAY__{variable}": text})

    assert getattr(getattr(config, section), key) == value


@pytest.mark.parametrize(
    "text",
    [
        '[{name = "a", uri = "sip:10.0.0.1", username = "u", password = "p"}]',
        '[{"name": "a", "uri": "sip:10.0.0.1", "username": "u", "password": "p"}]',
    ],
)
def test_trunks_come_from_the_environment_as_toml_or_json_with_their_passwords(text: str) -> None:
    (trunk,) = load(environ={"RTC_GATEWAY__TRUNKS": text}).trunks

    assert (trunk.name, trunk.uri, trunk.password) == ("a", "sip:10.0.0.1", "p")


def test_password_of_a_trunk_in_the_file_comes_from_a_variable_of_its_own(tmp_path: Path) -> None:
    text = '[[trunks]]\nname = "a"\nuri = "sip:10.0.0.1"\nusername = "u"\n'

    config = _load(tmp_path, text, TRUNKS__0__PASSWORD="12345", TRUNKS__1__NAME="b", TRUNKS__1__URI="sip:b.example")

    assert [(trunk.name, trunk.password) for trunk in config.trunks] == [("a", "12345"), ("b", None)]


def test_relative_paths_start_from_the_file_and_absolute_ones_stay(tmp_path: Path) -> None:
    text = f"""
data_dir = "state"
[http]
certificate = {{ cert = "tls/cert.pem", key = "/etc/key.pem" }}
[auth]
jwt_secret_file = "{tmp_path}/elsewhere/jwt.key"
"""
    config = _load(tmp_path, text)

    assert config.data_dir == tmp_path / "state"
    assert config.http.data_dir == tmp_path / "state"
    assert config.store.url == f"sqlite+aiosqlite:///{tmp_path}/state/gateway.db"
    assert config.auth.jwt_secret_file == tmp_path / "elsewhere" / "jwt.key"
    assert config.http.certificate == CertificateFiles(cert=tmp_path / "tls/cert.pem", key=Path("/etc/key.pem"))


def test_password_of_the_database_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "pg").write_text("p@ss/word\n")

    config = _load(tmp_path, '[store]\nurl = "postgresql+asyncpg://gw@db/gw"\npassword_file = "pg"\n')

    assert config.store.password == "p@ss/word"
    assert "p@ss" not in repr(config)


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        # unknown
        ("[sip]\ndomian = 'x'\n", "sip.domian", "is not a setting, did you mean sip.domain?"),
        ("[sips]\na = 1\n", "sips", "is not a setting, did you mean sip?"),
        ("colour = 1\n", "colour", "is not a setting"),
        ("[[trunks]]\nname='a'\nuri='sip:a'\nport=1\n", "trunks[0].port", "is not a setting"),
        ("[http]\ncertificate={cert='a', key='b', chain='c'}\n", "http.certificate.chain", "is not a setting"),
        # wrong type
        ("[sip]\nt1 = 'fast'\n", "sip.t1", "expected a number, got 'fast'"),
        ("[sip]\nt1 = true\n", "sip.t1", "expected a number, got True"),
        ("[sip]\nt1 = nan\n", "sip.t1", "expected a number, got nan"),
        ("[lab]\nport = 1.5\n", "lab.port", "expected a whole number, got 1.5"),
        ("[lab]\nenabled = 1\n", "lab.enabled", "expected true or false, got 1"),
        ("[lab]\nenabled = 'yes'\n", "lab.enabled", "expected true or false, got 'yes'"),
        ("[sip]\ndomain = 7\n", "sip.domain", "expected a text in quotes, got 7"),
        ("[sip]\nlisten = 'udp:127.0.0.1:5060'\n", "sip.listen", "expected a list"),
        ("[sip]\nlisten = ['udp:127.0.0.1:1', 5]\n", "sip.listen[1]", "expected a text in quotes, got 5"),
        ("sip = 1\n", "sip", "expected a section [sip]"),
        ("trunks = 1\n", "trunks", "expected sections [[trunks]]"),
        ("[trunks]\nname = 'a'\n", "trunks", "expected sections [[trunks]]"),
        ('[sip]\nuser_agent = "a\\r\\nVia: x"\n', "sip.user_agent", "expected a text without control characters"),
        ("data_dir = 1\n", "data_dir", "expected a text in quotes"),
        # out of range
        ("[calls]\nring_timeout = 0\n", "calls.ring_timeout", "expected above 0, at most 86400, got 0.0"),
        ("[calls]\nring_timeout = -1\n", "calls.ring_timeout", "expected above 0"),
        ("[calls]\nring_timeout = 1e9\n", "calls.ring_timeout", "at most 86400"),
        ("[lab]\nport = 65536\n", "lab.port", "expected 0 or more, at most 65535, got 65536"),
        ("[auth]\ntoken_ttl = 0\n", "auth.token_ttl", "expected above 0"),
        ("[auth]\nclock_skew = 301\n", "auth.clock_skew", "expected 0 to 300, got 301"),
        ("[store]\npool_size = 101\n", "store.pool_size", "expected 1 to 100, got 101"),
        # grammar
        ("[sip]\nlisten = ['ws:1.2.3.4:5061']\n", "sip.listen[0]", 'expected "udp:ADDRESS:PORT"'),
        ("[sip_tls]\ncertificate = 'mine'\n", "sip_tls.certificate", "expected one of 'auto'"),
        (
            "[sip_tls]\nclient_certificate = 'mine'\n",
            "sip_tls.client_certificate",
            "expected a table with cert",
        ),
        ("[sip_tls]\nclient_certificate = { cert = 'a' }\n", "sip_tls.client_certificate.key", "expected a value"),
        ("[sip]\nnameservers = ['dns.example']\n", "sip.nameservers[0]", "expected ADDRESS or ADDRESS:PORT"),
        ("[sip]\nnameservers = ['192.0.2.53:99999']\n", "sip.nameservers[0]", "expected ADDRESS or ADDRESS:PORT"),
        ("[sip]\nlisten = ['udp:host:5060']\n", "sip.listen[0]", 'expected "udp:ADDRESS:PORT"'),
        ("[sip]\nlisten = ['udp:::1:5060']\n", "sip.listen[0]", 'expected "udp:ADDRESS:PORT"'),
        ("[sip]\nlisten = ['udp:[1.2.3.4]:5060']\n", "sip.listen[0]", 'expected "udp:ADDRESS:PORT"'),
        ("[sip]\nlisten = ['udp:1.2.3.4:65536']\n", "sip.listen[0]", 'expected "udp:ADDRESS:PORT"'),
        ("[sip]\nlisten = ['udp:1.2.3.4:１']\n", "sip.listen[0]", 'expected "udp:ADDRESS:PORT"'),
        ("[sip]\nlisten = []\n", "sip.listen", "expected at least one element"),
        ("[sip]\nlisten = ['udp:1.2.3.4:1', 'udp:1.2.3.4:1']\n", "sip.listen[1]", "is there twice"),
        ("[sip]\nadvertise = 'host'\n", "sip.advertise", "expected an IP address, got 'host'"),
        ("[sip]\ndomain = 'a b'\n", "sip.domain", "expected a host name"),
        ("[metrics]\nlisten = '9464'\n", "metrics.listen", "expected ADDRESS:PORT"),
        ("[http]\nlisten = ['ftp://127.0.0.1']\n", "http.listen[0]", "expected https://ADDRESS:PORT"),
        ("[http]\nlisten = ['http://127.0.0.1:99999']\n", "http.listen[0]", "expected https://ADDRESS:PORT"),
        ("[http]\nlisten = ['http://[::1']\n", "http.listen[0]", "expected https://ADDRESS:PORT"),
        ("[http]\nlisten = ['http://0.0.0.0:80']\n", "http.listen[0]", "plain http is for loopback"),
        ("[http]\npublic_url = 'example.org'\n", "http.public_url", "expected https://HOST[:PORT]"),
        ("[http]\ncertificate = 'self'\n", "http.certificate", "expected one of 'auto', got 'self'"),
        ("[http]\ncertificate = {cert = 'a'}\n", "http.certificate.key", "expected a value, none is given"),
        ("[http]\ncertificate = {cert = 1, key = 'a'}\n", "http.certificate.cert", "expected a text in quotes"),
        ("[media]\nrtp_ports = '1-2'\n", "media.rtp_ports", "'1-2' is not within 1024-65535"),
        ("[media]\nengine = 'asterisk'\n", "media.engine", "expected one of 'native', 'embedded', 'aiortc', got"),
        ("[media]\naddress = '0.0.0.0'\n", "media.address", "0.0.0.0 cannot be told to anybody"),
        ("[log]\nlevel = 'loud'\n", "log.level", "expected one of 'debug', 'info', 'warning', 'error'"),
        ("[calls]\nbrowser_codecs = ['opus', 'G729']\n", "calls.browser_codecs[1]", "expected one of opus, G722"),
        ("[store]\nurl = 'mysql://x/y'\n", "store.url", "expected sqlite+aiosqlite:///PATH or"),
        ("[store]\nurl = 'sqlite+aiosqlite:///:memory:'\n", "store.url", "with a file"),
        ("[store]\nurl = 'sqlite+aiosqlite://x'\n", "store.url", "with a file"),
        ("[store]\nurl = 'postgresql+asyncpg://host'\n", "store.url", "USER@HOST/NAME"),
        ("[lab]\nhost = 'localhost'\n", "lab.host", "expected an IP address"),
        # trunks
        ("[[trunks]]\nname = 'a'\n", "trunks[0].uri", "expected a value, none is given"),
        ("[[trunks]]\nuri = 'sip:a'\n", "trunks[0].name", "expected a value, none is given"),
        ("[[trunks]]\nname = 'lab'\nuri = 'sip:a'\n", "trunks[0].name", "the built-in trunk is called so"),
        ("[[trunks]]\nname = 'a b'\nuri = 'sip:a'\n", "trunks[0].name", "expected letters, digits"),
        ("[[trunks]]\nname = 'a'\nuri = 'sip:b@a'\n", "trunks[0].uri", "without a user part"),
        ("[[trunks]]\nname = 'a'\nuri = 'sips:a;transport=udp'\n", "trunks[0].uri", "sips: goes over TLS"),
        ("[[trunks]]\nname = 'a'\nuri = 'sip:a;transport=ws'\n", "trunks[0].uri", "expected sip:HOST"),
        ("[[trunks]]\nname = 'a'\nuri = 'sip:a:0'\n", "trunks[0].uri", "expected sip:HOST"),
        ("[[trunks]]\nname = 'a'\nuri = 'sip:[::g]'\n", "trunks[0].uri", "expected sip:HOST"),
        ("[[trunks]]\nname = 'a'\nuri = 'sip:[1::2::3]'\n", "trunks[0].uri", "expected an IP address"),
        ("[[trunks]]\nname = 'a'\nuri = 'sip:a'\ncodecs = []\n", "trunks[0].codecs", "at least one element"),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\nrewrite_called_out=['9|. ->', 'abc']\n",
            "trunks[0].rewrite_called_out[1]",
            "expected STRIP|KEEP -> PREPEND",
        ),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\nheaders_out=['From']\n",
            "trunks[0].headers_out[0]",
            "the header field From is the gateway's own",
        ),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\nidentity_in=['From']\n",
            "trunks[0].identity_in[0]",
            "expected one of 'P-Asserted-Identity'",
        ),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\nregister=true\n",
            "trunks[0].register",
            "expected a username and a password beside it",
        ),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\naccept_from=['10.0.0.1/8']\n",
            "trunks[0].accept_from[0]",
            "host bits zero, got '10.0.0.1/8'",
        ),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\n[[trunks]]\nname='a'\nuri='sip:b'\n",
            "trunks[1].name",
            "expected a name of its own, 'a' is taken",
        ),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\nusername='u'\n",
            "trunks[0].username",
            "trunks[0].password_file beside it",
        ),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\nusername='u'\npassword='p'\n",
            "trunks[0].password",
            "expected trunks[0].password_file or the environment: no passwords in this file",
        ),
        (
            "[[trunks]]\nname='a'\nuri='sip:a'\nusername='u'\npassword_file='none'\n",
            "trunks[0].password_file",
            "No such file",
        ),
        # prices
        ("[[rates]]\nprefix='44'\nrate='0.01'\n", "rates[0].prefix", "expected + and 1 to 15 digits"),
        ("[[rates]]\nprefix='+44'\nrate='free'\n", "rates[0].rate", "expected USD a minute"),
        ("[[rates]]\nprefix='+44'\nrate=0.01\n", "rates[0].rate", "expected a text in quotes"),
        ("[[rates]]\nprefix='+44'\n", "rates[0].rate", "expected a value, none is given"),
        (
            "[[rates]]\nprefix='+44'\nrate='0.01'\n[[rates]]\nprefix='+44'\nrate='0.02'\n",
            "rates[1].prefix",
            "expected a prefix of its own, '+44' is taken",
        ),
        ("[billing]\ndefault_rate='-1'\n", "billing.default_rate", "expected USD a minute"),
        ("[store]\nalive_interval=0.01\n", "store.alive_interval", "expected 0.1 to 3600 seconds"),
    ],
)
def test_mistake_is_named_with_its_full_key_and_what_was_expected(
    tmp_path: Path, text: str, key: str, message: str
) -> None:
    problems = _problems(tmp_path, text)

    assert message in problems[key]
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "holds none"), (b"\n", "holds none"), (b"\xff", "is not UTF-8"), (b"a\nb", "holds none")],
)
def test_password_file_without_a_password_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "p").write_bytes(content)

    problems = _problems(tmp_path, "[[trunks]]\nname='a'\nuri='sip:a'\nusername='u'\npassword_file='p'\n")

    assert message in problems["trunks[0].password_file"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file_with_their_lines(tmp_path: Path) -> None:
    text = """colour = "red"
[sip]
listen = ["udp:x:1", "udp:127.0.0.1:5060", 3]
t1 = -1

[auth]
token_ttl = 99999999999
clock_skew = 1000
[[trunks]]
name = "a"
uri = "sip:a"
[[trunks]]
# a comment
name = "b"
uri = "nonsense"
"""
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, text, LAB__PORT="-1", NONSENSE="1")

    assert [(problem.where, problem.key) for problem in refused.value.problems] == [
        ("RTC_GATEWAY__LAB__PORT", "lab.port"),
        ("RTC_GATEWAY__NONSENSE", "nonsense"),
        ("gateway.toml:1", "colour"),
        ("gateway.toml:3", "sip.listen[0]"),
        ("gateway.toml:3", "sip.listen[2]"),
        ("gateway.toml:4", "sip.t1"),
        ("gateway.toml:7", "auth.token_ttl"),
        ("gateway.toml:8", "auth.clock_skew"),
        ("gateway.toml:15", "trunks[1].uri"),
    ]
    assert str(refused.value).splitlines()[2] == "gateway.toml:1: colour: is not a setting"


def test_password_in_an_address_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ConfigError) as refused:
        load(environ={"RTC_GATEWAY__STORE__URL": "postgresql+asyncpg://gw:hunter2@db/gw"})

    assert "hunter2" not in str(refused.value)
    assert "store.password_file" in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("RTC_GATEWAY__", "expected RTC_GATEWAY__SECTION__KEY"),
        ("RTC_GATEWAY__SIP__T1__X", "expected RTC_GATEWAY__SECTION__KEY"),
        ("RTC_GATEWAY__SIP__", "expected RTC_GATEWAY__SECTION__KEY"),
        ("RTC_GATEWAY__SIP", "expected a section [sip]"),
        ("RTC_GATEWAY__SIP__DOMIAN", "did you mean sip.domain?"),
        ("RTC_GATEWAY__TRUNKS", "expected sections [[trunks]]"),
        ("RTC_GATEWAY__TRUNKS__1__NAME", "expected an index from 0 to 0"),
        ("RTC_GATEWAY__TRUNKS__X__NAME", "expected an index from 0 to 0"),
        ("RTC_GATEWAY__TRUNKS__NAME", "expected RTC_GATEWAY__SECTION__KEY"),
    ],
)
def test_variable_that_means_nothing_is_named(variable: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as refused:
        load(environ={variable: "1"})

    assert refused.value.problems[0].where == variable


def test_other_variables_are_none_of_our_business() -> None:
    load(environ={"PATH": "/bin", "RTC_GATEWAY": "x", "RTC_GATEWAY_CONFIG": "y", "rtc_gateway__sip__t1": "z"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[sip\n", "is not TOML"),
        (b"a = \n", "is not TOML"),
        (b"a = 1\na = 2\n", "is not TOML"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"a = " + b"[" * 5000, "is not TOML"),
        (b"#" * 1_000_001, "is larger than"),
    ],
)
def test_file_that_is_no_configuration_is_refused_as_a_whole(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.toml").write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "x.toml", environ={})


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml", environ={})


def test_every_default_is_within_the_limits_that_are_checked() -> None:
    for section, settings_class in {**SECTIONS, **ARRAYS}.items():
        for field in dataclasses.fields(settings_class):
            if isinstance(field.default, int | float) and not isinstance(field.default, bool):
                may_be_lowest, lowest, highest = number_limits(f"{section}.{field.name}", field.default)
                assert lowest <= field.default <= highest
                assert may_be_lowest or field.default > lowest


def test_problem_without_a_place_is_only_key_and_message() -> None:
    assert str(Problem("sip.t1", "expected a number")) == "sip.t1: expected a number"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=st.binary(max_size=200) | st.text(alphabet="[]a=.\"'{}\n #1,-sip", max_size=120).map(str.encode))
def test_any_file_loads_or_is_refused_with_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.toml").write_bytes(content)

    try:
        load(tmp_path / "x.toml", environ={})
    except ConfigError as error:
        assert error.problems


@settings(max_examples=80)
@given(
    name=st.sampled_from(
        [
            "SIP__LISTEN",
            "SIP__T1",
            "LAB__ENABLED",
            "TRUNKS",
            "HTTP__CERTIFICATE",
            "HTTP__LISTEN",
            "STORE__URL",
            "DATA_DIR",
            "MEDIA__ADDRESS",
        ]
    )
    | st.text(alphabet="ABSIPTRUNKS_01", max_size=20),
    text=st.text(max_size=60) | st.text(alphabet='[]{}"=:,1a\n', max_size=40),
)
def test_any_variable_loads_or_is_refused_with_a_problem(name: str, text: str) -> None:
    try:
        load(environ={f"RTC_GATEWAY__{name}": text})
    except ConfigError as error:
        assert error.problems


def test_variable_cannot_smuggle_in_a_second_key() -> None:
    config = load(environ={"RTC_GATEWAY__SIP__USER_AGENT": "1 # x"})

    assert config.sip.user_agent == "1 # x"
    with pytest.raises(ConfigError, match="control characters"):
        load(environ={"RTC_GATEWAY__SIP__USER_AGENT": '"a"\nt1 = 2'})


def test_tls_of_sip_is_read_with_paths_from_the_folder_of_the_file(tmp_path: Path) -> None:
    text = (
        "[sip]\nlisten = ['tls:192.0.2.1:5061']\n"
        "[sip_tls]\ncertificate = { cert = 'a.pem', key = 'a.key' }\nclient_certificate = { cert = 'b', key = 'c' }\n"
        "ca = 'ca.pem'\n[[trunks]]\nname = 'a'\nuri = 'sips:trunk.example'\nca = 'carrier.pem'\n"
    )

    config = _load(tmp_path, text)

    assert config.sip.listen == (("tls", "192.0.2.1", 5061),)
    assert config.sip_tls.certificate == KeyPair(cert=tmp_path / "a.pem", key=tmp_path / "a.key")
    assert config.sip_tls.client_certificate == KeyPair(cert=tmp_path / "b", key=tmp_path / "c")
    assert (config.sip_tls.ca, config.trunks[0].ca) == (tmp_path / "ca.pem", tmp_path / "carrier.pem")
    assert config.certified == config.http


def test_automatic_certificate_is_good_for_the_addresses_of_tls_listeners(tmp_path: Path) -> None:
    text = "[http]\nnames = ['gw.example']\n[sip]\nlisten = ['tls:10.1.2.3:5061', 'udp:10.1.2.4:5060']\n"

    config = _load(tmp_path, text, SIP__ADVERTISE="203.0.113.9")

    assert config.certified.names == ("gw.example", "10.1.2.3", "203.0.113.9")
    assert config.http.names == ("gw.example",)
