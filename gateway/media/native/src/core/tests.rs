//! Two trunks, a call between them, and the threads that carry it: real sockets on loopback.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use super::load::Watch;
use super::{Core, Event, LegCell, Pair, Reason, Route, Settings, What};
use crate::codec::opus::EXPECTED_LOSS_PERCENT;
use crate::pipeline::codec::{Codec, LegCodec, Name};
use crate::pipeline::{Config, Pipeline};
use crate::rtcp::{self, Packet, ReportBlock, RtcpSession};
use crate::rtp::{self, Header};
use crate::source_lock::SourceLock;
use crate::sys::monotonic;

const EVENT: u8 = 101;

/// A far end, and the leg that it talks to.
struct Trunk {
    socket: UdpSocket,
    leg: Arc<LegCell>,
    ours: SocketAddr,
    ssrc: u32,
}

fn bound() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

impl Trunk {
    fn new(core: &Core, ssrc: u32, silence_timeout: f64) -> Self {
        let (socket, rtp, rtcp) = (bound(), bound(), bound());
        let ours = rtp.local_addr().unwrap();
        rtp.set_nonblocking(true).unwrap();
        rtcp.set_nonblocking(true).unwrap();
        let (rtp, rtcp) = (Arc::new(rtp), Arc::new(rtcp));
        let mut pair = Pair::new(Arc::clone(&rtp), Arc::clone(&rtcp));
        pair.rtp_lock = SourceLock::new(Some(socket.local_addr().unwrap()), false);
        let leg = core.leg(Route::Pair(Box::new(pair)), silence_timeout);
        leg.change(core, |leg| {
            leg.out.keys.set_plain();
            leg.out.may_send = true;
            leg.may_receive = true;
            leg.payload_types = 1 | 1 << EVENT;
            leg.silence.since = monotonic();
        });
        core.listen(&leg, rtp, 0).unwrap();
        core.listen(&leg, rtcp, 1).unwrap();
        Self {
            socket,
            leg,
            ours,
            ssrc,
        }
    }

    fn send(&self, payload_type: u8, sequence: u16, payload: &[u8]) {
        self.send_at(160 * u32::from(sequence), payload_type, sequence, payload);
    }

    fn send_at(&self, timestamp: u32, payload_type: u8, sequence: u16, payload: &[u8]) {
        let header = Header {
            payload_type,
            sequence,
            timestamp,
            ssrc: self.ssrc,
            marker: false,
        };
        let mut datagram = Vec::new();
        rtp::write(&header, payload, &mut datagram);
        self.socket.send_to(&datagram, self.ours).unwrap();
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 2000];
        let size = self.socket.recv(&mut buffer).unwrap();
        rtp::parse(&buffer[..size]).unwrap().payload.to_vec()
    }
}

fn started() -> Arc<Core> {
    let addresses = vec!["127.0.0.1:0".parse().unwrap()];
    Core::start(Settings {
        complexity: None,
        realtime: true,
        workers: 2,
        tick: 0.001,
        addresses,
        consent_timeout: 30.0,
    })
    .unwrap()
}

fn codec() -> LegCodec {
    LegCodec {
        codec: Codec::new(Name::Pcmu, 0),
        telephone_event: Some((EVENT, 8000)),
    }
}

fn connect(core: &Core, a: &Trunk, b: &Trunk) {
    for (to, from) in [(a, b), (b, a)] {
        to.leg.connect(Arc::downgrade(&from.leg), core);
        let config = Config {
            ssrc: 9,
            ..Config::new(codec(), codec())
        };
        let pipeline = Pipeline::new(config, monotonic()).unwrap();
        to.leg.change(core, |leg| leg.pipeline = Some(pipeline));
    }
}

/// Events up to and with the first that is wanted.
fn until(core: &Core, is_wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    let end = monotonic() + 20.0;
    while !events.iter().any(&is_wanted) {
        assert!(monotonic() < end, "{events:?}");
        events.extend(core.events.drain());
        std::thread::yield_now();
    }
    events
}

#[test]
fn packets_cross_a_call_both_ways_and_are_counted() {
    let core = started();
    let (a, b) = (Trunk::new(&core, 1, 0.0), Trunk::new(&core, 2, 0.0));
    connect(&core, &a, &b);

    for sequence in 1..=20 {
        a.send(0, sequence, &[sequence as u8; 160]);
        b.send(0, sequence, &[0x80 | sequence as u8; 160]);
    }

    for sequence in 1..=20 {
        assert_eq!(b.receive(), [sequence; 160]);
        assert_eq!(a.receive(), [0x80 | sequence; 160]);
    }
    for trunk in [&a, &b] {
        let leg = trunk.leg.lock();
        assert_eq!(
            (
                leg.judge.meter.reception.packets_received(),
                leg.out.counters.packets_sent
            ),
            (20, 20)
        );
    }
    core.stop();
}

#[test]
fn strangers_are_counted_and_not_heard() {
    let core = started();
    let (a, b) = (Trunk::new(&core, 1, 0.0), Trunk::new(&core, 2, 0.0));
    connect(&core, &a, &b);
    a.send(0, 1, &[1; 160]);
    b.receive();

    let stranger = bound();
    for _ in 0..10 {
        stranger.send_to(&[0x80; 172], a.ours).unwrap();
    }
    a.send(0, 2, &[2; 160]);

    assert_eq!(b.receive(), [2; 160]);
    assert_eq!(a.leg.lock().out.counters.packets_rejected, 10);
    assert_eq!(core.rejected()[Reason::Source as usize], 10);
    core.stop();
}

