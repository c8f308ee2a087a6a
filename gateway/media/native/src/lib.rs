//! The packet path of rtc-gateway.

pub mod demux;
pub mod ice;
pub mod source_lock;
pub mod srtp;
pub mod stun;
