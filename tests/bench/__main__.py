"""`make bench`: delay, load, call set-up and recovery, as tables. `ARGS="--only delay"` runs a part."""

import argparse
import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from gateway.observability import logging as logs
from tests.bench import api, delay, ending, flood, load, records, recovery, signalling, soak
from tests.bench.calls import client, place
from tests.bench.media import part as media
from tests.bench.media import report
from tests.bench.media.cases import CASES, SERVERS
from tests.bench.media.summary import Row
from tests.bench.process import gateway_process
from tests.bench.rate import part as call_rate
from tests.bench.rate.plan import Load
from tests.bench.speech import rows as speech_rows
from tests.bench.trunk import BenchTrunk

PARTS = ("delay", "load", "setup")
SOAK, RECOVERY, API, RECORDS = "soak", "recovery", "api", "records"
SIGNALLING, FLOOD, MEDIA, RATE, SPEECH = "signalling", "flood", "media", "rate", "speech"
ON_DEMAND = (SOAK, RECOVERY, API, RECORDS, SIGNALLING, FLOOD, MEDIA, RATE, SPEECH)
"""These run only when they are asked for: they take long, or need a browser, or a gigabyte."""

WIDE = 160
"""Columns of a table that goes into a file."""

MANY = 6
"""Rows of a part that do not fit beside each other."""


async def call_setup(count: int) -> dict[str, float]:
    """Calls one after the other to a trunk that answers at once."""
    async with (
        BenchTrunk().running() as trunk,
        gateway_process(trunk.address, prefer="passthrough") as gateway,
        client(gateway) as verto,
    ):
        for warm in (True, False):
            answered, connected, cpu = [], [], gateway.cpu_seconds
            for _ in range(5 if warm else count):
                call = await place(verto, trunk, ["opus", "PCMU"])
                answered.append(call.answered_after * 1000.0)
                connected.append(call.connected_after * 1000.0)
                await verto.bye(call.call_id)
                await call.browser.close()
        return {
            "calls": count,
            "invite_to_answer_median_ms": statistics.median(answered),
            "invite_to_answer_max_ms": max(answered),
            "invite_to_dtls_median_ms": statistics.median(connected),
            "gateway_cpu_ms_per_call": (gateway.cpu_seconds - cpu) * 1000.0 / count,
        }


def figures_console(file: IO[str] | None = None) -> Console:
    """Standard output, wherever it goes: a file has no width of its own."""
    console = Console(file=file)
    return console if console.is_terminal else Console(file=file, width=WIDE)


def table(title: str, rows: list[dict[str, object]]) -> Table:
    """A line a figure, a column a row: figures have long names. Many rows are lines."""
    if len(rows) > MANY:
        return lines(title, rows)
    made = Table("figure", *(str(number + 1) for number in range(len(rows))), title=title)
    for name in rows[0]:
        made.add_row(name, *(_shown(row[name]) for row in rows))
    return made


