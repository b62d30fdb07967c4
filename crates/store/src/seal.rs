//! Rows sealed so that they open at their own place alone (HARD 19).
//!
//! ```text
//! format 1 │ key id 8 │ place id 32 │ version 8 │ length 4 │ nonce 12 │ sealed row, tag 16
//! └───────────── associated data, in the clear ──────────┘            └─ AES-256-GCM ─┘
//! ```
//! The place id is the SHA-256 of an encoding that no two places share, so it binds tenant, issuer, subject, client,
//! purpose and key. What it cannot show is that a whole file was put back as it was yesterday.

mod keys;

pub use keys::{SealingKeyError, SealingKeys};

use aws_lc_rs::aead::{Aad, MAX_TAG_LEN, NONCE_LEN, Nonce};

use crate::row::Row;
use crate::{Damage, PlaceId, StoreError};
use keys::{KEY_ID_LEN, KeyId};
use zeroize::Zeroizing;

/// The first byte; another one when this layout changes.
const FORMAT: u8 = 1;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + 32 + 8 + 4;
/// What sealing adds to a row, in bytes.
pub(crate) const OVERHEAD: usize = HEADER_LEN + NONCE_LEN + MAX_TAG_LEN;

/// What a sealed row holds, and whether it is sealed with the newest key.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) row: Row,
    pub(crate) is_newest_key: bool,
}

impl SealingKeys {
    /// Seals with the newest key and a fresh random nonce.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub(crate) fn seal(&self, row: &Row) -> Result<Vec<u8>, StoreError> {
        let failed = || StoreError::Sealing { what: row.place.to_string() };
        let key = self.newest();
        let mut sealed = row.encode(MAX_TAG_LEN);
        let length = u32::try_from(sealed.len() + MAX_TAG_LEN).map_err(|_| failed())?;
        let header = Header { key: key.id, place: row.place.id(), version: row.version, length }.encode();
        let nonce =
            key.aead.seal_in_place_append_tag(Aad::from(&header), &mut *sealed).map_err(|_| failed())?;
        Ok([&header[..], nonce.as_ref(), &sealed].concat())
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn open(&self, place: &PlaceId, bytes: &[u8]) -> Result<Opened, Damage> {
        let truncated = || Damage::Truncated { bytes: bytes.len() };
        match bytes.first() {
            Some(&FORMAT) => {}
            Some(&format) => return Err(Damage::UnknownFormat { format }),
            None => return Err(truncated()),
        }
        let (encoded, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or_else(truncated)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(truncated)?;
        let header = Header::decode(encoded).ok_or(Damage::Altered)?;
        if header.place != *place {
            return Err(Damage::Misplaced { belongs: header.place.to_string() });
        }
        let (key, is_newest_key) =
            self.find(header.key).ok_or_else(|| Damage::UnknownKey { key: header.key.to_string() })?;
        if rest.len() < header.length as usize {
            return Err(truncated());
        }
        let mut sealed = Zeroizing::new(rest.to_vec());
        let opened = key.aead.open_in_place(Nonce::from(nonce), Aad::from(encoded), &mut sealed);
        let row = opened.ok().and_then(|row| Row::decode(header.version, row));
        match row {
            // A row that opens and speaks of another place was sealed by something that is not this code.
            Some(row) if row.place.id() == *place => Ok(Opened { row, is_newest_key }),
            _ => Err(Damage::Altered),
        }
    }
}

struct Header {
    key: KeyId,
    place: PlaceId,
    version: u64,
    /// Of the sealed row with its tag: tells a short file from an altered one.
    length: u32,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let parts: [&[u8]; 5] = [
            &[FORMAT],
            &self.key.0,
            self.place.as_bytes(),
            &self.version.to_be_bytes(),
            &self.length.to_be_bytes(),
        ];
        // The parts are as long as the header, by their types.
        for (to, from) in out.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        out
    }

    fn decode(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let (_format, rest) = bytes.split_first()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (place, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let length = rest.first_chunk()?;
        Some(Self {
            key: KeyId(*key),
            place: PlaceId::from_bytes(*place),
            version: u64::from_be_bytes(*version),
            length: u32::from_be_bytes(*length),
        })
    }
}

#[cfg(test)]
mod tests;
