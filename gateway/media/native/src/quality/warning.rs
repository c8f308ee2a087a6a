//! What is wrong with a leg's media although its signalling is fine, by name.

/// Seconds of packets without any sound that are worth a warning.
pub const NO_SOUND_AFTER: f64 = 15.0;

/// Seconds of packets in one direction only that are worth a warning.
pub const ONE_WAY_AFTER: f64 = 5.0;

/// Seconds from the first path to the end of the DTLS handshake that are worth a warning.
pub const DTLS_LATE_AFTER: f64 = 5.0;

/// Fraction of the packets, lost over [`LOSS_WINDOW`], that is worth a warning; half of it takes the warning back.
pub const HIGH_LOSS: f64 = 0.05;

/// Seconds over which loss is judged.
pub const LOSS_WINDOW: usize = 10;

/// Packets in the window without which loss is no trend: four seconds of them.
const MIN_EXPECTED: i64 = 200;

/// Seconds of jitter that are worth a warning when they last.
pub const HIGH_JITTER: f64 = 0.050;

/// Seconds that high jitter lasts before there is a warning.
pub const HIGH_JITTER_AFTER: f64 = 10.0;

/// Seconds without a packet after which a stream does not flow any more.
const FLOW_ENDS_AFTER: f64 = 2.0;

/// Something to warn of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Warning {
    /// Packets come in, and all of them are silence.
    NoSound,
    /// We send to the far end and nothing comes back.
    NothingReceived,
    /// The far end sends, and we have nothing to send to it.
    NothingSent,
    /// ICE has a path, and the DTLS handshake does not come to an end on it.
    DtlsLate,
    /// Many packets do not come in.
    HighLoss,
    /// Packets come in at a very uneven pace.
    HighJitter,
}

impl Warning {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoSound,
        Self::NothingReceived,
        Self::NothingSent,
        Self::DtlsLate,
        Self::HighLoss,
        Self::HighJitter,
    ];

    /// The name under which logs, call records and metrics know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSound => "no_sound",
            Self::NothingReceived => "nothing_received",
            Self::NothingSent => "nothing_sent",
            Self::DtlsLate => "dtls_late",
            Self::HighLoss => "high_loss",
            Self::HighJitter => "high_jitter",
        }
    }
}

/// What is known of a leg at one moment. Times are seconds of the caller's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Observed {
    /// When ICE had its first path; `None` before, and for a leg without ICE.
    pub path_found: Option<f64>,
    /// Whether packets can be encrypted and opened; always for a leg without DTLS.
    pub is_secured: bool,
    /// Whether our description says that we send, and that we receive (no hold).
    pub should_send: bool,
    /// See `should_send`.
    pub should_receive: bool,
    /// When the last packet came.
    pub last_received: Option<f64>,
    /// When the last packet was sent.
    pub last_sent: Option<f64>,
    /// When anything but silence came last; `None` when it is not measured.
    pub last_anything: Option<Option<f64>>,
    /// Packets that should have come so far, and those of them that did not.
    pub packets: (i64, i64),
    /// Interarrival jitter in seconds.
    pub jitter: Option<f64>,
}

/// The warnings of one leg: each is raised once, and cleared when what it is about has passed.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    receiving_since: Option<f64>,
    sending_since: Option<f64>,
    uneven_since: Option<f64>,
    loss: RecentLoss,
    raised: [bool; Warning::ALL.len()],
    ever: [bool; Warning::ALL.len()],
}

impl Watch {
    /// Look at the leg, about once a second; `changed` is told of each warning that is raised (true) or cleared (false).
    pub fn look(&mut self, now: f64, observed: &Observed, mut changed: impl FnMut(Warning, bool)) {
        let flows = |last: Option<f64>| last.is_some_and(|last| now - last < FLOW_ENDS_AFTER);
        let (receives, sends) = (flows(observed.last_received), flows(observed.last_sent));
        since(&mut self.receiving_since, receives && observed.should_receive, now);
        since(&mut self.sending_since, sends && observed.should_send, now);
        let is_uneven = receives && observed.jitter.is_some_and(|jitter| jitter > HIGH_JITTER);
        since(&mut self.uneven_since, is_uneven, now);
        self.loss.note(now, observed.packets);
        for (index, warning) in Warning::ALL.into_iter().enumerate() {
            let is_wrong = match warning {
                Warning::NoSound => self.has_no_sound(now, observed),
                Warning::NothingReceived => {
                    observed.should_receive && is_one_way(now, self.sending_since, observed.last_received)
                }
                Warning::NothingSent => {
                    observed.should_send && is_one_way(now, self.receiving_since, observed.last_sent)
                }
                Warning::HighLoss => receives && self.loss.is_high(self.raised[index]),
                Warning::HighJitter => has_lasted(self.uneven_since, now, HIGH_JITTER_AFTER),
                Warning::DtlsLate => !observed.is_secured && has_lasted(observed.path_found, now, DTLS_LATE_AFTER),
            };
            if is_wrong != self.raised[index] {
                self.raised[index] = is_wrong;
                self.ever[index] |= is_wrong;
                changed(warning, is_wrong);
            }
        }
    }

