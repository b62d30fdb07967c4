//! A place as bytes: every part behind its length, so that no two places are written alike (HARD 4).

use super::{Place, Purpose};

/// The length of a part that is absent, which no part has.
const ABSENT: u32 = u32::MAX;

impl Place {
    /// The purpose and the key, whose lengths are fixed, then the others.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.push(self.purpose.code());
        out.extend_from_slice(&self.key);
        let (issuer, client) = (self.issuer.as_str(), self.client.as_str());
        for part in [self.tenant.as_deref(), Some(issuer), self.subject.as_deref(), Some(client)] {
            // A part of 4 GiB is none: what it would take to make one does not pass through any door.
            let length = part.map_or(ABSENT, |part| u32::try_from(part.len()).unwrap_or(ABSENT));
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(part.unwrap_or_default().as_bytes());
        }
        out
    }

    /// What [`Place::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (purpose, rest) = bytes.split_first()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (tenant, rest) = part(rest)?;
        let (issuer, rest) = part(rest)?;
        let (subject, rest) = part(rest)?;
        let (client, rest) = part(rest)?;
        if !rest.is_empty() {
            return None;
        }
        Some(Self {
            tenant,
            issuer: issuer?.parse().ok()?,
            subject,
            client: client?,
            purpose: Purpose::from_code(*purpose)?,
            key: *key,
        })
    }
}

impl Purpose {
    /// Never changed, as records on disk hold it.
    fn code(self) -> u8 {
        match self {
            Self::AccessToken => 1,
            Self::IdToken => 2,
            Self::RefreshToken => 3,
            Self::Session => 4,
            Self::Revocation => 5,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.code() == code)
    }
}

/// One part and what follows it. The outer `None`: broken; the inner one: absent.
fn part(bytes: &[u8]) -> Option<(Option<String>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length);
    if length == ABSENT {
        return Some((None, rest));
    }
    let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(std::str::from_utf8(text).ok()?.to_owned()), rest))
}
