//! What the benchmark wants, as one JSON document on standard input.

use serde::Deserialize;

/// A whole run.
#[derive(Deserialize)]
pub struct Config {
    /// Whether to look for packets all the time instead of sleeping until one comes. A generator that sleeps has the
    /// server pay for waking it.
    pub spins: bool,
    /// Seconds of talk that do not count.
    pub warm_up: f64,
    /// Seconds that do.
    pub seconds: f64,
    /// Process whose processor time is read at both ends of the window.
    pub server: u32,
    /// How delay and loss are told.
    pub measure: Measure,
    /// What browsers send.
    pub web: Source,
    /// What the trunk sends.
    pub sip: Source,
    /// The calls; their sockets are connected and inherited.
    pub calls: Vec<Call>,
}

/// How delay and loss are told.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Payloads come out as they went in: each carries its number and its time.
    Stamps,
    /// Payloads are made anew: packets are counted.
    Counts,
    /// Payloads are made anew: the first loud one after silence is waited for, and packets are counted.
    Bursts,
}

/// Name of a codec in SDP.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
pub enum Codec {
    /// G.711 with mu-law.
    #[serde(rename = "PCMU")]
    Pcmu,
    /// RFC 6716.
    #[serde(rename = "opus")]
    Opus,
}

/// What one side sends, again and again.
#[derive(Deserialize)]
pub struct Source {
    /// What the payloads are.
    pub codec: Codec,
    /// In the RTP header.
    pub payload_type: u8,
    /// Units of the timestamp in a packet.
    pub ticks: u32,
    /// Payloads in hexadecimal.
    pub frames: Vec<Hex>,
    /// Numbers of the frames that begin a burst.
    pub onsets: Vec<usize>,
}

/// One call.
#[derive(Deserialize)]
pub struct Call {
    /// Socket of the browser.
    pub web_fd: i32,
    /// What the browser's description names.
    pub web_ssrc: u32,
    /// Socket of the trunk.
    pub sip_fd: i32,
    /// IP address and port of the browser's side as its server has it, for answers to checks.
    pub server_address: String,
    /// Name of the SRTP suite.
    pub suite: String,
    /// Master key and salt of what the browser sends.
    pub send_key: Hex,
    /// Master key and salt of what it gets.
    pub receive_key: Hex,
    /// ICE credentials.
    pub local_ufrag: String,
    /// ICE credentials.
    pub local_password: String,
    /// ICE credentials.
    pub remote_ufrag: String,
    /// ICE credentials.
    pub remote_password: String,
}

/// Bytes, as hexadecimal digits in JSON.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct Hex(pub Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.as_bytes();
        if digits.len() % 2 != 0 {
            return Err("odd number of hexadecimal digits".into());
        }
        let byte = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).map_err(|error| error.to_string())?;
            u8::from_str_radix(text, 16).map_err(|error| error.to_string())
        };
        digits.chunks(2).map(byte).collect::<Result<_, _>>().map(Self)
    }
}