    fn has_no_sound(&self, now: f64, observed: &Observed) -> bool {
        let (Some(since), Some(last)) = (self.receiving_since, observed.last_anything) else {
            return false;
        };
        now - last.map_or(since, |last| last.max(since)) >= NO_SOUND_AFTER
    }

    /// Each warning that was raised at some time, for the call record.
    pub fn ever_raised(&self) -> impl Iterator<Item = Warning> + use<> {
        of(self.ever)
    }

    /// Those that stand now.
    pub fn raised(&self) -> impl Iterator<Item = Warning> + use<> {
        of(self.raised)
    }
}

fn of(flags: [bool; Warning::ALL.len()]) -> impl Iterator<Item = Warning> {
    let all = Warning::ALL.into_iter().zip(flags);
    all.filter(|(_, is_set)| *is_set).map(|(warning, _)| warning)
}

/// Totals of the last seconds, one a second.
#[derive(Clone, Debug, Default)]
struct RecentLoss {
    totals: [(i64, i64); LOSS_WINDOW],
    count: usize,
    noted: f64,
    /// Due and lost in the window.
    within: (i64, i64),
}

impl RecentLoss {
    fn note(&mut self, now: f64, totals: (i64, i64)) {
        if self.count > 0 && now - self.noted < 0.9 {
            return;
        }
        self.noted = now;
        let oldest = self.totals[if self.count < LOSS_WINDOW {
            0
        } else {
            self.count % LOSS_WINDOW
        }];
        self.totals[self.count % LOSS_WINDOW] = totals;
        self.count += 1;
        self.within = (totals.0 - oldest.0, totals.1 - oldest.1);
    }

    /// `was_high`: it was the last time.
    fn is_high(&self, was_high: bool) -> bool {
        let (expected, lost) = self.within;
        let limit = if was_high { HIGH_LOSS / 2.0 } else { HIGH_LOSS };
        self.count > LOSS_WINDOW && expected >= MIN_EXPECTED && lost as f64 > limit * expected as f64
    }
}

fn since(moment: &mut Option<f64>, holds: bool, now: f64) {
    *moment = holds.then(|| moment.unwrap_or(now));
}

/// Whether one direction has flowed since then, and the other, of which this is the last packet, has not.
fn is_one_way(now: f64, flows_since: Option<f64>, other: Option<f64>) -> bool {
    has_lasted(
        flows_since.map(|since| other.map_or(since, |last| last.max(since))),
        now,
        ONE_WAY_AFTER,
    )
}

