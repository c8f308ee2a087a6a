//! Both far ends of one call.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use _native::rtp;
use _native::srtp::{Protector, Suite, Unprotector};
use _native::stun::{BINDING, Class, Key, Message, Role, Writer};
use _native::sys;

use crate::config::{self, Config, Measure};
use crate::stream::{Ear, Seen, Sender, read_stamp};

/// Priority of a host candidate (RFC 8445 section 5.1.2.1), peer-reflexive as a check says it.
const PRIORITY: u32 = 0x6E7F_FFFF;

/// One end: its socket and its two streams.
pub struct End {
    /// Connected.
    pub socket: UdpSocket,
    /// What it sends.
    pub sender: Sender,
    /// What it has got, of the other end's.
    pub seen: Seen,
    /// The same, as a number within the window.
    pub received: u64,
    /// Arrived before.
    pub repeated: u64,
    /// Milliseconds.
    pub delays: Vec<f32>,
    ear: Option<Ear>,
}

/// A browser and a trunk that talk to each other.
pub struct Call {
    /// The browser.
    pub web: End,
    /// The trunk.
    pub sip: End,
    /// Not authentic, or not RTP.
    pub bad: u64,
    /// Answered, and answers.
    pub checks: u64,
    protector: Protector,
    unprotector: Unprotector,
    server_address: SocketAddr,
    check_name: Vec<u8>,
    local_key: Key,
    remote_key: Key,
    transaction: u64,
    reply: Vec<u8>,
}

impl Call {
    /// Take over the sockets of a call that has been set up.
    pub fn new(number: u32, call: &config::Call, config: &Config) -> io::Result<Self> {
        let suite = suite(&call.suite)?;
        let wrong = |error: &dyn ToString| io::Error::other(error.to_string());
        let (key, salt) = call.send_key.0.split_at(suite.key_len());
        let protector = Protector::new(suite, key, salt).map_err(|error| wrong(&error))?;
        let (key, salt) = call.receive_key.0.split_at(suite.key_len());
        let unprotector = Unprotector::new(suite, key, salt).map_err(|error| wrong(&error))?;
        let ear = |codec| (config.measure == Measure::Bursts).then(|| Ear::new(codec)).flatten();
        Ok(Self {
            web: End::new(call.web_fd, call.web_ssrc, ear(config.web.codec))?,
            sip: End::new(call.sip_fd, 0x2000_0000 + number, ear(config.sip.codec))?,
            bad: 0,
            checks: 0,
            protector,
            unprotector,
            server_address: call.server_address.parse().map_err(|error| wrong(&error))?,
            check_name: format!("{}:{}", call.remote_ufrag, call.local_ufrag).into_bytes(),
            local_key: Key::new(call.local_password.as_bytes()),
            remote_key: Key::new(call.remote_password.as_bytes()),
            transaction: u64::from(number) << 32,
            reply: Vec::new(),
        })
    }

    /// The browser says one packet.
    pub fn send_web(&mut self, config: &Config, now: f64, packet: &mut Vec<u8>) -> bool {
        self.web.sender.write(&config.web, config.measure, now, packet);
        self.protector.rtp(packet).is_ok() && self.web.socket.send(packet).is_ok()
    }

    /// The trunk says one packet.
    pub fn send_sip(&mut self, config: &Config, now: f64, packet: &mut Vec<u8>) -> bool {
        self.sip.sender.write(&config.sip, config.measure, now, packet);
        self.sip.socket.send(packet).is_ok()
    }

    /// Something came for the browser.
    pub fn receive_web(&mut self, packet: &mut Vec<u8>, now: f64, counts: bool) {
        match packet.first() {
            Some(0..=3) => self.receive_stun(packet),
            Some(128..=191) if !is_rtcp(packet) => {
                if self.unprotector.rtp(packet).is_err() {
                    self.bad += 1;
                    return;
                }
                self.bad += u64::from(!self.web.receive(&mut self.sip.sender, packet, now, counts));
            }
            _ => {} // DTLS and RTCP: nothing here waits for them
        }
    }

    /// Something came for the trunk.
    pub fn receive_sip(&mut self, packet: &[u8], now: f64, counts: bool) {
        if !is_rtcp(packet) {
            self.bad += u64::from(!self.sip.receive(&mut self.web.sender, packet, now, counts));
        }
    }

    fn receive_stun(&mut self, packet: &[u8]) {
        let Ok(message) = Message::parse(packet) else {
            self.bad += 1;
            return;
        };
        match message.class {
            Class::Request if message.is_authentic(&self.local_key) => {
                Writer::new(&mut self.reply, Class::Success, BINDING, &message.transaction)
                    .mapped_address(self.server_address)
                    .integrity(&self.local_key)
                    .fingerprint();
                self.checks += u64::from(self.web.socket.send(&self.reply).is_ok());
            }
            Class::Success if message.is_authentic(&self.remote_key) => self.checks += 1,
            Class::Indication => {}
            _ => self.bad += 1,
        }
    }

    /// Ask for consent (RFC 7675), which nominates the pair again.
    pub fn check(&mut self) -> bool {
        self.transaction += 1;
        let mut transaction = [0; 12];
        transaction[4..].copy_from_slice(&self.transaction.to_be_bytes());
        Writer::new(&mut self.reply, Class::Request, BINDING, &transaction)
            .username(&self.check_name)
            .priority(PRIORITY)
            .role(Role::Controlling(u64::MAX))
            .use_candidate()
            .integrity(&self.remote_key)
            .fingerprint();
        self.web.socket.send(&self.reply).is_ok()
    }
}

impl End {
    fn new(fd: i32, ssrc: u32, ear: Option<Ear>) -> io::Result<Self> {
        let socket = sys::udp_socket_from_raw(fd)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            sender: Sender::new(ssrc),
            seen: Seen::default(),
            received: 0,
            repeated: 0,
            delays: Vec::new(),
            ear,
        })
    }

    /// A packet of the other end's; False when it is none.
    fn receive(&mut self, from: &mut Sender, packet: &[u8], now: f64, counts: bool) -> bool {
        let Ok(packet) = rtp::parse(packet) else { return false };
        self.received += u64::from(counts);
        if let Some(ear) = &mut self.ear {
            if ear.is_onset(packet.payload)
                && let Some(at) = from.burst_at.take().filter(|_| counts)
            {
                self.delays.push(((now - at) * 1000.0) as f32);
            }
        } else if let Some((number, at)) = read_stamp(packet.payload) {
            let is_new = self.seen.note(number);
            self.repeated += u64::from(!is_new);
            if is_new && counts {
                self.delays.push(((now - at) * 1000.0) as f32);
            }
        }
        true
    }
}

/// RTCP on an RTP port (RFC 5761 section 4).
fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet.get(1), Some(192..=223))
}

fn suite(name: &str) -> io::Result<Suite> {
    match name {
        "AES_CM_128_HMAC_SHA1_80" => Ok(Suite::AesCm128HmacSha1_80),
        "AEAD_AES_128_GCM" => Ok(Suite::AeadAes128Gcm),
        _ => Err(io::Error::other(format!("unknown SRTP suite {name}"))),
    }
}
