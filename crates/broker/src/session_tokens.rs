//! A session's own tokens: got at the sign-in, refreshed ahead while they are used, ended with the session.
//!
//! Twenty tabs that ask at once wait for one refresh, and nobody is signed out by it (HARD 32): a session has one login, and
//! the login spends its refresh token alone. Tokens for several providers come of the same login, one after the other
//! (RFC 8707 §2.2), and end with it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bearward_store::Store;
use bearward_supply::refresh_token::WeakLogin;
use bearward_supply::{
    Failure, Grant, Granted, Handle, Label, RefreshTokenGrant, Revoked, Revoker, SupplyError, Target,
    TokenManager, TokenRequest,
};
use bearward_token::expiry::Moment;
use bearward_token::{Fingerprint, RefreshToken, ScopeSet};

use crate::random::Secret;

/// A session that is over is ended within the hour, and its record outlives it by a day: its login must be there until then.
const AFTER_END: Duration = Duration::from_secs(2 * 24 * 3600);

/// The tokens of all sessions of one application.
pub struct SessionTokens {
    parts: Parts,
    /// Logins that somebody has at hand; a second one of the same session would spend its token twice.
    live: Mutex<HashMap<Fingerprint, WeakLogin>>,
}

/// The login of one session. While somebody has this, its logout is known: what they get for its token then is too late.
pub struct SessionLogin<'a> {
    tokens: &'a SessionTokens,
    login: RefreshTokenGrant,
}

/// What [`SessionTokens`] is made of.
pub struct Parts {
    /// Keeps them.
    pub manager: Arc<TokenManager>,
    /// What they are counted under.
    pub label: Label,
    /// The client at its issuer, and what its own access token is for.
    pub request: Arc<TokenRequest>,
    /// Where refresh tokens live.
    pub store: Arc<dyn Store>,
    /// Tells the issuer of logouts.
    pub revoker: Option<Arc<Revoker>>,
    /// As long as a session can live. What is not written for so long, and two days more, is forgotten.
    pub kept_for: Duration,
}

impl SessionTokens {
    /// None yet.
    pub fn new(parts: Parts) -> Self {
        Self { parts, live: Mutex::default() }
    }

    /// Takes in what a sign-in brought, for the session that begins with this cookie. Without a refresh token the session
    /// has its first access token and no other.
    ///
    /// # Errors
    /// When it cannot be written down; nobody is signed in then.
    pub async fn begin(
        &self,
        cookie: &Secret,
        refresh: Option<RefreshToken>,
        granted: Granted,
        sent: Moment,
    ) -> Result<(), Failure> {
        let login = self.login_of(cookie.fingerprint());
        login.begin(refresh, granted, sent).await?;
        // Held by its entry from here on.
        self.handle_of(login, &self.parts.label).prefetch();
        Ok(())
    }

    /// The login of the session that a cookie opens, which is this user's. Whether it does is another question, asked before.
    pub fn of(&self, cookie: &Secret, subject: &str) -> SessionLogin<'_> {
        let login = self.login_of(cookie.fingerprint());
        login.belongs_to(subject);
        SessionLogin { tokens: self, login }
    }

    /// Ends the login: forgets its tokens for every target and what was taken along, and revokes all of them at their issuer,
    /// now or later (HARD 14).
    ///
    /// # Errors
    /// When what is kept cannot be removed.
    pub async fn end(&self, session: &Fingerprint) -> Result<Revoked, SupplyError> {
        let login = self.login_of(*session);
        let key = login.key();
        let outcome = self.handle_of(login, &self.parts.label).log_out().await;
        // Not before: a clean end of the process waits for what is known.
        self.parts.manager.forget(&key);
        outcome
    }

    fn handle_of(&self, login: RefreshTokenGrant, label: &Label) -> Handle {
        let key = login.key();
        self.parts.manager.of_login(label, &key, move || Arc::new(login) as Arc<dyn Grant>)
    }

    /// The one login of a session, which is known by the hash of its cookie.
    fn login_of(&self, session: Fingerprint) -> RefreshTokenGrant {
        let Parts { request, store, revoker, kept_for, .. } = &self.parts;
        let mut live = self.live();
        if let Some(login) = live.get(&session).and_then(WeakLogin::upgrade) {
            return login;
        }
        // As many as there are, twice: what is gone is gone through once for each that came.
        if live.len() == live.capacity() {
            live.retain(|_, login| login.upgrade().is_some());
        }
        let name = format!("session {}", session.to_hex());
        let login = RefreshTokenGrant::begun_here(
            &name,
            request.clone(),
            store.clone(),
            revoker.clone(),
            *kept_for + AFTER_END,
        );
        live.insert(session, login.downgrade());
        login
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Fingerprint, WeakLogin>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionLogin<'_> {
    /// The way to the session's own access token.
    pub fn own(&self) -> Handle {
        self.tokens.handle_of(self.login.clone(), &self.tokens.parts.label)
    }

    /// The way to a token like the session's own with fewer scopes (RFC 6749 §6).
    pub fn within(&self, scopes: &ScopeSet) -> Handle {
        let target = Target { scopes: scopes.clone(), ..self.tokens.parts.request.target() };
        self.asking(target, &self.tokens.parts.label)
    }

    /// The way to a token of the same login for another target, counted under `label`.
    pub fn asking(&self, target: Target, label: &Label) -> Handle {
        self.tokens.handle_of(self.login.asking(target), label)
    }

    /// What `handle` has was got for the session's own token, and ends with it.
    pub fn take_along(&self, handle: &Handle) {
        self.login.takes_along(handle);
    }

    /// Whether another token can be had without a sign-in; asks nobody.
    pub async fn can_refresh(&self) -> bool {
        self.login.goes_on().await
    }
}

impl fmt::Debug for SessionLogin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionLogin({:?})", self.login)
    }
}

impl fmt::Debug for SessionTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionTokens({} at hand)", self.live().len())
    }
}
