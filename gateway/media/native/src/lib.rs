//! The packet path of rtc-gateway.

pub mod codec;
pub mod pipeline;
#[cfg(feature = "python")]
mod python;
pub mod rtp;
pub mod sys;
