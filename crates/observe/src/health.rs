//! Readiness: whether each part can do its work, and if not, which cannot and why.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// How one part is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Condition {
    /// Does its work.
    Ready,
    /// Does its work for now, and something is wrong.
    Degraded {
        /// What, and until when.
        reason: String,
    },
    /// Cannot do its work.
    Down {
        /// Why, and what happens next.
        reason: String,
    },
}

/// A part that can say how it is. Asked on every `/readyz`; answers from memory, without waiting.
pub trait Probe: Send + Sync {
    /// The part's name: kind and configured name, such as `issuer https://idp.example.com`.
    fn name(&self) -> String;

    /// How it is right now.
    fn condition(&self) -> Condition;
}

/// All probes of one process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Health {
    probes: Arc<Mutex<Vec<Arc<dyn Probe>>>>,
}

/// What `/readyz` answers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// True when no part is down.
    pub ready: bool,
    /// Every part, in the order of registration.
    pub parts: Vec<PartReport>,
}

/// One part of a [`Report`].
#[derive(Debug, Clone, Serialize)]
pub struct PartReport {
    /// The part's name.
    pub name: String,
    /// How it is.
    #[serde(flatten)]
    pub condition: Condition,
}

impl Health {
    /// Adds a part.
    pub fn register(&self, probe: Arc<dyn Probe>) {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).push(probe);
    }

    /// Asks every part.
    pub fn report(&self) -> Report {
        let probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let parts: Vec<_> = probes
            .iter()
            .map(|probe| PartReport { name: probe.name(), condition: probe.condition() })
            .collect();
        let ready = !parts.iter().any(|part| matches!(part.condition, Condition::Down { .. }));
        Report { ready, parts }
    }
}

#[cfg(test)]
mod tests;
