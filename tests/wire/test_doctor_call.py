"""The doctor's own call."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.config import load
from gateway.doctor import CHECKS, call
from gateway.observability import logging as logs


async def test_doctor_hears_the_tone_through_a_gateway_of_its_own(tmp_path: Path) -> None:
    logs.configure(level="warning", format="json")

    finding = await call(load(None, environ={}, preset={"data_dir": str(tmp_path)}))

    assert finding.is_ok, finding
    assert "tone after" in finding.detail
    assert os.listdir(tmp_path) == []  # nothing of it stays in the operator's folder


async def test_doctor_calls_beside_a_gateway_that_has_the_port_of_all_browsers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        media = {"webrtc_port": other.getsockname()[1]}

        finding = await call(load(None, environ={}, preset={"data_dir": str(tmp_path), "media": media}))

    assert finding.is_ok, finding


async def test_doctor_names_the_step_that_failed_and_how_to_mend_it(tmp_path: Path) -> None:
    logs.configure(level="warning", format="json")
    with _taken_pair() as port:
        preset = {"data_dir": str(tmp_path), "media": {"rtp_ports": f"{port}-{port + 1}"}}

        finding = await call(load(None, environ={}, preset=preset))

    assert not finding.is_ok
    assert finding.detail.startswith("ports for media")
    assert "media.rtp_ports" in finding.mend


def test_the_call_is_one_of_the_checks() -> None:
    assert CHECKS[-1] is call


@contextmanager
def _taken_pair() -> Iterator[int]:
    """Two neighbouring ports, the first one even, taken by somebody else."""
    for port in range(31000, 32000, 2):
        with ExitStack() as stack:
            try:
                for number in (port, port + 1):
                    taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    taken.bind(("127.0.0.1", number))
            except OSError:
                continue
            yield port
            return
    raise AssertionError("no two free ports")
