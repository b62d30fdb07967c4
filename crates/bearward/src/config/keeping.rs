//! How tokens are kept: `minTTL` and `storage`, each under `default`, `default.mcp` or a provider's `auth`.

use std::time::Duration;

use bearward_client::session::{MIN_TTL, MIN_TTL_ID};
use bearward_store::{Kept, Storage};

use super::reader::Section;
use super::settings::MinTtl;
use super::values::{DURATION, Span};

/// What one place says; each part by itself may be left to the next place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Keeping {
    access: Option<Kept>,
    id: Option<Kept>,
    refresh: Option<Kept>,
    access_ttl: Option<Duration>,
    id_ttl: Option<Duration>,
}

impl Keeping {
    /// What a section says.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let mut keeping = Self::default();
        if let Some(storage) = section.section("storage") {
            let kept = |name| storage.parsed(name, "write `memory`, `encrypted` or `keychain`");
            (keeping.access, keeping.id, keeping.refresh) = (kept("access"), kept("id"), kept("refresh"));
            if let Some(text) =
                storage.text("id").filter(|_| !matches!(keeping.id, None | Some(Kept::Memory)))
            {
                let message = "ID tokens are kept in memory; this version keeps them nowhere else yet";
                storage.error(text.at, message, "write `id: memory`, or leave it out");
            }
            storage.finish();
        }
        if let Some(ttl) = section.section("minTTL") {
            let span = |name| ttl.parsed::<Span>(name, DURATION).map(|span| span.0);
            (keeping.access_ttl, keeping.id_ttl) = (span("access"), span("id"));
            ttl.finish();
        }
        keeping
    }

    /// This, and where it says nothing, the other.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            access: self.access.or(other.access),
            id: self.id.or(other.id),
            refresh: self.refresh.or(other.refresh),
            access_ttl: self.access_ttl.or(other.access_ttl),
            id_ttl: self.id_ttl.or(other.id_ttl),
        }
    }

    /// Where tokens are kept; what nobody says is built in.
    pub(crate) fn storage(&self) -> Storage {
        let built_in = Storage::default();
        Storage {
            access: self.access.unwrap_or(built_in.access),
            id: self.id.unwrap_or(built_in.id),
            refresh: self.refresh.unwrap_or(built_in.refresh),
        }
    }

    /// Time that tokens should have left; what nobody says follows from their lifetime.
    pub(crate) fn min_ttl(&self) -> MinTtl {
        MinTtl { access: self.access_ttl.unwrap_or_default(), id: self.id_ttl.unwrap_or_default() }
    }

    /// The same for a session's tokens, which a page must not find expired.
    pub(crate) fn min_ttl_of_sessions(&self) -> MinTtl {
        let (access, id) = (self.access_ttl.unwrap_or(MIN_TTL), self.id_ttl.unwrap_or(MIN_TTL_ID));
        MinTtl { access, id }
    }

    /// Whether both say something of the same part, and not the same.
    pub(crate) fn disagrees(&self, other: &Self) -> bool {
        fn differ<T: PartialEq + Copy>(one: Option<T>, other: Option<T>) -> bool {
            one.is_some() && other.is_some() && one != other
        }
        differ(self.access, other.access)
            || differ(self.id, other.id)
            || differ(self.refresh, other.refresh)
            || differ(self.access_ttl, other.access_ttl)
            || differ(self.id_ttl, other.id_ttl)
    }
}
