//! What Python sees of it: `gateway.media._native`.
//!
//! A worker never takes the interpreter's lock; Python takes a leg's lock for as long as a packet does.

mod core;
mod leg;
mod pipeline;
mod quality;
mod values;

use pyo3::prelude::*;

/// The packet path of rtc-gateway.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::core::NativeCore;
    #[pymodule_export]
    use super::leg::NativeLeg;
    #[pymodule_export]
    use super::leg::NativeSound;
    #[pymodule_export]
    use super::pipeline::NativeDecoder;
    #[pymodule_export]
    use super::pipeline::NativeEncoder;
    #[pymodule_export]
    use super::pipeline::NativePipeline;
    #[pymodule_export]
    use super::pipeline::NativeRecorder;
    #[pymodule_export]
    use super::pipeline::NativeResampler;
    #[pymodule_export]
    use super::pipeline::native_silence;
}
