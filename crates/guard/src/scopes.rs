//! Which scopes a guard needs, offers, and takes as included in others (SPEC RS-6).

use std::collections::BTreeMap;

use bearward_token::{Scope, ScopeSet};

/// The scopes of one guard.
#[derive(Debug, Clone, Default)]
pub struct ScopePolicy {
    required: ScopeSet,
    supported: ScopeSet,
    /// Broader scope → what it includes, as configured; followed to the end.
    implied: BTreeMap<Scope, ScopeSet>,
}

impl ScopePolicy {
    /// `implied` maps a broader scope to the narrower ones it includes, which may include others again.
    pub fn new(required: ScopeSet, supported: ScopeSet, implied: BTreeMap<Scope, ScopeSet>) -> Self {
        Self { required, supported, implied }
    }

    /// Needed by every operation.
    pub fn required(&self) -> &ScopeSet {
        &self.required
    }

    /// Published in the metadata: what was configured, or else what is needed.
    pub fn supported(&self) -> &ScopeSet {
        if self.supported.is_empty() { &self.required } else { &self.supported }
    }

    /// `None` when `held` suffices; else every scope needed, held or not, all at once.
    pub fn missing(&self, held: &ScopeSet) -> Option<ScopeSet> {
        self.missing_for(held, &ScopeSet::default())
    }

    /// The same for an operation that needs `more` than all do.
    pub fn missing_for(&self, held: &ScopeSet, more: &ScopeSet) -> Option<ScopeSet> {
        let suffices = |held: &ScopeSet| held.covers(&self.required) && held.covers(more);
        if suffices(held) || suffices(&self.expand(held)) {
            return None;
        }
        Some(self.required.iter().chain(more.iter()).cloned().collect())
    }

    /// `held` with all it includes. Ends, because a scope is taken in once.
    fn expand(&self, held: &ScopeSet) -> ScopeSet {
        let mut all: Vec<Scope> = held.iter().cloned().collect();
        let mut at = 0;
        while let Some(scope) = all.get(at) {
            let narrower = self.implied.get(scope).cloned().unwrap_or_default();
            for scope in narrower.iter() {
                if !all.contains(scope) {
                    all.push(scope.clone());
                }
            }
            at += 1;
        }
        all.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
