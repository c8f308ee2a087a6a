//! The packet path of rtc-gateway.

pub mod srtp;
