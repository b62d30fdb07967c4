//! Whether a guard refuses, for whom, or only says what it would refuse: so that a team can deploy before it enforces.

use bearward_token::Fingerprint;

/// What a guard does with what it finds wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: it does not even look.
    Off,
    /// It verifies, counts and logs for everybody, and refuses this share of callers, in percent: 0 observes, 100
    /// enforces.
    Enforce {
        /// 0 to 100.
        percent: u8,
    },
}

impl Default for Mode {
    fn default() -> Self {
        Self::Enforce { percent: 100 }
    }
}

impl Mode {
    /// Verifies and refuses nothing.
    pub const OBSERVE: Self = Self::Enforce { percent: 0 };

    /// Whether refusals count for a caller. The same caller is always on the same side, and stays on the enforced one
    /// when the share grows. `resource` keeps guards apart: a caller is not the first everywhere.
    pub fn enforces(self, resource: &str, caller: &str) -> bool {
        let Self::Enforce { percent } = self else { return false };
        let hash = Fingerprint::of(&format!("{}:{resource}{caller}", resource.len()));
        let bucket = hash.as_bytes().first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first) % 100);
        bucket < u64::from(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(percent: u8) -> usize {
        let mode = Mode::Enforce { percent };
        (0..10_000).filter(|n| mode.enforces("https://a", &n.to_string())).count()
    }

    #[test]
    fn the_share_is_what_was_asked_for_and_grows_without_letting_anybody_go() {
        assert_eq!((share(0), share(100)), (0, 10_000));
        for percent in [1, 25, 50, 99] {
            let expected = usize::from(percent) * 100;
            assert!(share(percent).abs_diff(expected) < 200, "{percent}: {}", share(percent));
        }
        let sides = |percent| {
            let mode = Mode::Enforce { percent };
            (0..1000).map(|n| mode.enforces("https://a", &n.to_string())).collect::<Vec<_>>()
        };
        assert!(sides(20).iter().zip(sides(40)).all(|(small, large)| !small || large));
        assert!(!Mode::Off.enforces("https://a", "x"));
    }

    #[test]
    fn callers_are_not_the_first_at_every_guard() {
        let mode = Mode::Enforce { percent: 50 };
        let at =
            |resource: &str| (0..100).map(|n| mode.enforces(resource, &n.to_string())).collect::<Vec<_>>();
        assert_ne!(at("https://a"), at("https://b"));
    }
}
