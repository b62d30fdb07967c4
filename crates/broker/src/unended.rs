//! Sessions that have ended while their tokens could not be: their store did not answer. They are ended later.

use std::sync::{Mutex, PoisonError};

use bearward_token::Fingerprint;

/// A store that is gone for longer than so many logouts has more to worry about.
const MOST: usize = 10_000;

/// Those of one application.
#[derive(Debug, Default)]
pub struct Unended(Mutex<Vec<Fingerprint>>);

impl Unended {
    /// One more; beyond the bound the oldest is forgotten.
    pub(crate) fn add(&self, session: Fingerprint) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == MOST {
            all.remove(0);
        }
        all.push(session);
    }

    /// All of them, to be tried again.
    pub(crate) fn take(&self) -> Vec<Fingerprint> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