#[test]
fn a_digit_crosses_and_is_reported_once() {
    let core = started();
    let (a, b) = (Trunk::new(&core, 1, 0.0), Trunk::new(&core, 2, 0.0));
    connect(&core, &a, &b);

    for (sequence, event) in [(1, [7, 10, 0, 160]), (2, [7, 0x8A, 3, 32]), (3, [7, 0x8A, 3, 32])] {
        a.send_at(160, EVENT, sequence, &event);
    }
    a.send_at(1600, EVENT, 4, &[8, 0x8A, 3, 32]);

    let events = until(&core, |event| matches!(event.what, What::Digit { digit: '8', .. }));
    let digits: Vec<_> = events
        .iter()
        .filter_map(|event| match event.what {
            What::Digit { digit, .. } => Some((event.leg, digit)),
            _ => None,
        })
        .collect();
    assert_eq!(digits, [(a.leg.token, '7'), (a.leg.token, '8')]);
    assert_eq!(b.receive()[0], 7);
    core.stop();
}

#[test]
fn a_trunk_that_is_silent_for_too_long_is_reported_once() {
    let core = started();
    let (a, b) = (Trunk::new(&core, 1, 0.05), Trunk::new(&core, 2, 0.0));
    connect(&core, &a, &b);

    let events = until(&core, |event| event.what == What::Silent);

    assert_eq!(events.last().map(|event| event.leg), Some(a.leg.token));
    assert!(a.leg.lock().silence.has_failed);
    core.stop();
}

#[test]
fn a_leg_that_is_connected_anew_is_heard_by_another() {
    let core = started();
    let (a, b, c) = (
        Trunk::new(&core, 1, 0.0),
        Trunk::new(&core, 2, 0.0),
        Trunk::new(&core, 3, 0.0),
    );
    connect(&core, &a, &b);
    a.send(0, 1, &[1; 160]);
    b.receive();

    connect(&core, &a, &c);
    a.send(0, 2, &[2; 160]);

    assert_eq!(c.receive(), [2; 160]);
    assert_eq!(a.leg.lock().judge.meter.reception.packets_received(), 1);
    core.stop();
}

#[test]
fn nothing_comes_out_of_a_closed_leg() {
    let core = started();
    let (a, b) = (Trunk::new(&core, 1, 0.0), Trunk::new(&core, 2, 0.0));
    connect(&core, &a, &b);
    let ours = Arc::downgrade(&a.leg);

    core.ignore(&a.leg);
    a.leg.close();
    a.send(0, 1, &[1; 160]);
    b.send(0, 1, &[2; 160]);
    drop(a.leg);

    b.socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(b.socket.recv(&mut [0; 2000]).is_err());
    core.stop();
    assert_eq!(ours.strong_count(), 0);
}

#[test]
fn what_a_far_end_says_it_loses_is_what_it_is_protected_against() {
    let core = started();
    let (a, b) = (Trunk::new(&core, 1, 0.0), Trunk::new(&core, 2, 0.0));
    connect(&core, &a, &b);
    a.leg.change(&core, |leg| {
        leg.rtcp = Some(RtcpSession::new(9, "gateway", monotonic(), 1.8e9, Box::new(|| 0.5)));
        let Route::Pair(pair) = &mut leg.out.route else {
            panic!("a pair of ports")
        };
        pair.is_mux = true;
    });
    let expected = || a.leg.lock().pipeline.as_ref().unwrap().expected_loss();
    assert_eq!(expected(), EXPECTED_LOSS_PERCENT);

    let block = ReportBlock {
        ssrc: 9,
        fraction_lost: 51,
        ..ReportBlock::default()
    };
    let mut report = Vec::new();
    let blocks = vec![block];
    rtcp::write(&[Packet::ReceiverReport { ssrc: 1, blocks }], &mut report).unwrap();
    a.socket.send_to(&report, a.ours).unwrap();

    let end = monotonic() + 20.0;
    while expected() != 20 {
        assert!(monotonic() < end, "{}", expected());
        std::thread::yield_now();
    }
    core.stop();
}

#[test]
fn encoders_go_along_with_the_load_of_the_workers() {
    let core = started();
    let (a, b) = (Trunk::new(&core, 1, 0.0), Trunk::new(&core, 2, 0.0));
    connect(&core, &a, &b);
    let opus = LegCodec {
        codec: Codec::new(Name::Opus, 96),
        telephone_event: None,
    };
    b.leg
        .with_pipeline(&core, |pipeline| pipeline.set_codecs(codec(), opus))
        .unwrap()
        .unwrap();
    let mut watch = Watch::new(0, 0.0);
    let mut seen = Vec::new();
    for (began, ended) in [(0.0, 1.5), (1.6, 1.7), (3.2, 3.2)] {
        watch.worked(began, ended, &core.load);
        b.leg.look(monotonic(), &core);
        let leg = b.leg.lock();
        seen.push(leg.pipeline.as_ref().unwrap().effort().is_scarce);
    }

    assert_eq!(seen, [true, true, false]);
}
