//! Any datagram is an RTP packet or it is not, and is counted whatever its header says.
#![no_main]

use _native::quality::Meter;
use _native::quality::level::Law;
use _native::rtp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut meter = Meter::new("PCMU", 8000, 0.0);
    let mut now = 0.0;
    // A stream: each datagram begins with its length.
    let mut rest = data;
    while let [size, tail @ ..] = rest {
        let (datagram, next) = tail.split_at(usize::from(*size).min(tail.len()));
        rest = next;
        now += 0.02;
        let Ok(packet) = rtp::parse(datagram) else { continue };
        assert!(packet.payload.len() + rtp::HEADER_SIZE <= datagram.len());
        let header = packet.header;
        meter.receive(
            header.ssrc,
            header.sequence,
            header.timestamp,
            packet.payload.len(),
            now,
        );
        meter.level.g711_frame(packet.payload, Law::Mu, now);
    }
    let quality = meter.quality(None, None);
    assert!(quality.loss.is_none_or(|loss| (0.0..=1.0).contains(&loss)));
    assert!(quality.rating.is_none_or(|rating| (1.0..=4.5).contains(&rating.mos)));
    meter.reception.report();
});
