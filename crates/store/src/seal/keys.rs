//! The keys that records are sealed with, newest first: the first seals, all open.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bearward_token::SealingKey;
use zeroize::Zeroizing;

const KEY_LEN: usize = 32;
pub(super) const KEY_ID_LEN: usize = 8;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// The keys that records are sealed with.
///
/// To change keys, put the new one first and keep the old one behind it; when the store has been opened once, every
/// record is sealed with the new key and the old one may go. A key is good for 2³² records.
///
/// ```
/// use bearward_store::SealingKeys;
/// use bearward_token::SealingKey;
///
/// // As `bearward keygen` prints it.
/// let key = SealingKey::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
/// assert!(SealingKeys::parse([&key]).is_ok());
/// assert!(SealingKeys::parse([&SealingKey::new("secret")]).is_err());
/// ```
pub struct SealingKeys {
    newest: Key,
    older: Vec<Key>,
}

/// Why a text is no sealing key. Never shows the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealingKeyError {
    /// There is none.
    #[error("no sealing key is given: make one with `bearward keygen`")]
    Missing,
    /// It is no key.
    #[error(
        "sealing key number {position} is not 32 bytes in base64url or hexadecimal: make one with `bearward keygen`"
    )]
    NotAKey {
        /// Counted from 1.
        position: usize,
    },
}

pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) aead: RandomizedNonceKey,
}

/// The first bytes of the key's SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId(pub(super) [u8; KEY_ID_LEN]);

impl SealingKeys {
    /// Keys of 32 bytes, each in base64url, base64 or hexadecimal digits; one text may hold several, newest first, with
    /// spaces, line breaks or commas between them.
    ///
    /// # Errors
    /// When one is no key, or there is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a SealingKey>) -> Result<Self, SealingKeyError> {
        let words = texts.into_iter().flat_map(|text| text.expose().split([' ', '\t', '\r', '\n', ',']));
        let words = words.filter(|word| !word.is_empty()).enumerate();
        let mut keys = words
            .map(|(at, word)| Key::parse(word).ok_or(SealingKeyError::NotAKey { position: at + 1 }))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter();
        Ok(Self { newest: keys.next().ok_or(SealingKeyError::Missing)?, older: keys.collect() })
    }

    pub(super) fn newest(&self) -> &Key {
        &self.newest
    }

    /// The key of this id, and whether it is the newest.
    pub(super) fn find(&self, id: KeyId) -> Option<(&Key, bool)> {
        if self.newest.id == id {
            return Some((&self.newest, true));
        }
        self.older.iter().find(|key| key.id == id).map(|key| (key, false))
    }
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let key = decode(text).filter(|key| key.len() == KEY_LEN)?;
        let key = key.as_slice();
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(digest(&SHA256, key).as_ref().get(..KEY_ID_LEN)?);
        Some(Self { id: KeyId(id), aead: RandomizedNonceKey::new(&AES_256_GCM, key).ok()? })
    }
}

/// Into a buffer that is wiped and does not grow.
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = if text.len() == 2 * KEY_LEN {
        hex::decode_to_slice(text, bytes.get_mut(..KEY_LEN)?).ok()?;
        KEY_LEN
    } else {
        let url = BASE64URL.decode_slice(text, &mut bytes);
        url.or_else(|_| BASE64.decode_slice(text, &mut bytes)).ok()?
    };
    bytes.truncate(length);
    Some(bytes)
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SealingKeys {
    /// Their ids, which tell nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = [&self.newest].into_iter().chain(&self.older).map(|key| key.id.to_string());
        f.debug_list().entries(ids).finish()
    }
}
