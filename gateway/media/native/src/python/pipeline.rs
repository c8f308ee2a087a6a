//! The pipeline and its codecs for Python's tests: the same tests run over the reference engine and over this one.

use parking_lot::Mutex;
use pyo3::exceptions::{PyLookupError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::codec::effort::Effort;
use crate::codec::gain::Gain;
use crate::codec::{Decoder, Encoder, Resampler, silence};
use crate::pipeline::codec::{Codec, CodecError, LegCodec};
use crate::pipeline::recorder::{Format, Recorder, Side};
use crate::pipeline::settings::StageSettings;
use crate::pipeline::{Config, Counters, Digit, DigitError, Pipeline, Sound};
use crate::quality::reception::Reception;
use crate::rtp::{self, Header, Sink};

/// Name, payload type, clock rate, channels, format parameters, ptime, telephone-event.
pub(super) type LegTuple<'py> = (String, u8, u32, u8, Bound<'py, PyDict>, f64, Option<(u8, u32)>);
type Out<'py> = (Vec<Bound<'py, PyBytes>>, Vec<(char, f64)>);

pub(super) fn codec_failed(error: CodecError) -> PyErr {
    match error {
        CodecError::Unsupported(_) => PyLookupError::new_err(error.to_string()),
        CodecError::Native(_) | CodecError::FrameLength(_) => PyRuntimeError::new_err(error.to_string()),
    }
}

pub(super) fn digits_refused(error: DigitError) -> PyErr {
    match error {
        DigitError::NoTelephoneEvent => PyLookupError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

pub(super) fn leg_codec(leg: &LegTuple<'_>) -> PyResult<LegCodec> {
    let (name, payload_type, clock_rate, channels, fmtp, ptime, telephone_event) = leg;
    let mut codec = Codec::from_rtpmap(name, *payload_type, *clock_rate, *channels).map_err(codec_failed)?;
    for (key, value) in fmtp {
        codec
            .wishes
            .take(&key.extract::<String>()?, &value.extract::<String>()?);
    }
    codec.ptime = *ptime;
    Ok(LegCodec {
        codec,
        telephone_event: *telephone_event,
    })
}

/// Datagrams as Python's.
struct Datagrams<'py> {
    py: Python<'py>,
    buffer: Vec<u8>,
    packets: Vec<Bound<'py, PyBytes>>,
}

impl Sink for Datagrams<'_> {
    fn packet(&mut self, header: &Header, payload: &[u8]) {
        self.buffer.clear();
        rtp::write(header, payload, &mut self.buffer);
        self.packets.push(PyBytes::new(self.py, &self.buffer));
    }
}

/// One direction of one call; see `gateway.media.pipeline`.
#[pyclass(module = "gateway.media._native")]
pub(super) struct NativePipeline {
    /// Python wants classes that threads may share; libopus' states are not.
    inner: Mutex<Pipeline>,
    /// Of the source: a leg counts that in the core.
    received: Reception,
}

impl NativePipeline {
    fn drive<'py>(
        &mut self,
        py: Python<'py>,
        step: impl FnOnce(&mut Pipeline, &mut dyn Sink, &mut Vec<Digit>),
    ) -> Out<'py> {
        let mut sink = Datagrams {
            py,
            buffer: Vec::new(),
            packets: Vec::new(),
        };
        let mut digits = Vec::new();
        step(self.inner.get_mut(), &mut sink, &mut digits);
        (
            sink.packets,
            digits.into_iter().map(|digit| (digit.digit, digit.duration)).collect(),
        )
    }
}

