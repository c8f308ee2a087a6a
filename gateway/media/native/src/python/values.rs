//! Python's values as ours.

use std::net::{IpAddr, SocketAddr};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::core::Key;
use crate::srtp::Suite;

/// IP address and port, as Python's sockets have them.
pub type Address = (String, u16);

/// An address that is one.
pub fn socket_address(address: &Address) -> PyResult<SocketAddr> {
    let ip: IpAddr = address
        .0
        .parse()
        .map_err(|_| PyValueError::new_err(format!("{:?} is not an IP address", address.0)))?;
    Ok(SocketAddr::new(ip, address.1))
}

/// As Python's sockets have it.
pub fn address(address: SocketAddr) -> Address {
    (address.ip().to_string(), address.port())
}

/// A name of `gateway.media.core.crypto_line`, and master key and salt together.
pub fn key(name: &str, material: &[u8]) -> PyResult<Key> {
    let suite = match name {
        "AES_CM_128_HMAC_SHA1_80" => Suite::AesCm128HmacSha1_80,
        "AES_CM_128_HMAC_SHA1_32" => Suite::AesCm128HmacSha1_32,
        "AEAD_AES_128_GCM" => Suite::AeadAes128Gcm,
        "AEAD_AES_256_GCM" => Suite::AeadAes256Gcm,
        _ => return Err(PyValueError::new_err(format!("no crypto suite {name:?}"))),
    };
    let (key, salt) = material
        .split_at_checked(suite.key_len())
        .ok_or_else(|| PyValueError::new_err("a key that is too short"))?;
    Ok(Key {
        suite,
        key: key.to_vec(),
        salt: salt.to_vec(),
    })
}

/// What the kernel said, as Python's exception.
pub fn os_error(error: std::io::Error) -> PyErr {
    PyErr::from(error)
}
