//! What joins the two sides of a pipeline: a relay where it can, a transcoder where it must.

use super::codec::{Codec, CodecError, Name, may_pass_through};
use super::relay::Relay;
use super::settings::StageSettings;
use super::stage::Stage;
use super::tone_encoder::{ToneEncoder, has_memory};
use super::transcoder::Transcoder;
use crate::codec::gain::Gain;
use crate::codec::{g711, silence};

/// What joins the two, and what makes tones of digits where the sink hears those.
pub(super) fn make_joint(
    source: &Codec,
    sink: &Codec,
    settings: &StageSettings,
) -> Result<(Stage, Option<ToneEncoder>), CodecError> {
    let stage = if is_relayed(source, sink, settings) {
        let translation = translation(source.name, sink.name, settings.gain);
        Stage::Relay(Relay::new(
            source,
            sink,
            silence(sink.name),
            settings.needs_continuity,
            translation,
        ))
    } else {
        Stage::Transcoder(Box::new(Transcoder::new(source, sink, settings)?))
    };
    let tones = if settings.plays_digits {
        Some(ToneEncoder::new(sink, &stage, settings.effort)?)
    } else {
        None
    };
    Ok((stage, tones))
}

/// Whether a relay does: payloads stay as they are, or every byte becomes another.
pub(super) fn is_relayed(source: &Codec, sink: &Codec, settings: &StageSettings) -> bool {
    (is_g711(source.name) && is_g711(sink.name)) || passes_through(source, sink, settings)
}

fn is_g711(name: Name) -> bool {
    matches!(name, Name::Pcmu | Name::Pcma)
}

/// What the bytes of G.711 become, None if they stay as they are or there is something else.
pub(super) fn translation(source: Name, sink: Name, gain: Gain) -> Option<Box<[u8; 256]>> {
    let is_changed = is_g711(source) && is_g711(sink) && (source != sink || !gain.is_unity());
    is_changed.then(|| g711::translation(source == Name::Pcma, sink == Name::Pcma, |sample| gain.apply(sample)))
}

/// Whether payloads stay as they are. Digits cannot be put in between if the sink's decoder would notice.
pub(super) fn passes_through(source: &Codec, sink: &Codec, settings: &StageSettings) -> bool {
    !(settings.plays_digits && has_memory(sink.name)) && settings.gain.is_unity() && may_pass_through(source, sink)
}
