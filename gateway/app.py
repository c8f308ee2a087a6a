"""The composition root: builds the concrete classes, joins them, owns the order of start and stop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Self

from gateway.accounts.client_media import ConnectionMedia
from gateway.accounts.detail_recorder import DetailRecorder
from gateway.accounts.gate import CallGate
from gateway.accounts.lookups import Lookups
from gateway.accounts.provisioning import Provisioning
from gateway.accounts.settings import tariff
from gateway.accounts.watch import AccountWatch, EveryRegistration
from gateway.api.catalogue import Surroundings, operations
from gateway.api.guard import Guard
from gateway.api.live import LiveFeed
from gateway.api.middleware import telnyx_errors
from gateway.api.reports import report_routes
from gateway.api.rest.routing import public_paths, resources
from gateway.api.rest.routing import routes as rest_routes
from gateway.api.routes import routes as api_routes
from gateway.api.traces import trace_routes
from gateway.api.views import GatewayInfo, Views
from gateway.auth.attempts import WINDOW, LoginAttempts
from gateway.auth.authenticator import Authenticator, Refusal
from gateway.auth.core.throttle import Throttle
from gateway.auth.digest_login import DigestLogins
from gateway.auth.followed_keys import FollowedKeys
from gateway.auth.jwt import Tokens
from gateway.auth.keyfile import load_or_create
from gateway.auth.keyring import load_ring
from gateway.auth.keys import KeyChecker
from gateway.auth.passwords import Passwords
from gateway.auth.sealing import Seal
from gateway.b2bua.directory import CallDirectory
from gateway.b2bua.measures import CallMeasures
from gateway.b2bua.noting_engine import NotingEngine
from gateway.b2bua.overload import OverloadGuard
from gateway.b2bua.routing import Router
from gateway.b2bua.whereabouts import Whereabouts
from gateway.config import Config
from gateway.console.assets import load as load_assets
from gateway.console.routes import routes as console_routes
from gateway.domain.facts import ClientLegFact
from gateway.domain.identity import Identity
from gateway.http.listeners import HttpServer
from gateway.lab.api import LabApi
from gateway.lab.numbers import look_up as find_magic_number
from gateway.lab.pushes import PushLog
from gateway.lab.trunk import LabTrunk
from gateway.media.engines.choice import make_engine
from gateway.observability import logging as logs
from gateway.observability.clock import utc_now
from gateway.observability.health import LagProbe, OperatorServer
from gateway.observability.heap import HeapCare
from gateway.observability.logging import get_logger
from gateway.reports.service import Reports
from gateway.sip_side import SipSide
from gateway.store.call_reports import CallReports
from gateway.store.calls import Calls
from gateway.store.database import Database
from gateway.store.detail_records import DetailRecords
from gateway.store.devices import Devices
from gateway.store.heartbeat import Heartbeat
from gateway.store.recorder import CallRecorder
from gateway.store.traces import Traces
from gateway.traces.homer import HepSender
from gateway.traces.retention import TraceRetention
from gateway.traces.tracer import Tracer
from gateway.vsp.login import LoginAttempt
from gateway.vsp.observer import nobody
from gateway.vsp.registry import SessionRegistry
from gateway.vsp.server import VertoServer


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyInfo:
    """Where the running gateway answers, with the real ports."""

    http: tuple[str, ...]
    sip: tuple[str, ...]
    metrics: str
    certificate_authority: str | None
    """Path of our own authority's certificate, when we have one."""


