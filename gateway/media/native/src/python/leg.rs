//! One leg, as Python steers it.

use std::sync::{Arc, Weak};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::pipeline::{LegTuple, codec_failed, digits_refused, leg_codec};
use super::quality::{LegQuality, SampleTuple, sample};
use super::values::{Address, key, os_error, socket_address};
use crate::codec::effort::Effort;
use crate::core::{Core, Leg, LegCell, Pair, Route};
use crate::pipeline::settings::StageSettings;
use crate::pipeline::{Config, Pipeline, Sound};
use crate::rtcp::RtcpSession;
use crate::sys::{monotonic, udp_socket_from_raw};

/// Sockets or a path, keys, and what the far end hears. Times are those of `time.monotonic`, in seconds.
#[pyclass(frozen, module = "gateway.media._native")]
pub struct NativeLeg {
    core: Weak<Core>,
    cell: Arc<LegCell>,
}

/// Payloads of 20 ms that are played over and over; all calls that hear them share them.
#[pyclass(frozen, module = "gateway.media._native")]
pub struct NativeSound {
    sound: Sound,
}

#[pymethods]
impl NativeSound {
    #[new]
    fn new(payloads: Vec<Vec<u8>>) -> Self {
        Self {
            sound: payloads.into_iter().map(Vec::into_boxed_slice).collect(),
        }
    }
}

impl NativeLeg {
    /// The workers; an error once the engine was stopped.
    fn core(&self) -> PyResult<Arc<Core>> {
        self.core
            .upgrade()
            .ok_or_else(|| PyRuntimeError::new_err("the engine was stopped"))
    }

    /// Change what timers depend on.
    fn change(&self, change: impl FnOnce(&mut Leg)) {
        match self.core.upgrade() {
            Some(core) => self.cell.change(&core, change),
            None => change(&mut self.cell.lock()),
        }
    }

    /// Do something with what the far end hears. None: it hears nothing.
    fn with_pipeline<T>(&self, change: impl FnOnce(&mut Pipeline) -> T) -> Option<T> {
        self.cell.with_pipeline(&*self.core.upgrade()?, change)
    }

    /// A leg that nothing is known of.
    pub fn new(core: &Arc<Core>, route: Route, silence_timeout: f64) -> Self {
        let cell = core.leg(route, silence_timeout);
        Self {
            core: Arc::downgrade(core),
            cell,
        }
    }
}

#[pymethods]
impl NativeLeg {
    /// What events name it by.
    #[getter]
    fn token(&self) -> u64 {
        self.cell.token
    }

    // Where packets come from and go to

    /// Take over two bound sockets (file descriptors), of RTP and of RTCP; nobody else may close them. Whether datagrams
    /// of a handshake may come in.
    #[pyo3(signature = (rtp, rtcp, *, takes_handshakes))]
    fn open(&self, rtp: i32, rtcp: i32, takes_handshakes: bool) -> PyResult<()> {
        let rtp = udp_socket_from_raw(rtp).map(Arc::new);
        let rtcp = udp_socket_from_raw(rtcp).map(Arc::new);
        let (rtp, rtcp) = (rtp.map_err(os_error)?, rtcp.map_err(os_error)?);
        let mut pair = Pair::new(Arc::clone(&rtp), Arc::clone(&rtcp));
        pair.takes_handshakes = takes_handshakes;
        self.cell.lock().out.route = Route::Pair(Box::new(pair));
        let core = self.core()?;
        core.listen(&self.cell, rtp, 0).map_err(os_error)?;
        core.listen(&self.cell, rtcp, 1).map_err(os_error)
    }

    /// What a description signalled: where RTP and RTCP come from, None where nothing can be sent; whether RTP may come
    /// from another address; whether both share a socket.
    #[pyo3(signature = (rtp, rtcp, *, any_address, is_mux))]
    fn signalled(&self, rtp: Option<Address>, rtcp: Option<Address>, any_address: bool, is_mux: bool) -> PyResult<()> {
        let rtp = rtp.as_ref().map(socket_address).transpose()?;
        let rtcp = rtcp.as_ref().map(socket_address).transpose()?;
        self.change(|leg| {
            leg.silence.since = monotonic();
            if let Route::Pair(pair) = &mut leg.out.route {
                pair.rtp_lock = pair.rtp_lock.renewed(rtp, any_address);
                pair.rtcp_lock = pair.rtcp_lock.renewed(rtcp, false);
                pair.is_mux = is_mux;
            }
        });
        Ok(())
    }

