//! Hides a lost packet by repeating what was heard before it, fading out (after the idea of ITU-T G.711 appendix I).

use crate::pipeline::stream::ticks;

/// Seconds after which the repetition has become silence.
const FADE: f64 = 0.060;
/// Seconds that are repeated.
const MEMORY: f64 = 0.020;

/// Remembers the last samples of a stream.
#[derive(Debug)]
pub struct Concealer {
    memory_samples: usize,
    fade_samples: usize,
    last: Vec<i16>,
    /// Samples made up since the last real ones.
    concealed: usize,
}

impl Concealer {
    /// For a stream of so many samples a second.
    pub fn new(rate: u32) -> Self {
        let memory_samples = ticks(MEMORY, rate) as usize;
        Self {
            memory_samples,
            fade_samples: ticks(FADE, rate) as usize,
            last: Vec::with_capacity(memory_samples),
            concealed: 0,
        }
    }

    /// Real samples came.
    pub fn heard(&mut self, pcm: &[i16]) {
        self.concealed = 0;
        let kept = &pcm[pcm.len().saturating_sub(self.memory_samples)..];
        let room = self.memory_samples - kept.len();
        self.last.drain(..self.last.len().saturating_sub(room));
        self.last.extend_from_slice(kept);
    }

    /// Add as many samples as are missing.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let start = self.concealed;
        self.concealed += samples;
        let total = self.fade_samples;
        if self.last.is_empty() || start >= total {
            pcm.resize(pcm.len() + samples, 0);
            return;
        }
        let memory = &self.last;
        pcm.extend((start..start + samples).map(|index| {
            let left = total.saturating_sub(index) as i32;
            (i32::from(memory[index % memory.len()]) * left).div_euclid(total as i32) as i16
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concealed(concealer: &mut Concealer, samples: usize) -> Vec<i16> {
        let mut pcm = Vec::new();
        concealer.conceal(samples, &mut pcm);
        pcm
    }

    #[test]
    fn what_was_heard_is_repeated_and_fades_to_silence() {
        let mut concealer = Concealer::new(8000);
        concealer.heard(&[1000; 160]);

        let made_up = concealed(&mut concealer, 480);

        assert_eq!((made_up[0], made_up[240]), (1000, 500));
        assert!(made_up.windows(2).all(|pair| pair[0] >= pair[1]));
        assert_eq!(concealed(&mut concealer, 160), [0; 160]);
        concealer.heard(&[7; 160]);
        assert_eq!(concealed(&mut concealer, 1), [7]);
    }

    #[test]
    fn short_packets_are_remembered_together_and_before_the_first_there_is_silence() {
        let mut concealer = Concealer::new(8000);
        assert_eq!(concealed(&mut concealer, 3), [0; 3]);
        for value in [1000, 2000, 3000] {
            concealer.heard(&[value; 80]);
        }

        let made_up = concealed(&mut concealer, 160);

        assert_eq!(made_up[0], 2000);
        assert!(made_up[80] > 2000);
    }
}
