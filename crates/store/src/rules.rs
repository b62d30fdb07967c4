//! Which write may follow what: the same in every store.

use bearward_token::Clock;

use crate::store::{MAX_SECRET_BYTES, TOMBSTONE_LIFETIME};
use crate::{Expected, Place, StoreError};

/// What stands at a place, as far as writes are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Nothing,
    Record { version: u64, is_expired: bool },
    Tombstone { version: u64 },
}

/// The version of the write that replaces `standing`.
///
/// # Errors
/// When it is not what the write expects.
pub(crate) fn next_version(
    place: &Place,
    standing: Standing,
    expected: Expected,
    clock: &dyn Clock,
) -> Result<u64, StoreError> {
    let conflict = |found| Err(StoreError::Conflict { what: place.to_string(), found });
    match (expected, standing) {
        (Expected::NewLogin, _) => {}
        (_, Standing::Tombstone { .. }) => {
            return Err(StoreError::LoggedOut { what: place.to_string() });
        }
        (Expected::Any, _) | (Expected::Absent, Standing::Nothing) => {}
        // It looks like nothing to whoever reads it.
        (Expected::Absent, Standing::Record { is_expired: true, .. }) => {}
        (Expected::Version(wanted), Standing::Record { version, .. }) if wanted == version => {}
        (_, Standing::Record { version, .. }) => return conflict(Some(version)),
        (Expected::Version(_), Standing::Nothing) => return conflict(None),
    }
    Ok(successor(standing, clock))
}

/// The version of whatever comes after `standing`.
///
/// Where nothing stands versions begin with the time: after a record or a tombstone is forgotten they are still larger
/// than before, so that a write from then matches nothing (HARD 14).
pub(crate) fn successor(standing: Standing, clock: &dyn Clock) -> u64 {
    match standing {
        Standing::Nothing => clock.unix_ms().max(1),
        Standing::Record { version, .. } | Standing::Tombstone { version } => version.saturating_add(1),
    }
}

/// When a tombstone that is made now is forgotten, in seconds since the Unix epoch.
pub(crate) fn tombstone_until(clock: &dyn Clock) -> u64 {
    clock.unix_seconds().saturating_add(TOMBSTONE_LIFETIME.as_secs())
}

/// Expiry on the boundary second too.
pub(crate) fn is_over(moment: u64, clock: &dyn Clock) -> bool {
    moment <= clock.unix_seconds()
}

/// # Errors
/// When the secret is longer than any store takes.
pub(crate) fn check_length(place: &Place, bytes: usize) -> Result<(), StoreError> {
    match bytes > MAX_SECRET_BYTES {
        true => {
            Err(StoreError::TooLarge { what: place.to_string(), bytes, limit: MAX_SECRET_BYTES, advice: "" })
        }
        false => Ok(()),
    }
}
