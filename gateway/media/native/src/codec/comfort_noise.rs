//! Comfort noise: what a far end wants to be heard while it sends nothing (RFC 3389).

/// Reflection coefficients that are made use of; more would add nothing to a noise.
const MAX_ORDER: usize = 12;

/// Noise with the level and the spectrum that a comfort noise payload describes.
#[derive(Debug, Clone)]
pub struct ComfortNoise {
    /// Of the samples that go into the filter.
    amplitude: f32,
    coefficients: [f32; MAX_ORDER],
    backward: [f32; MAX_ORDER + 1],
    state: u32,
    pcm: Vec<i16>,
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self {
            amplitude: 0.0,
            coefficients: [0.0; MAX_ORDER],
            backward: [0.0; MAX_ORDER + 1],
            state: 0x9E37_79B9,
            pcm: Vec::new(),
        }
    }
}

impl ComfortNoise {
    /// Take a payload (RFC 3389 section 3): the level in -dBov, then reflection coefficients. An empty one is ignored.
    pub fn describe(&mut self, payload: &[u8]) {
        let Some((&level, indices)) = payload.split_first() else {
            return;
        };
        self.coefficients = [0.0; MAX_ORDER];
        for (coefficient, &index) in self.coefficients.iter_mut().zip(indices).filter(|pair| *pair.1 < 255) {
            *coefficient = 258.0 * (f32::from(index) - 127.0) / 32768.0;
        }
        let power = 32768.0 * 10f32.powf(-f32::from(level & 0x7F) / 20.0);
        // the filter makes it louder by as much as the coefficients are large
        let loss: f32 = self.coefficients.iter().map(|k| (1.0 - k * k).max(0.0)).product();
        self.amplitude = power * loss.sqrt() * 3f32.sqrt(); // of evenly distributed samples with that power
    }

    /// The next samples.
    pub fn frame(&mut self, samples: usize) -> &[i16] {
        let mut pcm = std::mem::take(&mut self.pcm);
        pcm.clear();
        pcm.extend((0..samples).map(|_| self.sample()));
        self.pcm = pcm;
        &self.pcm
    }

    /// One sample through the lattice filter.
    fn sample(&mut self) -> i16 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        let mut forward = self.amplitude * (self.state as i32 as f32 / 2_147_483_648.0);
        for order in (0..MAX_ORDER).rev() {
            let coefficient = self.coefficients[order];
            forward -= coefficient * self.backward[order];
            self.backward[order + 1] = self.backward[order] + coefficient * forward;
        }
        self.backward[0] = forward;
        forward as i16 // clips
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tones::{loudness, power};

    fn noise(payload: &[u8]) -> Vec<i16> {
        let mut noise = ComfortNoise::default();
        noise.describe(payload);
        (0..50).flat_map(|_| noise.frame(160).to_vec()).collect()
    }

    /// `loudness` is relative to a sine, 3 dB below the square wave that dBov mean.
    fn dbov(pcm: &[i16]) -> f64 {
        loudness(pcm) - 3.01
    }

    #[test]
    fn it_is_as_loud_as_it_was_described() {
        for level in [30u8, 50, 70] {
            assert!((dbov(&noise(&[level])) + f64::from(level)).abs() < 1.0);
            assert!((dbov(&noise(&[level, 40, 150])) + f64::from(level)).abs() < 2.0);
        }
        assert_eq!(noise(&[]), [0; 8000]);
        assert_eq!(noise(&[127])[0], 0);
    }

    #[test]
    fn its_spectrum_is_what_was_described() {
        let band = |pcm: &[i16], from: u32| -> f64 {
            (0..40)
                .map(|step| 10f64.powf(power(pcm, f64::from(from + 20 * step), 8000) / 10.0))
                .sum()
        };
        let low = noise(&[30, 27]); // a coefficient of -0.8: the energy is low

        assert!(band(&low, 100) > 10.0 * band(&low, 3000));
    }

    #[test]
    fn the_largest_coefficients_do_not_make_it_unstable() {
        let mut payload = [254; 20];
        payload[0] = 0;
        let loud = noise(&payload);
        payload[0] = 60;
        let soft = noise(&payload);

        assert_eq!(loud.len(), 8000);
        assert!(loudness(&soft) < -20.0);
    }
}
