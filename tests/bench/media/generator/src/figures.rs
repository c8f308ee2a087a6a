//! What a run has shown, as one JSON document on standard output.

use serde::Serialize;

/// Of one direction.
#[derive(Default, Serialize)]
pub struct Direction {
    /// Packets that left in the window.
    pub sent: u64,
    /// Those of them that arrived (stamps), or packets that arrived in the window (counts, bursts).
    pub received: u64,
    /// Of what was stamped: arrived more than once.
    pub repeated: u64,
    /// Delays that were measured.
    pub delays: usize,
    /// Milliseconds, median.
    pub delay_p50: Option<f64>,
    /// Milliseconds.
    pub delay_p99: Option<f64>,
}

/// Of a whole run.
#[derive(Serialize)]
pub struct Figures {
    /// From browsers to the trunk.
    pub web_to_sip: Direction,
    /// From the trunk to browsers.
    pub sip_to_web: Direction,
    /// Seconds of the window, as they were.
    pub seconds: f64,
    /// Processor time of the server in the window, seconds.
    pub server_cpu: f64,
    /// Processor time of this process so far, seconds.
    pub generator_cpu: f64,
    /// Resident bytes of the server at the end of the window.
    pub server_memory: u64,
    /// How late packets left, milliseconds: 99 of a hundred were less.
    pub late_p99: f64,
    /// The latest.
    pub late_max: f64,
    /// Packets that the kernel did not take.
    pub send_errors: u64,
    /// Packets that were not authentic, or not RTP.
    pub bad: u64,
    /// Checks of the server that were answered, and answers to ours.
    pub checks: u64,
}

/// The value below which that share of the values lies; sorts them.
pub fn percentile(values: &mut [f32], share: f64) -> Option<f64> {
    values.sort_by(f32::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(f64::from(values[((values.len() as f64 * share) as usize).min(last)]))
}

impl Direction {
    /// With the delays, in milliseconds.
    pub fn with_delays(mut self, mut delays: Vec<f32>) -> Self {
        self.delays = delays.len();
        self.delay_p50 = percentile(&mut delays, 0.5);
        self.delay_p99 = percentile(&mut delays, 0.99);
        self
    }
}
