//! The ciphers of `rtc-srtp`'s own provider, with one exchanged: its AES-CTR expands the key anew for each packet.

use aes::cipher::{InnerIvInit, KeyInit, StreamCipher as _, StreamCipherCoreWrapper};
use aes::{Aes128Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use rtc_srtp::crypto::providers::RingCrypto;
use rtc_srtp::crypto::{
    AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CryptoAlgorithm, CryptoError, HmacAlgorithm, Mac, RTCCrypto,
    StreamCipher, StreamCipherAlgorithm,
};

/// What SRTP asks of a provider; whatever else there is, is refused.
pub struct Ciphers;

impl RTCCrypto for Ciphers {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        RingCrypto.supports(algorithm)
    }

    fn block_encrypt(&self, algorithm: BlockCipherAlgorithm, key: &[u8], block: &mut [u8]) -> Result<(), CryptoError> {
        RingCrypto.block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        RingCrypto.new_hmac(algorithm, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        RingCrypto.new_aead(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        let expanded: Option<Box<dyn StreamCipher>> = match algorithm {
            StreamCipherAlgorithm::Aes128Ctr => Aes128Enc::new_from_slice(key)
                .ok()
                .map(|key| Box::new(Aes128(key)) as _),
            StreamCipherAlgorithm::Aes256Ctr => Aes256Enc::new_from_slice(key)
                .ok()
                .map(|key| Box::new(Aes256(key)) as _),
            _ => None,
        };
        expanded.map_or_else(|| RingCrypto.new_stream_cipher(algorithm, key), Ok) // which says what is wrong with it
    }
}

macro_rules! counter_mode {
    ($name:ident, $cipher:ty) => {
        struct $name($cipher);

        impl StreamCipher for $name {
            fn apply_keystream(&mut self, counter: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
                let core = CtrCore::<_, Ctr128BE>::inner_iv_slice_init(self.0.clone(), counter).map_err(|_| {
                    CryptoError::InvalidNonceLength {
                        expected: 16,
                        actual: counter.len(),
                    }
                })?;
                StreamCipherCoreWrapper::from_core(core).apply_keystream(data);
                Ok(())
            }
        }
    };
}

counter_mode!(Aes128, Aes128Enc);
counter_mode!(Aes256, Aes256Enc);