#[pymethods]
impl NativePipeline {
    #[new]
    #[pyo3(signature = (
        source, sink, *, ssrc, first_sequence, first_timestamp, now, needs_continuity, longest_pause=None,
        plays_digits=false, complexity=None, max_wait=0.06, detects_tones=false
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        source: LegTuple<'_>,
        sink: LegTuple<'_>,
        ssrc: u32,
        first_sequence: u16,
        first_timestamp: u32,
        now: f64,
        needs_continuity: bool,
        longest_pause: Option<f64>,
        plays_digits: bool,
        complexity: Option<u8>,
        max_wait: f64,
        detects_tones: bool,
    ) -> PyResult<Self> {
        let source = leg_codec(&source)?;
        let config = Config {
            ssrc,
            first_sequence,
            first_timestamp,
            longest_pause,
            detects_tones,
            stage: StageSettings {
                needs_continuity,
                plays_digits,
                effort: Effort::new(complexity),
                max_wait,
                ..StageSettings::default()
            },
            ..Config::new(source, leg_codec(&sink)?)
        };
        Ok(Self {
            received: Reception::new(source.codec.clock_rate()),
            inner: Mutex::new(Pipeline::new(config, now).map_err(codec_failed)?),
        })
    }

    fn receive<'py>(&mut self, py: Python<'py>, datagram: &[u8], now: f64) -> PyResult<Out<'py>> {
        let packet = rtp::parse(datagram).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let header = &packet.header;
        self.received.receive(
            header.ssrc,
            header.sequence,
            header.timestamp,
            packet.payload.len(),
            now,
        );
        Ok(self.drive(py, |pipeline, sink, digits| {
            pipeline.receive(&packet, now, sink, digits)
        }))
    }

    fn handle_timeout<'py>(&mut self, py: Python<'py>, now: f64) -> Out<'py> {
        self.drive(py, |pipeline, sink, digits| pipeline.handle_timeout(now, sink, digits))
    }

    fn next_deadline(&self) -> Option<f64> {
        self.inner.lock().next_deadline()
    }

    fn set_codecs(&mut self, source: LegTuple<'_>, sink: LegTuple<'_>) -> PyResult<()> {
        let source = leg_codec(&source)?;
        self.inner
            .lock()
            .set_codecs(source, leg_codec(&sink)?)
            .map_err(codec_failed)?;
        self.received.set_clock_rate(source.codec.clock_rate());
        Ok(())
    }

    #[pyo3(signature = (source, longest_pause))]
    fn change_source(&mut self, source: LegTuple<'_>, longest_pause: Option<f64>) -> PyResult<()> {
        let source = leg_codec(&source)?;
        self.inner
            .lock()
            .change_source(source, longest_pause)
            .map_err(codec_failed)?;
        self.received = Reception::new(source.codec.clock_rate());
        Ok(())
    }

    fn set_muted(&mut self, is_muted: bool) {
        self.inner.lock().set_muted(is_muted);
    }

    fn play(&mut self, payloads: Vec<Vec<u8>>) {
        let sound: Sound = payloads.into_iter().map(Vec::into_boxed_slice).collect();
        self.inner.lock().play(Some(sound));
    }

    fn send_digits(&mut self, digits: &str, duration: f64, gap: f64, now: f64) -> PyResult<f64> {
        self.inner
            .lock()
            .send_digits(digits, duration, gap, now)
            .map_err(digits_refused)
    }

    /// RTP timestamp, packets, bytes.
    fn sender_info(&self, now: f64) -> Option<(u32, u32, u32)> {
        self.inner
            .lock()
            .sender_info(now)
            .map(|info| (info.rtp_timestamp, info.packet_count, info.octet_count))
    }

    fn set_gain(&mut self, decibels: f64) -> PyResult<()> {
        self.inner
            .get_mut()
            .set_gain(Gain::from_decibels(decibels))
            .map_err(codec_failed)
    }

    fn set_complexity(&mut self, complexity: Option<u8>) -> PyResult<()> {
        self.inner
            .get_mut()
            .set_effort(Effort::new(complexity))
            .map_err(codec_failed)
    }

    fn set_expected_loss(&mut self, percent: u8) -> PyResult<()> {
        self.inner.get_mut().set_expected_loss(percent).map_err(codec_failed)
    }

    fn close(&mut self) {
        self.inner.lock().close();
    }

    #[getter]
    fn takes_digits(&self) -> bool {
        self.inner.lock().takes_digits()
    }

    #[getter]
    fn is_transcoding(&self) -> bool {
        self.inner.lock().is_transcoding()
    }

    /// In the order of `gateway.media.pipeline.PipelineCounters`.
    #[getter]
    fn counters(&self) -> (u64, u64, u64, u64, u64, u64) {
        let Counters {
            packets_sent,
            bytes_sent,
            silence_sent,
            packets_late,
            packets_unknown,
            frames_concealed,
        } = self.inner.lock().counters();
        (
            packets_sent,
            bytes_sent,
            silence_sent,
            packets_late,
            packets_unknown,
            frames_concealed,
        )
    }

    /// Of what was received: packets, bytes, lost, jitter in seconds.
    #[getter]
    fn reception(&self) -> (u64, u64, i64, f64) {
        let received = &self.received;
        (
            received.packets_received(),
            received.bytes_received(),
            received.packets_lost(),
            received.jitter(),
        )
    }
}

fn samples(pcm: &[u8]) -> Vec<i16> {
    pcm.chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

fn as_bytes<'py>(py: Python<'py>, pcm: &[i16]) -> Bound<'py, PyBytes> {
    let bytes: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    PyBytes::new(py, &bytes)
}

/// A decoder of one stream; samples are little-endian bytes, as in `gateway.media.codecs`.
#[pyclass(module = "gateway.media._native")]
pub(super) struct NativeDecoder {
    /// Python wants classes that threads may share; libopus' states are not.
    inner: Mutex<Decoder>,
}

#[pymethods]
impl NativeDecoder {
    #[new]
    fn new(codec: LegTuple<'_>, sample_rate: u32) -> PyResult<Self> {
        let codec = leg_codec(&codec)?.codec;
        Ok(Self {
            inner: Mutex::new(Decoder::new(codec.name, sample_rate).map_err(codec_failed)?),
        })
    }

