//! The workers, and what they report.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::leg::NativeLeg;
use super::values::{Address, address, os_error, socket_address};
use crate::core::{Core, Event, Path, REASONS, Route, Settings, What};

/// Threads that move packets, and the socket that all browsers share. One a process.
#[pyclass(frozen, module = "gateway.media._native")]
pub struct NativeCore {
    core: Arc<Core>,
}

#[pymethods]
impl NativeCore {
    /// Bind the shared sockets and start the threads.
    ///
    /// Args: `workers` threads; seconds of a `tick`; `addresses` that browsers reach us at; seconds of `consent_timeout`;
    /// `complexity` of opus encoders, 0 to 10, or None for what suits voice and load;
    /// whether the threads are to go before others (`realtime`).
    #[new]
    #[pyo3(signature = (*, workers, tick, addresses, consent_timeout, complexity=None, realtime=false))]
    fn new(
        workers: usize,
        tick: f64,
        addresses: Vec<Address>,
        consent_timeout: f64,
        complexity: Option<u8>,
        realtime: bool,
    ) -> PyResult<Self> {
        let addresses = addresses.iter().map(socket_address).collect::<PyResult<_>>()?;
        let settings = Settings {
            workers,
            tick,
            addresses,
            consent_timeout,
            complexity,
            realtime,
        };
        Ok(Self {
            core: Core::start(settings).map_err(os_error)?,
        })
    }

    /// Readable while there is something to `drain`.
    #[getter]
    fn event_fd(&self) -> i32 {
        self.core.events.descriptor()
    }

    /// What has happened: (token of the leg, name of what, then what belongs to it), in order.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let events = PyList::empty(py);
        for event in self.core.events.drain() {
            events.append(to_tuple(py, event)?)?;
        }
        Ok(events)
    }

    /// Events that were dropped because nobody took them.
    #[getter]
    fn events_dropped(&self) -> u64 {
        self.core.events.dropped()
    }

    /// Datagrams that were not taken: for reasons `source`, `srtp`, `not_rtp`, `payload_type`.
    fn rejected(&self) -> [u64; REASONS] {
        self.core.rejected()
    }

    /// Whether the threads go before every ordinary one of the machine: they were to, and may.
    #[getter]
    fn is_first(&self) -> bool {
        self.core.is_first()
    }

    /// For each thread, which share of the last second it was at work: 0 to 1.
    fn busy(&self) -> Vec<f64> {
        self.core.load.shares()
    }

    /// A number that no leg, generation or ticket has.
    fn token(&self) -> u64 {
        self.core.token()
    }

    /// A leg with sockets of its own; seconds that its far end may be silent, zero for ever.
    fn trunk_leg(&self, silence_timeout: f64) -> NativeLeg {
        NativeLeg::new(&self.core, Route::None, silence_timeout)
    }

    /// A leg on the shared sockets.
    fn browser_leg(&self) -> NativeLeg {
        NativeLeg::new(&self.core, Route::Path(Path::default()), 0.0)
    }

    /// End the threads. Idempotent.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.core.stop());
    }
}

fn to_tuple<'py>(py: Python<'py>, event: Event) -> PyResult<Bound<'py, PyTuple>> {
    let leg = event.leg;
    match event.what {
        What::Handshake {
            component,
            source,
            datagram,
        } => (
            leg,
            "handshake",
            component,
            PyBytes::new(py, &datagram),
            address(source),
        )
            .into_pyobject(py),
        What::Path {
            generation,
            address: ours,
            remote,
        } => (leg, "path", generation, ours, address(remote)).into_pyobject(py),
        What::ConsentLost { generation } => (leg, "consent_lost", generation).into_pyobject(py),
        What::Silent => (leg, "silent").into_pyobject(py),
        What::Digit { digit, duration } => (leg, "digit", digit, duration).into_pyobject(py),
        What::DigitsSent { ticket } => (leg, "digits_sent", ticket).into_pyobject(py),
        What::Heard => (leg, "heard").into_pyobject(py),
        What::FirstReceived { payload_type } => (leg, "first_received", payload_type).into_pyobject(py),
        What::FirstSent { payload_type } => (leg, "first_sent", payload_type).into_pyobject(py),
        What::Report { is_inbound, packet } => (leg, "report", is_inbound, PyBytes::new(py, &packet)).into_pyobject(py),
        What::Warning { warning, is_raised } => (leg, "warning", warning.name(), is_raised).into_pyobject(py),
        What::Crashed => (leg, "crashed").into_pyobject(py),
    }
}
