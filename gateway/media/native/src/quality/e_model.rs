//! What a listener would think of a connection: the E-model, in narrow band (ITU-T G.107) and full band (G.107.2).
//!
//! The two scales are not comparable: 4.4 is the best of a telephone, and a telephone has 3.2 on the scale of a full
//! band. So a figure always comes with its [`Band`]. Telephones at both ends are the default ones of the
//! recommendations; what we know of a call is its codec, its loss and its delay.
//!
//! The equipment impairment factors are provisional planning values of G.113 (appendices I, IV and V), and where there
//! is none, what is said at [`Equipment`].

/// Which scale a figure is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Band {
    /// 300 to 3,400 Hz, G.107: R up to 93.2 with default telephones, MOS up to 4.41.
    Narrow,
    /// 20 to 20,000 Hz, G.107.2: R up to 148, MOS up to 4.5. Wide-band codecs are on it too.
    Full,
}

/// How much a codec takes away, and how well it stands loss (G.113).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equipment {
    /// The scale of the other two.
    pub band: Band,
    /// Ie, without loss.
    pub impairment: f64,
    /// Bpl: the higher, the better it stands loss, with the concealment of a usual receiver.
    pub robustness: f64,
}

impl Equipment {
    /// G.711 with concealment as of its appendix I (G.113 table I.3).
    pub const G711: Self = Self {
        band: Band::Narrow,
        impairment: 0.0,
        robustness: 25.1,
    };

    /// G.722 at 64 kbit/s: its wide-band impairment 13 (G.113 table IV.1), 19 more on the full band's scale (appendix
    /// V). No robustness is published for it: that of G.711 without concealment, the lowest, is taken.
    pub const G722: Self = Self {
        band: Band::Full,
        impairment: 32.0,
        robustness: 4.3,
    };

    /// Opus: none is published; that of EVS (super-wide band) at 32 kbit/s, which browsers send (G.113 table V.1).
    pub const OPUS: Self = Self {
        band: Band::Full,
        impairment: 8.7,
        robustness: 9.3,
    };

    /// The codec of an SDP encoding name; `None` for one that we have no figures for.
    pub fn of_codec(name: &str) -> Option<Self> {
        let known = [
            ("PCMU", Self::G711),
            ("PCMA", Self::G711),
            ("G722", Self::G722),
            ("opus", Self::OPUS),
        ];
        let found = known.iter().find(|(codec, _)| codec.eq_ignore_ascii_case(name));
        found.map(|(_, equipment)| *equipment)
    }
}

/// What was measured of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Packets lost, or too late to be heard, as a fraction.
    pub loss: f64,
    /// See `BurstGap::burst_ratio`; counts on the narrow band's scale only.
    pub burst_ratio: f64,
    /// Mouth to ear, in seconds.
    pub delay: f64,
}

/// A rating and the opinion that it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// The scale of the other two.
    pub band: Band,
    /// The transmission rating factor.
    pub r: f64,
    /// Mean opinion score of a conversation, 1 to 4.5.
    pub mos: f64,
}

/// Rate a connection.
pub fn rate(equipment: &Equipment, conditions: &Conditions) -> Rating {
    let loss = 100.0 * conditions.loss.clamp(0.0, 1.0);
    let delay = 1000.0 * conditions.delay.max(0.0);
    let Equipment {
        band,
        impairment,
        robustness,
    } = *equipment;
    match band {
        Band::Narrow => {
            // G.107 equation 7-29
            let burst_ratio = conditions.burst_ratio.max(1.0);
            let effective = impairment + (95.0 - impairment) * loss / (loss / burst_ratio + robustness);
            let telephones = Telephones::default();
            let r = telephones.basic_ratio()
                - telephones.simultaneous_impairment(delay)
                - telephones.delay_impairment(delay)
                - effective;
            Rating {
                band,
                r,
                mos: opinion(r),
            }
        }
        Band::Full => {
            let effective = impairment + (132.0 - impairment) * loss / (loss + robustness);
            let r = 148.0 - 1.48 * absolute_delay(delay) - effective;
            Rating {
                band,
                r,
                mos: opinion(r / 1.48),
            }
        }
    }
}