    fn decode<'py>(&mut self, py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut pcm = Vec::new();
        self.inner.lock().decode(payload, &mut pcm).map_err(codec_failed)?;
        Ok(as_bytes(py, &pcm))
    }

    fn conceal<'py>(
        &mut self,
        py: Python<'py>,
        samples: usize,
        following: Option<&[u8]>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut pcm = Vec::new();
        self.inner
            .lock()
            .conceal(samples, following, &mut pcm)
            .map_err(codec_failed)?;
        Ok(as_bytes(py, &pcm))
    }
}

/// An encoder of one stream.
#[pyclass(module = "gateway.media._native")]
pub(super) struct NativeEncoder {
    /// Python wants classes that threads may share; libopus' states are not.
    inner: Mutex<Encoder>,
}

#[pymethods]
impl NativeEncoder {
    #[new]
    #[pyo3(signature = (codec, sample_rate, complexity=None))]
    fn new(codec: LegTuple<'_>, sample_rate: u32, complexity: Option<u8>) -> PyResult<Self> {
        let codec = leg_codec(&codec)?.codec;
        Ok(Self {
            inner: Mutex::new(Encoder::new(&codec, sample_rate, Effort::new(complexity)).map_err(codec_failed)?),
        })
    }

    fn encode<'py>(&mut self, py: Python<'py>, pcm: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut payload = Vec::new();
        self.inner
            .lock()
            .encode(&samples(pcm), &mut payload)
            .map_err(codec_failed)?;
        Ok(PyBytes::new(py, &payload))
    }
}

/// A resampler between 8000 and 16000 samples a second.
#[pyclass(module = "gateway.media._native")]
pub(super) struct NativeResampler {
    inner: Resampler,
}

#[pymethods]
impl NativeResampler {
    #[new]
    fn new(from_rate: u32, to_rate: u32) -> Self {
        Self {
            inner: Resampler::between(from_rate, to_rate),
        }
    }

    fn process<'py>(&mut self, py: Python<'py>, pcm: &[u8]) -> Bound<'py, PyBytes> {
        let mut output = Vec::new();
        as_bytes(py, self.inner.process(&samples(pcm), &mut output))
    }
}

/// The payload of 20 ms of silence. Raises LookupError for a codec that there is not.
#[pyfunction]
pub(super) fn native_silence<'py>(py: Python<'py>, codec: LegTuple<'_>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, silence(leg_codec(&codec)?.codec.name)))
}

/// A recording of both directions of a call; what its methods return belongs at the end of the file.
#[pyclass(module = "gateway.media._native")]
pub(super) struct NativeRecorder {
    inner: Mutex<Option<Recorder>>,
    begun: Vec<u8>,
}

impl NativeRecorder {
    fn with<T>(&mut self, step: impl FnOnce(&mut Recorder) -> Result<T, CodecError>) -> PyResult<T> {
        match self.inner.get_mut() {
            Some(recorder) => step(recorder).map_err(codec_failed),
            None => Err(PyRuntimeError::new_err("finished")),
        }
    }
}

fn side(is_left: bool) -> Side {
    if is_left { Side::Left } else { Side::Right }
}

#[pymethods]
impl NativeRecorder {
    #[new]
    fn new(is_ogg: bool, serial: u32, now: f64) -> PyResult<Self> {
        let format = if is_ogg { Format::OggOpus } else { Format::Wav };
        let mut begun = Vec::new();
        let recorder = Recorder::new(format, serial, now, &mut begun).map_err(codec_failed)?;
        Ok(Self {
            inner: Mutex::new(Some(recorder)),
            begun,
        })
    }

    fn set_codec(&mut self, is_left: bool, codec: LegTuple<'_>) -> PyResult<()> {
        let codec = leg_codec(&codec)?.codec;
        self.with(|recorder| recorder.set_codec(side(is_left), &codec))
    }

    fn receive(&mut self, is_left: bool, datagram: &[u8], now: f64) -> PyResult<()> {
        let packet = rtp::parse(datagram).map_err(|error| PyValueError::new_err(error.to_string()))?;
        self.with(|recorder| {
            recorder.receive(side(is_left), &packet, now);
            Ok(())
        })
    }

    fn handle_timeout<'py>(&mut self, py: Python<'py>, now: f64) -> PyResult<Bound<'py, PyBytes>> {
        let mut file = std::mem::take(&mut self.begun);
        self.with(|recorder| recorder.handle_timeout(now, &mut file))?;
        Ok(PyBytes::new(py, &file))
    }

    /// The end of the file, and what stands at its beginning instead of what is there.
    fn finish<'py>(&mut self, py: Python<'py>, now: f64) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let mut file = std::mem::take(&mut self.begun);
        let recorder = self
            .inner
            .get_mut()
            .take()
            .ok_or_else(|| PyRuntimeError::new_err("finished"))?;
        let header = recorder.finish(now, &mut file).map_err(codec_failed)?;
        Ok((
            PyBytes::new(py, &file),
            PyBytes::new(py, header.as_ref().map_or(&[], |header| &header[..])),
        ))
    }
}
