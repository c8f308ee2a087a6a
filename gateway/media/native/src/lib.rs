//! The packet path of rtc-gateway.
