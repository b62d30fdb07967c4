//! An authorization server as one client of it sees it: takes secrets, issues tokens, fails as its weather has it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bearward_supply::grant::Requesting;
use bearward_supply::{Failure, Grant, Granted};
use bearward_token::{AccessToken, Clock, Fingerprint};
use fastrand::Rng;

use crate::clock::WorldClock;
use crate::oracle::Oracle;
use crate::rules::{Rules, Verdict};
use crate::secrets::Secrets;
use crate::weather::Weather;

/// One client at one issuer: what a gate of the manager stands before.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) clock: WorldClock,
    pub(crate) oracle: Arc<Oracle>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) secrets: Secrets,
    pub(crate) state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) random: Rng,
    /// A pause that it has asked for: since when the client knows, and until when.
    pub(crate) held: Option<(Duration, Duration)>,
    pub(crate) rules: Rules,
}

/// How one key's tokens are had there.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) number: usize,
    pub(crate) server: Arc<Server>,
}

impl Grant for Key {
    fn request(&self) -> Requesting<'_> {
        Box::pin(self.server.answer(self.number))
    }

    fn credential_version(&self) -> Option<Fingerprint> {
        let version = self.server.secrets.ours(self.server.clock.monotonic());
        Some(Fingerprint::of(&version.to_string()))
    }
}

impl Server {
    async fn answer(&self, key: usize) -> Result<Granted, Failure> {
        let sent = self.clock.now();
        let secret = self.secrets.ours(sent.monotonic);
        let mut asking = Asking::begin(self, key, secret, sent.monotonic);
        let fate = self.with(|state| self.weather.fate(sent.monotonic, &mut state.random));
        self.clock.sleep(fate.there).await;
        let is_known = self.secrets.is_good(secret, self.clock.monotonic());
        let issued = (is_known && fate.is_issued).then(|| self.oracle.issued(key, sent));
        self.clock.sleep(fate.back).await;
        let failure = match fate.failure {
            Some(failure) => failure,
            None if !is_known => Failure::Refused { code: "invalid_client".into(), advice: "" },
            None => match issued {
                Some((text, lifetime)) => {
                    asking.succeeded();
                    self.oracle.delivered(key, &text, self.well_for());
                    return Ok(Granted {
                        credential: Some(Fingerprint::of(&secret.to_string())),
                        ..Granted::new(AccessToken::new(text), lifetime)
                    });
                }
                None => Failure::Fault,
            },
        };
        asking.failed(Some(&failure));
        self.hold(&failure);
        Err(failure)
    }

    fn hold(&self, failure: &Failure) {
        let Some(pause) = failure.asked_pause() else { return };
        let now = self.clock.monotonic();
        self.with(|state| {
            let (since, until) = state.held.filter(|(_, until)| *until > now).unwrap_or((now, now));
            state.held = Some((since, until.max(now + pause)));
        });
    }

    /// True within a pause that the client knows of.
    fn is_held(&self, now: Duration) -> bool {
        self.with(|state| state.held.is_some_and(|(since, until)| since < now && now < until))
    }

    /// For how long nothing has kept it from issuing a token; `None` while something does.
    pub(crate) fn well_for(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        let not_held = match self.with(|state| state.held) {
            Some((_, until)) => now.checked_sub(until)?,
            None => now,
        };
        Some(self.weather.well_for(now)?.min(self.secrets.good_for(now)?).min(not_held))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request, from when it leaves until its end is known. Who stops waiting for it has failed.
struct Asking<'a> {
    server: &'a Server,
    key: usize,
    secret: usize,
    verdict: Verdict,
    is_over: bool,
}

impl<'a> Asking<'a> {
    fn begin(server: &'a Server, key: usize, secret: usize, now: Duration) -> Self {
        let verdict = server.with(|state| state.rules.sent(key, secret, now));
        server.oracle.requested(server.is_held(now), verdict);
        Self { server, key, secret, verdict, is_over: false }
    }

    fn succeeded(&mut self) {
        self.is_over = true;
        self.server.with(|state| state.rules.succeeded(self.key));
    }

    fn failed(&mut self, why: Option<&Failure>) {
        self.is_over = true;
        let now = self.server.clock.monotonic();
        self.server.with(|state| state.rules.failed(self.key, self.secret, why, now));
        self.server.oracle.failed(why.map_or("timeout", Failure::outcome), self.verdict);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.failed(None);
        }
    }
}
