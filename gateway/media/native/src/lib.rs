//! The packet path of rtc-gateway.

pub mod codec;
pub mod core;
pub mod demux;
pub mod ice;
pub mod pipeline;
#[cfg(feature = "python")]
mod python;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod source_lock;
pub mod srtp;
pub mod stun;
pub mod sys;
