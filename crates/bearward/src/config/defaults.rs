//! The section `default`: what holds for every provider that says nothing itself.

use bearward_client::Choice;

use super::keeping::Keeping;
use super::reader::Section;
use super::reuse;

/// What it says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Defaults {
    /// How tokens are kept.
    pub(crate) keeping: Keeping,
    /// Whether and how the application's login is reused.
    pub(crate) reuse: Choice,
}

impl Defaults {
    /// Reads it. `minTTL` and `storage` may stand directly in it or under `mcp`; two places that disagree are an error.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let Some(default) = root.section("default") else { return Self::default() };
        let above = Keeping::read(&default);
        let mut reuse = Choice::default();
        let below = default.section("mcp").map(|mcp| {
            reuse = reuse::choice(&mcp);
            let below = Keeping::read(&mcp);
            if above.disagrees(&below) {
                let message = "`default` and `default.mcp` say different things of `minTTL` or `storage`";
                mcp.error(mcp.at(), message, "say it in one place");
            }
            mcp.finish();
            below
        });
        default.finish();
        Self { keeping: above.or(below.unwrap_or_default()), reuse }
    }
}