class Gateway:
    """The running program. `async with Gateway(config) as gateway:` starts and stops it; inside it takes calls."""

    ready: ReadyInfo

    def __init__(self, config: Config) -> None:
        self.config = config
        self.started_at = utc_now()
        self.tariff = tariff(config.billing, config.rates)
        self._is_ready = False
        self._stack = AsyncExitStack()
        self._log = get_logger()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        self._is_ready = False
        self._log.info("gateway_stopping", calls=len(self.directory.live()))
        await self._stack.aclose()
        self._log.info("gateway_stopped")

    async def _start(self) -> None:
        """What is started last is stopped first: listeners, calls, SIP, media, records, store."""
        config, enter = self.config, self._stack.enter_async_context
        self.overload = OverloadGuard(config.calls.max_setup_delay)
        metrics_url = await enter(self._operator_server())
        database = self.database = await Database.open(config.store)
        self._stack.push_async_callback(database.close)
        self.lookups = Lookups(database)
        calls = await enter(self._call_records(database))
        self.traces = Traces(database)
        self.tracer = await enter(self._tracing())
        self._build_auth(database)
        self.engine = make_engine(config.media, shows_reports=config.traces_hep.address is not None)
        await self.engine.start()
        self._stack.push_async_callback(self.engine.stop)
        lab = self.lab = await enter(self._lab())
        self.sip = SipSide(
            config,
            lab=lab,
            tracer=self.tracer,
            digest_logins=self.digest_logins,
            on_incoming=lambda call: self.directory.incoming(call),
            turn_away=self.overload.turn_away,
        )
        self.registry, self.pushes = SessionRegistry(), PushLog()
        self.report_table = CallReports(database)
        self.reports = await enter(Reports(config.reports, table=self.report_table))
        await enter(self._call_control())
        await enter(self._http(calls, lab, metrics_url))
        self._is_ready = True
        self._log.info("gateway_ready", http=self.ready.http, sip=self.ready.sip, metrics=self.ready.metrics)

    @asynccontextmanager
    async def _operator_server(self) -> AsyncIterator[str]:
        host, port = self.config.metrics.listen
        server = OperatorServer(host, port, is_ready=lambda: self._is_ready)
        probe = LagProbe(self.overload.take_lag)
        url = await server.start()
        probe.start()
        try:
            yield url
        finally:
            probe.stop()
            await server.stop()

    @asynccontextmanager
    async def _call_records(self, database: Database) -> AsyncIterator[Calls]:
        """Those of calls and those of clients' legs; what the process before left open is closed first."""
        settings, calls = self.config.store, Calls(database)
        self.recorder = CallRecorder(calls, keep_calls=settings.keep_calls)
        self.details = DetailRecords(database)
        self.detail_recorder = DetailRecorder(
            self.details, self.lookups, self.tariff, keep=settings.keep_detail_records
        )
        self.heartbeat = Heartbeat(database, interval=settings.alive_interval)
        orphans, legs = await calls.close_orphans(), await self.detail_recorder.close_orphans()
        if orphans or legs:
            self._log.warning("call_records_closed_after_crash", count=orphans, legs=legs)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.recorder.run(), name="call-recorder")
            group.create_task(self.detail_recorder.run(), name="detail-recorder")
            group.create_task(self.heartbeat.run(), name="heartbeat")
            try:
                yield calls
            finally:
                self.heartbeat.stop()
                self.detail_recorder.stop()
                self.recorder.stop()

    @asynccontextmanager
    async def _tracing(self) -> AsyncIterator[Tracer | None]:
        """What writes and forgets the traces of calls; None when they are off."""
        settings = self.config.traces
        retention = TraceRetention(settings, self.traces, clock=utc_now)
        tracer = Tracer(settings, self.traces, HepSender(self.config.traces_hep))
        async with asyncio.TaskGroup() as group:
            group.create_task(retention.run(), name="trace-retention")
            group.create_task(tracer.run(), name="tracer")
            try:
                yield tracer if settings.enabled else None
            finally:
                retention.stop()
                tracer.stop()

    def _build_auth(self, database: Database) -> None:
        config = self.config.auth
        self.passwords = Passwords(config)
        self._stack.callback(self.passwords.close)
        self.tokens = Tokens(load_ring(config.jwt_secret_file), clock_skew=config.clock_skew)
        self.token_keys = FollowedKeys(self.tokens, config.jwt_secret_file)
        seal = Seal(load_or_create(config.seal_key_file, "auth.seal_key_file"))
        self.provisioning = Provisioning(database, passwords=self.passwords, tokens=self.tokens, seal=seal)
        self.authenticator = Authenticator(
            connections=self.provisioning.connections,
            credentials=self.provisioning.credentials,
            numbers=self.provisioning.numbers,
            passwords=self.passwords,
            tokens=self.tokens,
            attempts=(attempts := LoginAttempts(config)),
            follow_keys=self.token_keys.follow,
        )
        self.digest_logins = DigestLogins(
            connections=self.provisioning.connections,
            credentials=self.provisioning.credentials,
            authenticator=self.authenticator,
            attempts=attempts,
            seal=seal,
        )
        self.accounts = self.provisioning.accounts
        self.keys = KeyChecker(self.provisioning.keys)
        self.devices = Devices(database)

    @asynccontextmanager
    async def _lab(self) -> AsyncIterator[LabTrunk | None]:
        if not self.config.lab.enabled:
            yield None
            return
        lab = LabTrunk(self.config.lab, gateway_uri=lambda: self.sip.uri_for_lab())
        await lab.start()
        try:
            yield lab
        finally:
            await lab.stop()

    @asynccontextmanager
    async def _call_control(self) -> AsyncIterator[None]:
        config, sip = self.config, self.sip
        gate = CallGate(
            self.lookups,
            self.details,
            rate_of=self.tariff.price_per_minute,
            account_limit=config.calls.max_outbound_calls,
            hourly_limit=config.calls.max_outbound_calls_per_hour or None,
        )
        self.directory = CallDirectory(
            config.calls,
            engine=self.engine if self.tracer is None else NotingEngine(self.engine, self.tracer.take_media),
            router=Router(
                domain=config.sip.domain,
                trunks=sip.routable(),
                find_client=self.registry.find_by_username,
                find_connection_of_number=self._connection_of_number,
                find_client_of_connection=self.registry.find_by_connection,
                is_magic_number=lambda user: find_magic_number(user) is not None,
                order_trunks=sip.lines.in_order,
                ring_group=self.registry.ring_group,
                devices=self.devices if self.config.lab.enabled else None,
                admission=gate,
                phones=sip.registrar,
            ),
            invite=sip.lines.invite,
            find_replaced=sip.agent.find_replaced,
            domain=config.sip.domain,
            trunk_codecs=sip.codecs_of,
            phone_codecs=config.registrar.codecs,
            media_of=ConnectionMedia(self.lookups).of_user,
            find_session=self.registry.find,
            caller_options=sip.caller_options,
            attach_timeout=config.verto.attach_timeout,
            pushes=self.pushes if config.lab.enabled else None,
            listeners=[
                CallMeasures().take,
                self.recorder.record,
                gate.take,
                self.heartbeat.take,
                *([] if self.tracer is None else [self.tracer.take_fact]),
            ],
            on_client_leg=self._take_client_leg,
            names=self.tracer,
            overload=self.overload,
        )
        async with self.directory, sip.running():
            try:
                yield
            finally:
                await self.directory.drain()

    def _take_client_leg(self, fact: ClientLegFact) -> None:
        self.detail_recorder.record(fact)
        self.heartbeat.take_leg(fact)

    async def _connection_of_number(self, number: str) -> str | None:
        return await self.lookups.owner(number if number.startswith("+") else f"+{number}")

    @asynccontextmanager
    async def _http(self, calls: Calls, lab: LabTrunk | None, metrics_url: str) -> AsyncIterator[None]:
        config = self.config
        self.verto = VertoServer(
            config.verto,
            authenticate=self._authenticate,
            control=self.directory,
            registry=self.registry,
            reports=self.reports,
            devices=self.devices,
            observe=nobody if self.tracer is None else self.tracer.take_frame,
        )
        sessions = Whereabouts(self.registry, self.sip.registrar)
        around = Surroundings(
            sessions=sessions,
            calls=self.directory,
            details=self.details,
            report_table=self.report_table,
            reports=self.reports.archive,
            token_ttl=config.auth.token_ttl,
            version=version("rtc-gateway"),
            server=lambda: self._public_url,
        )
        catalogue = operations(self.accounts, around)
        guard = Guard(
            self.keys,
            resources=resources(catalogue),
            public=public_paths(catalogue),
            throttle=Throttle(config.auth.max_wrong_keys, WINDOW),
        )
        feed = LiveFeed(self.directory, sessions)
        registrations = (self.verto.endings, self.sip.registrar)
        watch = AccountWatch(
            self.database,
            registrations=EveryRegistration([one for one in registrations if one is not None]),
            on_key_revoked=feed.close_of,
            tokens=self.tokens,
            keys=self.token_keys,
        )
        views = Views(calls=self.directory, records=calls, sessions=sessions, bans=self.sip.endpoint, info=self._info)
        lab_routes = [] if lab is None else self._lab_api(lab, guard).routes()
        own_routes = [
            *rest_routes(catalogue),
            *api_routes(views, feed),
            *report_routes(views, feed, self.reports.archive),
            *trace_routes(views, feed, self.traces),
            *self.reports.routes(),
        ]
        server = HttpServer(
            config.certified,
            routes=[*own_routes, *lab_routes, *console_routes(await asyncio.to_thread(load_assets))],
            websocket=self.verto.handle,
            middlewares=[telnyx_errors(guard, on_write=watch.look_soon)],
        )
        await watch.start()
        try:
            urls = await server.start()
            self.ready = ReadyInfo(
                http=tuple(urls),
                sip=self.sip.addresses,
                metrics=metrics_url,
                certificate_authority=None if server.authority is None else str(server.authority),
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(watch.run(), name="account-watch")
                try:
                    yield
                finally:
                    watch.stop()
        finally:
            # Calls first, while their clients can still be told; then sockets, streams and listeners.
            await self.directory.drain()
            await self.verto.stop()
            feed.close()
            await server.stop()

    def _lab_api(self, lab: LabTrunk, guard: Guard) -> LabApi:
        return LabApi(lab.switchboard, guard.allows, self.registry, self.pushes, turn_away=self.overload.turn_away)

    def _info(self) -> GatewayInfo:
        return GatewayInfo(
            version=version("rtc-gateway"),
            started_at=self.started_at,
            public_url=self._public_url,
            http=self.ready.http,
            sip=self.ready.sip,
            trunks=self.sip.lines.status(),
            load=self.overload.status,
            is_lab_enabled=self.config.lab.enabled,
        )

    @property
    def _public_url(self) -> str:
        """Where people reach us, once the listeners are bound."""
        return self.config.http.public_url or self.ready.http[0]

    async def _authenticate(self, attempt: LoginAttempt) -> Identity | Refusal:
        return await self.authenticator.login(
            username=attempt.username, password=attempt.password, token=attempt.token, peer=attempt.peer
        )


async def run_gateway(config: Config, *, on_ready: Callable[[ReadyInfo], None]) -> int:
    """Run until SIGINT or SIGTERM; a second signal ends the process at once. Returns the exit code."""
    logs.configure(level=config.log.level, format=config.log.format)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, on_signal)
    heap = HeapCare()
    async with Gateway(config) as gateway:
        on_ready(gateway.ready)
        heap.start()
        await stop.wait()
        heap.stop()
    return 0
