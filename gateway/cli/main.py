"""`rtc-gateway` and its commands that run something: `demo`, `serve`, `check-config`, `doctor`."""

import asyncio
import gc
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import authority, provisioning
from gateway.cli.authority import certificate_of
from gateway.cli.options import ConfigOption, JsonOption, load_config, run
from gateway.cli.output import FAILED, print_json, print_line, print_table, warn

if TYPE_CHECKING:
    from gateway.cli.demo import Ready
    from gateway.config import Config

app = typer.Typer(
    name="rtc-gateway",
    help="A self-hosted stand-in for rtc.telnyx.com: official Telnyx voice SDKs on one side, a SIP trunk on the other.",
    epilog="Example: rtc-gateway demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for group, name in (
    (provisioning.connection, "connection"),
    (provisioning.credential, "credential"),
    (provisioning.number, "number"),
    (provisioning.token, "token"),
    (provisioning.key, "key"),
    (authority.ca, "ca"),
):
    app.add_typer(group, name=name)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        print_line(version("rtc-gateway"))
        raise typer.Exit


@app.callback()
def program(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version, and end.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """What goes before a command."""


@app.command("demo", epilog="Example: rtc-gateway demo --data-dir /tmp/demo")
def demo(
    data_dir: Annotated[
        Path, typer.Option("--data-dir", metavar="FOLDER", help="Where users, keys and calls are kept.")
    ] = Path("var"),
    throw_away: Annotated[
        bool, typer.Option("--throw-away", help="Keep nothing: a temporary folder, removed at the end.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start on loopback with the lab trunk and the console, and print how to get in."""
    from gateway.config import DEMO

    with _folder(data_dir, throw_away=throw_away) as folder:
        if throw_away:
            os.environ.pop("RTC_GATEWAY__DATA_DIR", None)  # the option was given for this start
        config = load_config(None, preset={**DEMO, "data_dir": str(folder.absolute())})
        raise typer.Exit(run(_demo(config, as_json=as_json)))


@app.command("serve", epilog="Example: rtc-gateway serve --config /etc/rtc-gateway.toml")
def serve(config: ConfigOption = None) -> None:
    """Start for real use; refuses to start on a wrong setting and names it."""
    settings = load_config(config)

    async def start() -> int:
        from gateway.app import run_gateway

        return await run_gateway(settings, on_ready=_say_ready)

    raise typer.Exit(run(start()))


@app.command("check-config", epilog="Example: rtc-gateway check-config --config /etc/rtc-gateway.toml")
def check_config(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say what would be started, secrets masked. Exit code 1 and the full key on a mistake."""
    from gateway.config.show import flat, in_force

    settings = load_config(config)
    found = certificate_of(settings)
    shown = in_force(settings)
    if as_json:
        print_json({**shown, "certificate": None if found is None else found.to_json()})
    else:
        print_table(("setting", "value"), flat(shown))
        for index, trunk in enumerate(settings.trunks):
            if trunk.has_open_keys:
                warn(f"trunks[{index}].srtp: keys of {trunk.name} cross the network unencrypted, with its signalling")
        if found is not None:
            valid = "made at the start" if found.not_after is None else f"valid until {found.not_after:%Y-%m-%d}"
            print_line(f"certificate: {found.source}, {valid}, for {', '.join(found.names) or 'no name at all'}")


@app.command("doctor", epilog="Example: rtc-gateway doctor --config /etc/rtc-gateway.toml")
def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check this machine (ports, addresses, certificate, clock, file limit, codecs), then make a call through it.

    Exit code 1 if a check fails.
    """
    from gateway.doctor import examine

    findings = run(examine(load_config(config)))
    if as_json:
        print_json([{"name": f.name, "ok": f.is_ok, "detail": f.detail, "mend": f.mend} for f in findings])
    else:
        print_table(("check", "", "found"), [(f.name, "ok" if f.is_ok else "FAILED", f.detail) for f in findings])
        for finding in findings:
            if not finding.is_ok:
                warn(f"{finding.name}: {finding.mend}")
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(FAILED)


def main() -> None:
    """Run the command line; the console script."""
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output is gone (`| head`). Python would complain again when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    finally:
        # Python would look for garbage in all that was ever loaded before it ends: longer than most commands run.
        gc.freeze()


async def _demo(config: "Config", *, as_json: bool) -> int:
    from gateway.cli.demo import show
    from gateway.demo import prepare

    # Loading takes the longest by far: beside it, others wait for a disk and for the hash of a password.
    async with asyncio.TaskGroup() as group:
        preparing = group.create_task(prepare(config))
        await asyncio.to_thread(importlib.import_module, "gateway.app")
    from gateway.app import run_gateway

    access = preparing.result()
    return await run_gateway(config, on_ready=lambda ready: show(ready, access, as_json=as_json))


@contextmanager
def _folder(data_dir: Path, *, throw_away: bool) -> Iterator[Path]:
    if not throw_away:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="rtc-gateway-") as made:
        yield Path(made)


def _say_ready(ready: "Ready") -> None:
    for url in ready.http:
        print_line(f"listening on {url}")
    for listener in ready.sip:
        print_line(f"listening on {listener}")
    print_line(f"metrics on {ready.metrics}/metrics")
    print_line("ready")