def lines(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """A line a row."""
    made = Table(*rows[0], title=title)
    for row in rows:
        made.add_row(*map(_shown, row.values()))
    return made


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


async def run(arguments: argparse.Namespace, console: Console) -> dict[str, list[dict[str, object]]]:
    """The parts that were asked for, one after the other; `console` gets the figures."""
    progress = Console(stderr=True)
    results = dict[str, list[dict[str, object]]]()
    for part in (*PARTS, *ON_DEMAND):
        if part not in arguments.only:
            continue
        progress.print(f"measuring {part} ...")
        if part == MEDIA:
            results |= await _media(arguments, console)
            continue
        if part == SPEECH:
            results |= _speech(arguments, console)
            continue
        results[part] = await _measure(part, arguments)
        console.print(table(part, results[part]))
    return results


async def _measure(part: str, arguments: argparse.Namespace) -> list[dict[str, object]]:
    match part:
        case "delay":
            found: Sequence[Any] = await delay.measure(arguments.delay_seconds)  # Any: figures of a part
        case "load":
            return await _load(arguments)
        case "soak":
            found = [await soak.measure(arguments.clients, arguments.soak_seconds, idle=arguments.idle)]
        case "recovery":
            found = await recovery.measure(arguments.sockets, arguments.pages, arguments.restarts)
        case "api":
            rate, seconds = arguments.token_rate, arguments.token_seconds
            found = [await api.measure(rate=rate, seconds=seconds, credentials=arguments.credentials)]
        case "records":
            found = await records.measure(arguments.records, arguments.repeats)
        case "signalling":
            found = await signalling.measure(arguments.call_rate, arguments.signalling_seconds)
        case "rate":
            return await call_rate.measure(arguments.rates, arguments.rate_seconds, arguments.rate_engine)
        case "flood":
            found = await flood.measure(arguments.flood_seconds)
        case _:
            return [dict(await call_setup(arguments.setups))]
    return [dataclasses.asdict(one) for one in found]


async def _media(arguments: argparse.Namespace, console: Console) -> dict[str, list[dict[str, object]]]:
    """Rounds and their sums; with many columns, and notes that a table has no room for."""
    wanted = media.Wanted(
        arguments.servers,
        arguments.cases,
        arguments.media_rounds,
        arguments.media_seconds,
        arguments.media_calls,
        arguments.media_delay_calls,
    )
    measured = await media.measure(wanted)
    for title, cells in (("media: cost", Row.cost), ("media: memory, set-up, loss, delay", Row.quality)):
        console.print(lines(title, [dict(cells(row)) for row in measured.rows]))
    for row in measured.rows:
        if row.note:
            console.print(f"{row.case}, {row.title}: {row.note}", markup=False)
    if arguments.report is not None:
        report.write(measured.rows, arguments.report, seconds=wanted.seconds)
    return {MEDIA: list(map(dataclasses.asdict, measured.rows)), "media_rounds": list(map(dict, measured.rounds))}


def _speech(arguments: argparse.Namespace, console: Console) -> dict[str, list[dict[str, object]]]:
    from tests.bench.speech import part  # it needs packages that only this part has

    measured = part.measure(arguments.speech_patterns)
    console.print(lines("speech: STOI and log-spectral distance", [dict(row.shown()) for row in measured.rows]))
    if arguments.report is not None:
        speech_rows.write(measured.rows, arguments.report, version=measured.version, patterns=arguments.speech_patterns)
    return {SPEECH: list(map(dataclasses.asdict, measured.rows))}


async def _load(arguments: argparse.Namespace) -> list[dict[str, object]]:
    kinds = (("transcoding", "quality", "opus"), ("pass-through", "passthrough", "PCMU"))
    count, seconds = arguments.calls, arguments.load_seconds
    return [
        {"kind": kind, **dataclasses.asdict(await load.measure(count, seconds, prefer=prefer, codec=codec))}
        for kind, prefer, codec in kinds
    ]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=(*PARTS, *ON_DEMAND), default=list(PARTS), help="parts to run")
    parser.add_argument("--delay-seconds", type=float, default=20.0, help="of each of the two delay calls")
    parser.add_argument("--calls", type=int, default=20, help="calls at once under load")
    parser.add_argument("--load-seconds", type=float, default=60.0, help="how long they talk")
    parser.add_argument("--setups", type=int, default=50, help="calls for the set-up figures")
    parser.add_argument("--clients", type=int, default=100, help="clients of the soak")
    parser.add_argument("--idle", type=float, default=5.0, help="seconds between the calls of a client of the soak")
    parser.add_argument("--soak-seconds", type=float, default=300.0, help="how long they come and go")
    parser.add_argument("--sockets", type=int, default=50, help="sockets to kill in mid-call")
    parser.add_argument("--pages", type=int, default=20, help="pages to reload in mid-call")
    parser.add_argument("--restarts", type=int, default=20, help="ICE restarts in mid-call")
    parser.add_argument("--credentials", type=int, default=10_000, help="rows of the list that is read")
    parser.add_argument("--token-rate", type=float, default=50.0, help="tokens a second")
    parser.add_argument("--token-seconds", type=float, default=30.0, help="how long they are asked for")
    parser.add_argument("--records", type=int, default=1_000_000, help="detail records that the queries go over")
    parser.add_argument("--flood-seconds", type=float, default=300.0, help="of each flood of the SIP port")
    parser.add_argument("--repeats", type=int, default=50, help="of each query")
    parser.add_argument("--call-rate", type=float, default=300.0, help="calls a second, signalling only")
    parser.add_argument("--signalling-seconds", type=float, default=60.0, help="how long they are made")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), help="of the media part")
    parser.add_argument(
        "--rates", nargs="+", type=Load.parse, default=[Load(100.0), Load(40.0, 200)], metavar="RATE[/TALKING]",
        help="calls a second, beside so many that talk",
    )  # fmt: skip
    parser.add_argument("--rate-seconds", type=float, default=60.0, help="how long they come")
    parser.add_argument("--rate-engine", choices=("native", "aiortc"), default="native", help="engine of the rate part")
    names = [case.name for case in CASES]
    parser.add_argument("--cases", nargs="+", choices=names, default=names, help="of the media part")
    parser.add_argument("--media-rounds", type=int, default=3, help="of each server in each case")
    parser.add_argument("--media-seconds", type=float, default=20.0, help="of each round")
    parser.add_argument("--media-calls", type=int, default=0, help="at once; 0 for each case's own number")
    parser.add_argument(
        "--media-delay-calls", type=int, default=0, help="in the pass for the delay; 0 for as many, or the case's own"
    )
    parser.add_argument(
        "--report", type=Path, help="page of the reference to write the figures of media and speech into"
    )
    parser.add_argument("--speech-patterns", type=int, default=3, help="of loss, for each voice of the speech part")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    arguments = parser.parse_args()
    logs.configure(level="warning")
    results = ending.run(run(arguments, figures_console()))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