    /// Packets come from there: a handshake has shown it. Nothing changes once another source is locked.
    fn lock_source(&self, source: Address) -> PyResult<()> {
        let source = socket_address(&source)?;
        if let Route::Pair(pair) = &mut self.cell.lock().out.route {
            pair.lock(source);
        }
        Ok(())
    }

    /// Send a datagram of a handshake from the socket of RTP (0) or RTCP (1). False: the kernel refused it.
    fn send_from(&self, component: u8, datagram: &[u8], destination: Address) -> PyResult<bool> {
        let destination = socket_address(&destination)?;
        let leg = self.cell.lock();
        let Route::Pair(pair) = &leg.out.route else {
            return Ok(false);
        };
        let socket = if component == 0 { &pair.rtp } else { &pair.rtcp };
        Ok(socket.send_to(datagram, destination).is_ok())
    }

    /// Send a datagram of a handshake on the path. False: there is none.
    fn send_on_path(&self, datagram: &[u8]) -> bool {
        let selected = match &self.cell.lock().out.route {
            Route::Path(path) => path.selected,
            _ => None,
        };
        match (selected, self.core.upgrade()) {
            (Some((address, remote)), Some(core)) => {
                core.at_once(|bench| bench.outbox.push(address, datagram, remote));
                true
            }
            _ => false,
        }
    }

    // ICE

    /// Answer checks with these credentials of ours from now on; returns the number of this generation.
    fn add_generation(&self, ufrag: &str, password: &str) -> PyResult<u64> {
        if !self.core()?.browsers.add(ufrag, password, &self.cell) {
            return Err(PyValueError::new_err("the ufrag of another leg"));
        }
        match &mut self.cell.lock().out.route {
            Route::Path(path) => {
                path.generations += 1;
                Ok(path.generations)
            }
            _ => Err(PyRuntimeError::new_err("a leg without ICE")),
        }
    }

    /// Do not answer them any more.
    fn remove_generation(&self, ufrag: &str) {
        if let Some(core) = self.core.upgrade() {
            core.browsers.withdraw(ufrag);
        }
    }

    /// The far end of a generation is known: the path that it nominates is used from now on.
    fn use_generation(&self, generation: u64) {
        if let Route::Path(path) = &mut self.cell.lock().out.route {
            path.allow(generation);
        }
    }

    /// Leave the path of generations before that one.
    fn leave_path(&self, generation: u64) {
        if let Route::Path(path) = &mut self.cell.lock().out.route {
            path.leave(generation);
        }
    }

    // Keys

    /// Agreed: nothing is protected.
    fn set_plain(&self) {
        self.cell.lock().out.keys.set_plain();
    }

    /// Nothing is agreed any more: nothing is sent or read.
    fn clear_keys(&self) {
        self.change(|leg| {
            leg.out.keys.clear();
            leg.judge.lost_keys(monotonic());
        });
    }