/// MOS of a rating on the scale of the narrow band (G.107 annex B).
fn opinion(r: f64) -> f64 {
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        // The polynomial dips below 1 for R under 6.5.
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

/// Idd: what delay alone costs (G.107 equation 7-27), `delay` in milliseconds.
fn absolute_delay(delay: f64) -> f64 {
    if delay <= 100.0 {
        return 0.0;
    }
    let x = (delay / 100.0).log2();
    let sixth = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

/// The telephones at both ends, the rooms that they are in, and the circuit between (G.107 table 3), in decibels.
struct Telephones {
    send_loudness: f64,
    receive_loudness: f64,
    sidetone_masking: f64,
    listener_sidetone: f64,
    send_d: f64,
    talker_echo_loudness: f64,
    weighted_echo_path_loss: f64,
    quantizing_units: f64,
    circuit_noise: f64,
    noise_floor: f64,
    room_noise_send: f64,
    room_noise_receive: f64,
}

impl Default for Telephones {
    fn default() -> Self {
        Self {
            send_loudness: 8.0,
            receive_loudness: 2.0,
            sidetone_masking: 15.0,
            listener_sidetone: 18.0,
            send_d: 3.0,
            talker_echo_loudness: 65.0,
            weighted_echo_path_loss: 110.0,
            quantizing_units: 1.0,
            circuit_noise: -70.0,
            noise_floor: -64.0,
            room_noise_send: 35.0,
            room_noise_receive: 35.0,
        }
    }
}

fn power(decibels: f64) -> f64 {
    10f64.powf(decibels / 10.0)
}

impl Telephones {
    fn overall_loudness(&self) -> f64 {
        self.send_loudness + self.receive_loudness
    }

    /// No: all noise, as at the point of 0 dBr (equations 7-3 to 7-7).
    fn noise(&self) -> f64 {
        let send = self.room_noise_send - self.send_loudness - self.send_d - 100.0
            + 0.004 * (self.room_noise_send - self.overall_loudness() - self.send_d - 14.0).powi(2);
        let effective = self.room_noise_receive + 10.0 * (1.0 + power(10.0 - self.listener_sidetone)).log10();
        let receive = self.receive_loudness - 121.0 + effective + 0.008 * (effective - 35.0).powi(2);
        let floor = self.noise_floor + self.receive_loudness;
        10.0 * (power(self.circuit_noise) + power(send) + power(receive) + power(floor)).log10()
    }

    /// Ro (equation 7-2).
    fn basic_ratio(&self) -> f64 {
        15.0 - 1.5 * (self.send_loudness + self.noise())
    }

    /// Is (section 7.3): too loud, sidetone, quantizing; `delay` in milliseconds.
    fn simultaneous_impairment(&self, delay: f64) -> f64 {
        let x = self.overall_loudness() + 0.2 * (64.0 + self.noise() - self.receive_loudness);
        let too_loud = 20.0 * ((1.0 + (x / 8.0).powi(8)).powf(1.0 / 8.0) - x / 8.0);

        let echo = (-delay / 4.0).exp() * power(-self.talker_echo_loudness);
        let sidetone = -10.0 * (power(-self.sidetone_masking) + echo).log10();
        let term = |offset: f64, scale: f64, order: i32| {
            (1.0 + ((sidetone - offset) / scale).powi(order)).powf(1.0 / f64::from(order))
        };
        let sidetone = 12.0 * term(13.0, 6.0, 8) - 28.0 * term(-1.0, 19.4, 35) - 13.0 * term(3.0, 33.0, 13) + 29.0;

        let q = 37.0 - 15.0 * self.quantizing_units.log10();
        let g = 1.07 + 0.258 * q + 0.0602 * q * q;
        let y = (self.basic_ratio() - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
        let z = 46.0 / 30.0 - g / 40.0;
        let quantizing = 15.0 * (1.0 + 10f64.powf(y) + 10f64.powf(z)).log10();
        too_loud + sidetone + quantizing
    }

    /// Id (section 7.4): echo of the talker, echo of the listener, and the delay as such; `delay` in milliseconds.
    fn delay_impairment(&self, delay: f64) -> f64 {
        self.talker_echo(delay) + self.listener_echo(delay) + absolute_delay(delay)
    }

    fn talker_echo(&self, delay: f64) -> f64 {
        if delay < 1.0 {
            return 0.0;
        }
        let loudness = self.talker_echo_loudness - 40.0 * ((1.0 + delay / 10.0) / (1.0 + delay / 150.0)).log10()
            + 6.0 * (-0.3 * delay * delay).exp();
        let echo = 80.0 + 2.5 * (loudness - 14.0);
        let ratio = -1.5 * (self.noise() - self.receive_loudness);
        let half = (ratio - echo) / 2.0;
        (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-delay).exp())
    }

    fn listener_echo(&self, delay: f64) -> f64 {
        let echo = 10.5 * (self.weighted_echo_path_loss + 7.0) * (2.0 * delay + 1.0).powf(-0.25);
        let half = (self.basic_ratio() - echo) / 2.0;
        half + (half * half + 169.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLEAN: Conditions = Conditions {
        loss: 0.0,
        burst_ratio: 1.0,
        delay: 0.0,
    };

    fn lossy(loss: f64) -> Conditions {
        Conditions { loss, ..CLEAN }
    }

    fn near(value: f64, expected: f64, tolerance: f64) -> bool {
        (value - expected).abs() <= tolerance
    }

    /// G.107 section 7.7: all parameters at their defaults give R = 93.2, and annex B makes MOS 4.41 of it.
    #[test]
    fn default_telephones_have_the_rating_of_the_recommendation() {
        let rating = rate(&Equipment::G711, &CLEAN);

        assert!(near(rating.r, 93.2, 0.05), "{}", rating.r);
        assert!(near(rating.mos, 4.41, 0.005), "{}", rating.mos);
    }

    /// G.107 table B.1, which has two decimals, and 4.03 for what the formula makes 4.024.
    #[test]
    fn opinions_are_those_of_the_recommendation() {
        for (r, mos) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert!(near(opinion(r), mos, 0.0061), "{r}: {}", opinion(r));
        }
        assert_eq!(
            (
                opinion(-5.0),
                opinion(0.0),
                opinion(3.0),
                opinion(100.0),
                opinion(120.0)
            ),
            (1.0, 1.0, 1.0, 4.5, 4.5)
        );
    }

    /// Points of the curve that G.114 figure 1 draws with the E-model.
    #[test]
    fn delay_costs_what_the_curve_of_g_114_shows() {
        for (delay, r, tolerance) in [(0.1, 91.5, 1.5), (0.15, 90.0, 1.5), (0.25, 80.0, 2.0), (0.4, 60.0, 4.0)] {
            let rating = rate(&Equipment::G711, &Conditions { delay, ..CLEAN });
            assert!(near(rating.r, r, tolerance), "{delay}: {}", rating.r);
        }
    }

    #[test]
    fn loss_costs_what_the_formula_for_random_loss_says() {
        let clean = rate(&Equipment::G711, &CLEAN).r;

        for (loss, cost) in [(0.01, 95.0 / 26.1), (0.05, 475.0 / 30.1), (0.2, 1900.0 / 45.1)] {
            assert!(near(clean - rate(&Equipment::G711, &lossy(loss)).r, cost, 1e-9));
        }
    }

    #[test]
    fn bursty_loss_is_worse_than_random_loss() {
        let random = rate(&Equipment::G711, &lossy(0.05));
        let bursty = rate(
            &Equipment::G711,
            &Conditions {
                burst_ratio: 3.0,
                ..lossy(0.05)
            },
        );

        assert!(bursty.mos < random.mos - 0.05);
    }

    /// G.107.2: without impairment R is 148, and the MOS that of R / 1.48 on the narrow band's scale.
    #[test]
    fn full_band_has_its_own_scale() {
        let perfect = Equipment {
            band: Band::Full,
            impairment: 0.0,
            robustness: 10.0,
        };

        assert_eq!(
            rate(&perfect, &CLEAN),
            Rating {
                band: Band::Full,
                r: 148.0,
                mos: 4.5
            }
        );
        let opus = rate(&Equipment::OPUS, &CLEAN);
        let g722 = rate(&Equipment::G722, &CLEAN);
        assert!(near(opus.r, 139.3, 1e-9) && near(opus.mos, 4.42, 0.05), "{}", opus.mos);
        assert!(near(g722.r, 116.0, 1e-9) && near(g722.mos, 3.95, 0.1), "{}", g722.mos);
        let late = rate(&perfect, &Conditions { delay: 0.2, ..CLEAN });
        assert!(near(148.0 - late.r, 1.48 * absolute_delay(200.0), 1e-9));
    }

    #[test]
    fn delay_alone_costs_nothing_up_to_a_tenth_of_a_second() {
        assert_eq!((absolute_delay(0.0), absolute_delay(100.0)), (0.0, 0.0));
        // X = 1: 25 (2^(1/6) - 3 (1 + 1/729)^(1/6) + 2)
        assert!(near(absolute_delay(200.0), 3.044, 0.005), "{}", absolute_delay(200.0));
    }

    #[test]
    fn codecs_are_known_by_their_names_in_sdp() {
        assert_eq!(Equipment::of_codec("pcmu"), Some(Equipment::G711));
        assert_eq!(Equipment::of_codec("opus"), Some(Equipment::OPUS));
        assert_eq!(Equipment::of_codec("G722"), Some(Equipment::G722));
        assert_eq!(Equipment::of_codec("GSM"), None);
    }

    proptest! {
        #[test]
        fn more_loss_or_more_delay_is_never_better(
            loss in 0.0..1.0f64, delay in 0.0..2.0f64, more in 0.0..0.5f64, which in 0..3usize,
        ) {
            let equipment = [Equipment::G711, Equipment::G722, Equipment::OPUS][which];
            let here = rate(&equipment, &Conditions { loss, burst_ratio: 1.0, delay });
            let lossier = rate(&equipment, &Conditions { loss: loss + more, burst_ratio: 1.0, delay });
            let later = rate(&equipment, &Conditions { loss, burst_ratio: 1.0, delay: delay + more });

            prop_assert!((1.0..=4.5).contains(&here.mos));
            prop_assert!(lossier.r <= here.r + 1e-9 && lossier.mos <= here.mos + 1e-9);
            // A very short delay masks the talker's own echo by sidetone; below 10 ms the curve has a dent.
            prop_assert!(later.r <= here.r + 0.5);
        }
    }
}
