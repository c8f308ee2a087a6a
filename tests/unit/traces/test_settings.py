"""`[traces]` and `[traces.hep]`."""

from pathlib import Path

import pytest

from gateway.config import ConfigError, load
from gateway.config.show import flat, in_force


def written(folder: Path, text: str) -> Path:
    file = folder / "gateway.toml"
    file.write_text(text)
    return file


def test_section_within_a_section_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "hep.password").write_text("s3cret\n")
    file = written(
        tmp_path,
        "[traces]\nkeep = 60\n[traces.hep]\ncollector = 'udp:[2001:db8::9]:9060'\npassword_file = 'hep.password'\n",
    )

    config = load(file, environ={})

    assert config.traces.keep == 60.0
    assert config.traces_hep.address == ("2001:db8::9", 9060)
    assert config.traces_hep.password == "s3cret"


def test_environment_wins_over_the_file_and_the_secret_is_not_shown(tmp_path: Path) -> None:
    file = written(tmp_path, "[traces.hep]\ncollector = 'udp:homer:9060'\n")
    environ = {
        "RTC_GATEWAY__TRACES__HEP__COLLECTOR": "udp:other:9061",
        "RTC_GATEWAY__TRACES__HEP__PASSWORD": "s3cret",
        "RTC_GATEWAY__TRACES__ENABLED": "false",
    }

    config = load(file, environ=environ)
    shown = dict(flat(in_force(config)))

    assert config.traces_hep.address == ("other", 9061)
    assert not config.traces.enabled
    assert (shown["traces.hep.collector"], shown["traces.hep.password"]) == ("udp:other:9061", "***")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[traces.hep]\ncollector = 'homer:9060'", 'traces.hep.collector: expected "udp:HOST:PORT"'),
        ("[traces.hep]\ncollector = 'udp:homer:0'", 'traces.hep.collector: expected "udp:HOST:PORT"'),
        ("[traces.hep]\ncollector = 'udp:::1:9060'", 'traces.hep.collector: expected "udp:HOST:PORT"'),
        ("[traces.hep]\ncapture_id = 4294967296", "traces.hep.capture_id: expected 1 to 4294967295"),
        ("[traces.hep]\npassword = 'x'", "traces.hep.password: expected traces.hep.password_file"),
        ("[traces.hep]\ncolector = 'x'", "did you mean traces.hep.collector?"),
        ("[traces.homer]\ncollector = 'x'", "traces.homer: is not a setting"),
        ("[traces]\nkeep = 1e9", "traces.keep: expected 0 to"),
    ],
)
def test_mistake_is_named_with_its_full_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, text), environ={})

    assert message in str(refused.value)
