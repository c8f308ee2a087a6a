//! The packet path of rtc-gateway.

pub mod demux;
pub mod ice;
pub mod quality;
pub mod rtcp;
pub mod source_lock;
pub mod srtp;
pub mod stun;
