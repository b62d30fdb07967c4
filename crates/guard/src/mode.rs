//! Whether a guard refuses, for whom, or only says what it would refuse: so that a team can deploy before it enforces.

use bearward_token::Share;

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
    pub fn enforces(self, resource: &str, caller: impl FnOnce() -> String) -> bool {
        match self {
            Self::Off | Self::Enforce { percent: 0 } => false,
            // For everybody, whoever it is.
            Self::Enforce { percent: 100.. } => true,
            Self::Enforce { percent } => Share::percent(percent).includes(resource, &caller()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_enforces_for_its_share_and_off_for_nobody() {
        let enforced =
            |mode: Mode| (0..1000).filter(|n| mode.enforces("https://a", || n.to_string())).count();
        assert_eq!((enforced(Mode::Off), enforced(Mode::OBSERVE), enforced(Mode::default())), (0, 0, 1000));
        assert!((400..600).contains(&enforced(Mode::Enforce { percent: 50 })));
    }
}
