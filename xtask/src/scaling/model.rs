//! The arithmetic. Everything is a rate in an hour unless its name says otherwise.

use serde::Serialize;

const HOUR: f64 = 3600.0;

/// Requests of one user: an agent that calls a tool every minute.
pub(crate) const REQUESTS: f64 = 60.0;
/// The busiest moment asks so many times the mean.
const PEAK: f64 = 3.0;
/// What one core carries in a second where no token is remembered from the request before: about a fifth of what
/// docs/performance.md shows, for slower machines and so that one of two instances can go.
const CARRIED: f64 = 4_000.0;
/// Cores of an instance.
const CORES: f64 = 4.0;
/// Fewer are never deployed: one may be restarted.
const FEWEST: u64 = 2;

/// How long access tokens live, in seconds; callers' own and those from the issuer.
const TOKEN_LIFE: f64 = 3600.0;
/// A token is refreshed so long before its end: five minutes, and up to a fifth of it more by chance.
const LEAD: f64 = 300.0 * 1.1;
/// Keys are fetched so often by each instance, and metadata, in seconds (`key_source::REFRESH_DEFAULT`, `known_metadata::FRESH`).
const KEYS_EVERY: f64 = 300.0;
const METADATA_EVERY: f64 = 600.0;
/// Providers with a machine's token.
const PROVIDERS: f64 = 5.0;
/// A verdict on an opaque token stands so long, in seconds (`cache::MAX_TTL`).
pub(super) const VERDICT: f64 = 60.0;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Active users, each with one token.
    pub(crate) users: u64,
    /// Of each of them.
    pub(crate) requests: f64,
}

/// What answers: a load balancer sends each request to any of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    /// How many.
    pub(crate) instances: u64,
    /// What one knows the others know.
    pub(crate) is_shared: bool,
}

/// What one issuer sees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct AtIssuer {
    /// Requests for keys and metadata.
    pub(crate) keys: f64,
    /// Token requests for the machine's own tokens.
    pub(crate) machine_tokens: f64,
    /// Refreshes of users' logins: each is one, wherever it is asked for.
    pub(crate) logins: f64,
    /// Exchanges of callers' tokens for one provider.
    pub(crate) exchanges: f64,
    /// Questions about opaque tokens.
    pub(crate) introspections: f64,
}

impl Load {
    /// Requests in a second at the busiest moment.
    pub(crate) fn at_peak(self) -> f64 {
        self.users as f64 * self.requests * PEAK / HOUR
    }

    /// How many instances carry it.
    pub(crate) fn instances(self) -> u64 {
        let needed = (self.at_peak() / (CARRIED * CORES)).ceil();
        (needed as u64).max(FEWEST)
    }
}

impl Fleet {
    /// What its issuer sees in an hour.
    pub(crate) fn at_issuer(self, load: Load) -> AtIssuer {
        let (users, instances) = (load.users as f64, self.instances as f64);
        let who_fetch = if self.is_shared { 1.0 } else { instances };
        AtIssuer {
            keys: instances * (HOUR / KEYS_EVERY + HOUR / METADATA_EVERY),
            machine_tokens: who_fetch * PROVIDERS * HOUR / (TOKEN_LIFE - LEAD),
            logins: users * HOUR / (TOKEN_LIFE - LEAD),
            exchanges: users * self.firsts(load.requests, HOUR / TOKEN_LIFE),
            introspections: users * self.firsts(load.requests, HOUR / VERDICT),
        }
    }

    /// How many of a user's requests meet an instance that has not heard of the user in this window of time: the number of
    /// pairs of instance and window that some request falls into. `windows` is how many of them an hour has.
    pub(crate) fn firsts(self, requests: f64, windows: f64) -> f64 {
        let places = windows * if self.is_shared { 1.0 } else { self.instances as f64 };
        places * (1.0 - (1.0 - 1.0 / places).powf(requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_or_shared_one_user_with_one_request_costs_one() {
        for fleet in [Fleet { instances: 1, is_shared: false }, Fleet { instances: 500, is_shared: true }] {
            assert!((fleet.firsts(1.0, 1.0) - 1.0).abs() < 1e-9, "{fleet:?}");
        }
    }

    #[test]
    fn what_is_shared_does_not_grow_with_the_fleet_and_what_is_not_does() {
        let load = Load { users: 1_000, requests: 60.0 };
        let at = |instances, is_shared| Fleet { instances, is_shared }.at_issuer(load);
        assert_eq!(at(2, true).machine_tokens, at(50, true).machine_tokens);
        assert_eq!(at(2, true).exchanges, at(50, true).exchanges);
        assert!(at(50, false).exchanges > 20.0 * at(50, true).exchanges);
        assert_eq!(at(50, false).machine_tokens, 50.0 * at(50, true).machine_tokens);
        assert_eq!(at(50, false).logins, at(50, true).logins);
    }

    #[test]
    fn two_instances_are_the_fewest_and_then_as_many_as_the_peak_needs() {
        let instances = |users| Load { users, requests: REQUESTS }.instances();
        assert_eq!(instances(1), 2);
        assert!(instances(10_000_000) > instances(1_000_000));
    }
}
