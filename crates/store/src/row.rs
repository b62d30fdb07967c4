//! A record or a tombstone as bytes, with its place, so that whoever opens it knows what it is for.

use bearward_token::Clock;
use zeroize::Zeroizing;

use crate::rules::{self, Standing};
use crate::{Place, Record, SecretBytes};

const LIVE: u8 = 1;
const LIVE_UNTIL: u8 = 2;
const TOMBSTONE: u8 = 3;

/// What a durable store keeps at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) place: Place,
    pub(crate) version: u64,
    pub(crate) state: State,
}

/// All moments are in seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Live { secret: SecretBytes, expires_at: Option<u64> },
    Tombstone { until: u64 },
}

impl Row {
    /// The record, unless it has expired or this is a tombstone.
    pub(crate) fn into_record(self, clock: &dyn Clock) -> Option<Record> {
        match self.state {
            State::Live { expires_at: Some(moment), .. } if rules::is_over(moment, clock) => None,
            State::Live { secret, expires_at } => Some(Record { secret, expires_at, version: self.version }),
            State::Tombstone { .. } => None,
        }
    }

    pub(crate) fn standing(&self, clock: &dyn Clock) -> Standing {
        match self.state {
            State::Live { expires_at, .. } => Standing::Record {
                version: self.version,
                is_expired: expires_at.is_some_and(|moment| rules::is_over(moment, clock)),
            },
            State::Tombstone { until } if rules::is_over(until, clock) => Standing::Nothing,
            State::Tombstone { .. } => Standing::Tombstone { version: self.version },
        }
    }

    /// Everything but the version, which each store writes where it can be seen. With `room` more bytes reserved: a
    /// buffer that grows leaves copies behind (HARD 20).
    pub(crate) fn encode(&self, room: usize) -> Zeroizing<Vec<u8>> {
        let (kind, moment, secret) = match &self.state {
            State::Live { secret, expires_at: None } => (LIVE, 0, secret.expose()),
            State::Live { secret, expires_at: Some(moment) } => (LIVE_UNTIL, *moment, secret.expose()),
            State::Tombstone { until } => (TOMBSTONE, *until, &[][..]),
        };
        let place = self.place.encode();
        let length = 1 + 8 + 8 + place.len() + secret.len();
        let mut out = Zeroizing::new(Vec::with_capacity(length + room));
        out.push(kind);
        out.extend_from_slice(&moment.to_be_bytes());
        out.extend_from_slice(&(place.len() as u64).to_be_bytes());
        out.extend_from_slice(&place);
        out.extend_from_slice(secret);
        out
    }

    /// What [`Row::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(version: u64, bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (moment, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (place, secret) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        let moment = u64::from_be_bytes(*moment);
        let live = |expires_at| State::Live { secret: SecretBytes::new(secret.to_vec()), expires_at };
        let state = match *kind {
            LIVE if moment == 0 => live(None),
            LIVE_UNTIL => live(Some(moment)),
            TOMBSTONE if secret.is_empty() => State::Tombstone { until: moment },
            _ => return None,
        };
        Some(Self { place: Place::decode(place)?, version, state })
    }
}

#[cfg(test)]
mod tests;
