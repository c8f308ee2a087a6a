//! G.711: µ-law and A-law <-> 16-bit linear samples (ITU-T G.711).

/// Samples a second.
pub const SAMPLE_RATE: u32 = 8000;
/// µ-law of zero.
pub const ULAW_SILENCE: u8 = 0xFF;
/// A-law of zero, nearly.
pub const ALAW_SILENCE: u8 = 0xD5;

/// 33 of the recommendation's 14-bit scale, in our 16-bit one.
const ULAW_BIAS: i32 = 132;
const ULAW_CLIP: i32 = 32767 - ULAW_BIAS;

const fn ulaw_to_linear(code: u8) -> i16 {
    let code = (code ^ 0xFF) as i32;
    let magnitude = ((((code & 0x0F) << 3) + ULAW_BIAS) << ((code >> 4) & 7)) - ULAW_BIAS;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

const fn alaw_to_linear(code: u8) -> i16 {
    let code = (code ^ 0x55) as i32;
    let (exponent, mantissa) = ((code >> 4) & 7, code & 0x0F);
    let magnitude = if exponent == 0 {
        (mantissa << 4) + 8
    } else {
        ((mantissa << 4) + 0x108) << (exponent - 1)
    };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

/// The place of the highest bit above the lowest segment; 0 in it.
const fn exponent(magnitude: i32) -> i32 {
    let bits = 32 - magnitude.leading_zeros() as i32;
    if bits < 8 { 0 } else { bits - 8 }
}

/// A sample as µ-law; ones' complement below zero, as the reference code of ITU-T G.191 has it.
pub const fn linear_to_ulaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 {
        (0x80, !sample as i32)
    } else {
        (0, sample as i32)
    };
    let magnitude = (if magnitude < ULAW_CLIP { magnitude } else { ULAW_CLIP }) + ULAW_BIAS;
    let exponent = exponent(magnitude);
    ((sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) ^ 0xFF) as u8
}

/// A sample as A-law; ones' complement below zero, as the reference code of ITU-T G.191 has it.
pub const fn linear_to_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 {
        (0, !sample as i32)
    } else {
        (0x80, sample as i32)
    };
    let exponent = exponent(magnitude);
    let mantissa = (magnitude >> (if exponent == 0 { 4 } else { exponent + 3 })) & 0x0F;
    ((sign | exponent << 4 | mantissa) ^ 0x55) as u8
}

macro_rules! table {
    ($entry:ty, $code:ident => $value:expr) => {{
        let mut table: [$entry; 256] = [0; 256];
        let mut index = 0;
        while index < 256 {
            let $code = index as u8;
            table[index] = $value;
            index += 1;
        }
        table
    }};
}

/// Samples by µ-law code.
pub static ULAW_TO_LINEAR: [i16; 256] = table!(i16, code => ulaw_to_linear(code));
/// Samples by A-law code.
pub static ALAW_TO_LINEAR: [i16; 256] = table!(i16, code => alaw_to_linear(code));
/// What a code of the one becomes in the other, samples changed on the way; A-law if `..._is_alaw`, else µ-law.
pub fn translation(source_is_alaw: bool, sink_is_alaw: bool, change: impl Fn(i16) -> i16) -> Box<[u8; 256]> {
    let expanded = if source_is_alaw {
        &ALAW_TO_LINEAR
    } else {
        &ULAW_TO_LINEAR
    };
    let compress = if sink_is_alaw { linear_to_alaw } else { linear_to_ulaw };
    Box::new(expanded.map(|sample| compress(change(sample))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_way_through_linear_samples() {
        for code in 0..=255u8 {
            let ulaw = linear_to_ulaw(ULAW_TO_LINEAR[usize::from(code)]);
            assert!(
                ulaw == code || (code == 0x7F && ulaw == 0xFF),
                "µ-law has two zeros: {code:#x} {ulaw:#x}"
            );
            assert_eq!(linear_to_alaw(ALAW_TO_LINEAR[usize::from(code)]), code);
        }
    }

    #[test]
    fn every_sample_is_near_its_code() {
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs();
            let step = (magnitude / 16).max(16);
            let ulaw = i32::from(ULAW_TO_LINEAR[usize::from(linear_to_ulaw(sample))]);
            let alaw = i32::from(ALAW_TO_LINEAR[usize::from(linear_to_alaw(sample))]);
            assert!(
                (ulaw - i32::from(sample)).abs() <= step || magnitude > 32000,
                "{sample}: {ulaw}"
            );
            assert!(
                (alaw - i32::from(sample)).abs() <= step || magnitude > 32000,
                "{sample}: {alaw}"
            );
        }
    }

    #[test]
    fn silence_is_zero() {
        assert_eq!(
            (ULAW_TO_LINEAR[usize::from(ULAW_SILENCE)], linear_to_ulaw(0)),
            (0, ULAW_SILENCE)
        );
        assert_eq!(
            (ALAW_TO_LINEAR[usize::from(ALAW_SILENCE)], linear_to_alaw(0)),
            (8, ALAW_SILENCE)
        );
    }
}