    /// Keys come into force: name of the suite, master key and salt; ours, then theirs.
    #[pyo3(signature = (ours, theirs, *, keeps_former=false, has_own_rtcp=false))]
    fn set_keys(
        &self,
        ours: (String, Vec<u8>),
        theirs: (String, Vec<u8>),
        keeps_former: bool,
        has_own_rtcp: bool,
    ) -> PyResult<()> {
        let (ours, theirs) = (key(&ours.0, &ours.1)?, key(&theirs.0, &theirs.1)?);
        let result = self.cell.lock().out.keys.set(ours, theirs, keeps_former, has_own_rtcp);
        result.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// RTCP has keys of its own.
    fn set_rtcp_keys(&self, ours: (String, Vec<u8>), theirs: (String, Vec<u8>)) -> PyResult<()> {
        let (ours, theirs) = (key(&ours.0, &ours.1)?, key(&theirs.0, &theirs.1)?);
        let result = self.cell.lock().out.keys.set_rtcp(&ours, &theirs);
        result.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    // Who hears what

    /// Who hears this leg's far end: nobody, or that leg.
    fn connect(&self, peer: Option<PyRef<'_, NativeLeg>>) {
        if let Some(core) = self.core.upgrade() {
            let peer = peer.map(|peer| Arc::downgrade(&peer.cell)).unwrap_or_default();
            self.cell.connect(peer, &core);
        }
    }

    /// What a description agreed on: whether the far end wants to hear us, whether it may talk, what it may send,
    /// and its codec.
    fn set_flow(&self, may_send: bool, may_receive: bool, payload_types: Vec<u8>, codec: LegTuple<'_>) -> PyResult<()> {
        let codec = leg_codec(&codec)?.codec;
        self.change(|leg| {
            leg.judge.set_codec(codec, monotonic());
            leg.out.may_send = may_send;
            leg.may_receive = may_receive;
            leg.payload_types = payload_types
                .iter()
                .filter(|number| **number < 128)
                .fold(0, |bits, number| bits | 1 << number);
        });
        Ok(())
    }

    /// We hold the leg, or no longer do; its silence counts from now on.
    fn set_held(&self, is_held: bool) {
        self.change(|leg| {
            leg.silence.is_held = is_held;
            leg.silence.since = monotonic();
        });
    }

    /// The call is answered: sound is due from now on.
    fn answered(&self) {
        self.cell.lock().judge.is_answered = true;
    }

    /// What failed under the last description may go well under this.
    fn forgive(&self) {
        self.change(|leg| leg.silence.has_failed = false);
    }

    /// Report the next authentic packet.
    fn listen(&self) {
        self.cell.lock().is_listened_to = true;
    }

    /// Hand up compound packets both ways.
    fn show_reports(&self) {
        self.cell.lock().wants_reports = true;
    }

    // What the far end hears

    /// Begin to report: SSRC and CNAME of ours, and seconds since 1970 now.
    fn begin_reports(&self, ssrc: u32, cname: &str, wall_clock: f64, seed: u64) {
        self.change(|leg| {
            leg.rtcp = Some(RtcpSession::new(
                ssrc,
                cname,
                monotonic(),
                wall_clock,
                Box::new(spread(seed)),
            ));
        });
    }

    /// Say goodbye, and report no more. Returns the compound packet: no event comes, the leg may be gone by then.
    fn say_bye<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let core = self.core.upgrade()?;
        let report = core.at_once(|bench| self.cell.bye(monotonic(), bench))?;
        Some(PyBytes::new(py, &report))
    }

    /// Whether reports are sent.
    #[getter]
    fn is_reporting(&self) -> bool {
        self.cell.lock().rtcp.is_some()
    }

    /// Begin a stream towards the far end; see `gateway.media.pipeline.Pipeline`. ValueError: no such codec.
    #[pyo3(signature = (source, sink, *, ssrc, first_sequence, first_timestamp, needs_continuity, longest_pause,
                        plays_digits))]
    #[allow(clippy::too_many_arguments)] // the constructor that Python has, by keywords
    fn begin(
        &self,
        source: LegTuple<'_>,
        sink: LegTuple<'_>,
        ssrc: u32,
        first_sequence: u16,
        first_timestamp: u32,
        needs_continuity: bool,
        longest_pause: Option<f64>,
        plays_digits: bool,
    ) -> PyResult<()> {
        let (source, sink) = (leg_codec(&source)?, leg_codec(&sink)?);
        let config = Config {
            ssrc,
            first_sequence,
            first_timestamp,
            longest_pause,
            stage: StageSettings {
                needs_continuity,
                plays_digits,
                effort: Effort::new(self.core()?.settings().complexity),
                ..StageSettings::default()
            },
            ..Config::new(source, sink)
        };
        let pipeline = Pipeline::new(config, monotonic()).map_err(codec_failed)?;
        self.change(|leg| leg.pipeline = Some(pipeline));
        Ok(())
    }

    /// The stream ends.
    fn end(&self) {
        self.change(|leg| leg.pipeline = None);
    }

    /// See `Pipeline`.
    fn set_codecs(&self, source: LegTuple<'_>, sink: LegTuple<'_>) -> PyResult<()> {
        let (source, sink) = (leg_codec(&source)?, leg_codec(&sink)?);
        let result = self.with_pipeline(|pipeline| pipeline.set_codecs(source, sink));
        result.unwrap_or(Ok(())).map_err(codec_failed)
    }

    /// See `Pipeline`.
    fn change_source(&self, source: LegTuple<'_>, longest_pause: Option<f64>) -> PyResult<()> {
        let source = leg_codec(&source)?;
        let change = |pipeline: &mut Pipeline| pipeline.change_source(source, longest_pause);
        self.with_pipeline(change).unwrap_or(Ok(())).map_err(codec_failed)
    }

    /// See `Pipeline`.
    fn set_muted(&self, is_muted: bool) {
        self.with_pipeline(|pipeline| pipeline.set_muted(is_muted));
    }

    /// See `Pipeline`.
    fn play(&self, sound: Option<PyRef<'_, NativeSound>>) {
        let sound = sound.map(|sound| Sound::clone(&sound.sound));
        self.with_pipeline(|pipeline| pipeline.play(sound));
    }

    /// See `Pipeline`.
    #[getter]
    fn takes_digits(&self) -> bool {
        self.cell.lock().pipeline.as_ref().is_some_and(Pipeline::takes_digits)
    }

    /// Send digits; the event `digits_sent` names the ticket that comes back. ValueError: something that is no digit, or
    /// too many of them.
    fn send_digits(&self, digits: &str, duration: f64, gap: f64) -> PyResult<u64> {
        let (now, ticket) = (monotonic(), self.core()?.token());
        let sent = self
            .with_pipeline(|pipeline| pipeline.send_digits(digits, duration, gap, now))
            .ok_or_else(|| PyValueError::new_err("nothing is sent to this leg"))?;
        let due = sent.map_err(digits_refused)?;
        self.change(|leg| leg.tickets.push((due, ticket)));
        Ok(ticket)
    }

    // Numbers

    /// Packets and bytes sent, datagrams not taken, round trip in seconds or None.
    fn sent(&self) -> (u64, u64, u64, Option<f64>) {
        let leg = self.cell.lock();
        let counters = leg.out.counters;
        let round_trip = leg.rtcp.as_ref().and_then(RtcpSession::round_trip);
        (
            counters.packets_sent,
            counters.bytes_sent,
            counters.packets_rejected,
            round_trip,
        )
    }

    /// Packets and bytes that came in, packets lost, jitter in seconds.
    fn received(&self) -> (u64, u64, i64, f64) {
        let leg = self.cell.lock();
        let reception = &leg.judge.meter.reception;
        (
            reception.packets_received(),
            reception.bytes_received(),
            reception.packets_lost(),
            reception.jitter(),
        )
    }

    /// How good it is: see `gateway.media.quality`.
    fn quality(&self) -> LegQuality {
        LegQuality::from(self.cell.verdict())
    }

    /// How good it was in each of the last seconds, oldest first: see `gateway.media.quality.Sample`.
    fn history(&self) -> Vec<SampleTuple> {
        self.cell.history().iter().map(sample).collect()
    }

    /// Release sockets and all that is in the tables. Idempotent.
    fn close(&self) {
        if let Some(core) = self.core.upgrade() {
            core.browsers.remove(&self.cell);
            core.ignore(&self.cell);
        }
        self.cell.close();
    }
}

impl Drop for NativeLeg {
    fn drop(&mut self) {
        self.close();
    }
}

/// Numbers in [0, 1) that spread reports over time; nothing depends on nobody guessing them (xorshift).
fn spread(seed: u64) -> impl FnMut() -> f64 + Send {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}
