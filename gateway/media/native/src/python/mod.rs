//! What Python sees of it: `gateway.media._native`.

mod pipeline;

use pyo3::prelude::*;

/// The packet path of rtc-gateway.
#[pymodule]
mod _native {
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