fn has_lasted(since: Option<f64>, now: f64, seconds: f64) -> bool {
    since.is_some_and(|since| now - since >= seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both directions flow, all is well.
    fn fine(now: f64) -> Observed {
        Observed {
            path_found: Some(0.0),
            is_secured: true,
            should_send: true,
            should_receive: true,
            last_received: Some(now),
            last_sent: Some(now),
            last_anything: Some(Some(now)),
            packets: ((50.0 * now) as i64, 0),
            jitter: Some(0.002),
        }
    }

    /// What changes in so many seconds of which each looks like that: second, warning, raised or cleared.
    fn watched(seconds: u32, look: impl Fn(f64) -> Observed) -> Vec<(u32, Warning, bool)> {
        let mut watch = Watch::default();
        let mut changes = Vec::new();
        for second in 0..seconds {
            let now = f64::from(second);
            watch.look(now, &look(now), |warning, is_raised| {
                changes.push((second, warning, is_raised))
            });
        }
        changes
    }

    #[test]
    fn good_call_has_no_warning() {
        assert_eq!(watched(120, fine), []);
    }

    #[test]
    fn packets_without_sound_are_warned_of_once_and_forgiven_by_sound() {
        let silent = |now: f64| Observed {
            last_anything: Some((now >= 40.0).then_some(now)),
            ..fine(now)
        };

        assert_eq!(
            watched(60, silent),
            [(15, Warning::NoSound, true), (40, Warning::NoSound, false)]
        );
    }

    #[test]
    fn sound_that_stops_is_warned_of_as_well() {
        let falls_silent = |now: f64| Observed {
            last_anything: Some(Some(now.min(30.0))),
            ..fine(now)
        };

        assert_eq!(watched(60, falls_silent), [(45, Warning::NoSound, true)]);
    }

    #[test]
    fn silence_is_no_wonder_without_packets_or_without_a_measurement() {
        let unmeasured = |now: f64| Observed {
            last_anything: None,
            ..fine(now)
        };
        let held = |now: f64| Observed {
            last_anything: Some(None),
            last_received: None,
            should_receive: false,
            ..fine(now)
        };

        assert_eq!(watched(60, unmeasured), []);
        assert_eq!(watched(60, held), []);
    }

    #[test]
    fn leg_that_only_receives_or_only_sends_is_warned_of() {
        let deaf = |now: f64| Observed {
            last_received: None,
            last_anything: Some(None),
            ..fine(now)
        };
        let mute = |now: f64| Observed {
            last_sent: None,
            ..fine(now)
        };

        assert_eq!(watched(30, deaf), [(5, Warning::NothingReceived, true)]);
        assert_eq!(watched(30, mute), [(5, Warning::NothingSent, true)]);
    }

    #[test]
    fn leg_on_hold_may_be_one_way_and_an_idle_one_may_be_still() {
        let held = |now: f64| Observed {
            should_receive: false,
            last_received: None,
            ..fine(now)
        };
        let idle = |now: f64| Observed {
            last_sent: None,
            last_received: None,
            ..fine(now)
        };

        assert_eq!(watched(30, held), []);
        assert_eq!(watched(30, idle), []);
    }

    #[test]
    fn a_gap_of_four_seconds_in_a_long_call_is_no_one_way_media() {
        let with_gap = |now: f64| Observed {
            last_received: Some(if (30.0..34.0).contains(&now) { 29.0 } else { now }),
            ..fine(now)
        };
        assert_eq!(watched(60, with_gap), []);

        let stops = |now: f64| Observed {
            last_received: Some(now.min(30.0)),
            ..fine(now)
        };
        assert_eq!(watched(60, stops), [(35, Warning::NothingReceived, true)]);
    }

    #[test]
    fn direction_that_comes_back_clears_its_warning() {
        let late = |now: f64| Observed {
            last_received: (now >= 10.0).then_some(now),
            ..fine(now)
        };

        assert_eq!(
            watched(30, late),
            [
                (5, Warning::NothingReceived, true),
                (10, Warning::NothingReceived, false)
            ]
        );
    }

    #[test]
    fn dtls_that_is_not_through_five_seconds_after_ice_is_warned_of() {
        let still = Observed {
            path_found: Some(2.0),
            is_secured: false,
            ..Observed::default()
        };
        let slow = |now: f64| Observed {
            is_secured: now >= 9.0,
            ..still
        };

        assert_eq!(
            watched(20, slow),
            [(7, Warning::DtlsLate, true), (9, Warning::DtlsLate, false)]
        );
        assert_eq!(
            watched(20, |_| Observed {
                path_found: None,
                ..still
            }),
            []
        );
    }

    #[test]
    fn loss_that_lasts_is_warned_of_and_half_of_it_still_counts() {
        // A tenth is lost for 20 s, then 3 of a hundred for 20 s, then nothing
        let lossy = |now: f64| Observed {
            packets: (
                (100.0 * now) as i64,
                (10.0 * now.min(20.0) + 3.0 * (now - 20.0).clamp(0.0, 20.0)) as i64,
            ),
            ..fine(now)
        };

        let changes = watched(60, lossy);

        assert_eq!(
            changes
                .iter()
                .map(|(_, warning, raised)| (*warning, *raised))
                .collect::<Vec<_>>(),
            [(Warning::HighLoss, true), (Warning::HighLoss, false)]
        );
        assert_eq!((changes[0].0, changes[1].0), (10, 42));
    }

    #[test]
    fn one_burst_of_loss_is_no_trend() {
        let burst = |now: f64| Observed {
            packets: ((50.0 * now) as i64, if now < 20.0 { 0 } else { 20 }),
            ..fine(now)
        };

        assert_eq!(watched(60, burst), []);
    }

    #[test]
    fn jitter_is_warned_of_when_it_lasts() {
        let uneven = |now: f64| Observed {
            jitter: Some(if (5.0..8.0).contains(&now) || (20.0..40.0).contains(&now) {
                0.08
            } else {
                0.01
            }),
            ..fine(now)
        };

        assert_eq!(
            watched(60, uneven),
            [(30, Warning::HighJitter, true), (40, Warning::HighJitter, false)]
        );
    }

    #[test]
    fn warnings_of_the_past_are_remembered_by_name() {
        let mut watch = Watch::default();
        for second in 0..20 {
            let now = f64::from(second);
            let observed = Observed {
                last_sent: (second > 10).then_some(now),
                ..fine(now)
            };
            watch.look(now, &observed, |_, _| ());
        }

        assert_eq!(
            watch.ever_raised().map(Warning::name).collect::<Vec<_>>(),
            ["nothing_sent"]
        );
    }
}
