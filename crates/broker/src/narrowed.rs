//! For how many sets of scopes a session may have tokens of one provider: each is a request to the issuer and a token that is
//! kept, and of ten scopes there are a thousand sets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bearward_token::{Fingerprint, ScopeSet};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::problem::{Problem, ProblemKind};

/// So many of one session at one provider; programs ask for a handful.
pub(crate) const MAX_SETS: usize = 16;
/// So many sessions' are remembered, and for so long after the last wish: as long as their tokens.
const MAX_SESSIONS: u64 = 100_000;
const IDLE: Duration = Duration::from_secs(24 * 3600);

type Sets = Arc<Mutex<Vec<ScopeSet>>>;

/// What sessions have asked for.
pub(crate) struct Narrowed(Cache<(Fingerprint, Arc<str>), Sets>);

impl Default for Narrowed {
    fn default() -> Self {
        // By recent use: the cache's own way would not take newcomers in when it is full, and nothing would bound them.
        let sets = Cache::builder().max_capacity(MAX_SESSIONS).eviction_policy(EvictionPolicy::lru());
        Self(sets.time_to_idle(IDLE).build())
    }
}

impl Narrowed {
    /// Takes in one wish.
    ///
    /// # Errors
    /// [`ProblemKind::TooManyScopeSets`] where it is one set too many; one that was asked for before never is.
    pub(crate) fn ask(
        &self,
        session: Fingerprint,
        provider: &Arc<str>,
        scopes: &ScopeSet,
    ) -> Result<(), Problem> {
        let sets = self.0.get_with((session, provider.clone()), Sets::default);
        let mut sets = sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.contains(scopes) {
            return Ok(());
        }
        if sets.len() == MAX_SETS {
            let detail =
                format!("a session has tokens for at most {MAX_SETS} sets of scopes of one provider");
            return Err(Problem::new(ProblemKind::TooManyScopeSets).detail(detail));
        }
        sets.push(scopes.clone());
        Ok(())
    }
}

impl fmt::Debug for Narrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Narrowed({})", self.0.entry_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nth: usize) -> ScopeSet {
        format!("scope-{nth}").parse().unwrap()
    }

    #[test]
    fn a_session_has_so_many_sets_at_each_provider_and_keeps_those_it_has() {
        let (narrowed, session) = (Narrowed::default(), Fingerprint::of("one"));
        let (tools, notes): (Arc<str>, Arc<str>) = ("tools".into(), "notes".into());
        for nth in 0..MAX_SETS {
            narrowed.ask(session, &tools, &set(nth)).unwrap();
        }
        let refused = narrowed.ask(session, &tools, &set(MAX_SETS)).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after), (ProblemKind::TooManyScopeSets, None));
        narrowed.ask(session, &tools, &set(0)).unwrap();
        narrowed.ask(session, &notes, &set(MAX_SETS)).unwrap();
        narrowed.ask(Fingerprint::of("another"), &tools, &set(MAX_SETS)).unwrap();
    }
}
