//! The packet path of rtc-gateway.

pub mod ice;
pub mod srtp;
pub mod stun;
