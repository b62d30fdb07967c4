//! What is written down of one login: its refresh token, or how it ended, and with which token it began.

use bearward_store::SecretBytes;
use bearward_token::{Fingerprint, RefreshToken};

const LIVE: u8 = 1;
const ENDED: u8 = 2;

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    began_with: Fingerprint,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Goes on with this.
    Live(RefreshToken),
    /// Has ended, and does not begin again with the token that it began with.
    Ended(String),
}

impl Login {
    /// One that begins with a token from outside, which has this version.
    pub(super) fn new(token: RefreshToken, version: Fingerprint) -> Self {
        Self { began_with: version, state: State::Live(token) }
    }

    /// Goes on with the next token.
    pub(super) fn next(&self, token: RefreshToken) -> Self {
        Self { began_with: self.began_with, state: State::Live(token) }
    }

    /// Ends it.
    pub(super) fn ended(&self, why: &str) -> Self {
        Self { began_with: self.began_with, state: State::Ended(why.to_owned()) }
    }

    /// Whether that is the token from outside that it began with.
    pub(super) fn began_with(&self, version: Fingerprint) -> bool {
        self.began_with == version
    }

    /// Whether both began with the same token from outside.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.began_with == other.began_with
    }

    /// What it began with: no other login has that.
    pub(super) fn beginning(&self) -> Fingerprint {
        self.began_with
    }

    /// What it goes on with; `None` once it has ended.
    pub(super) fn token(&self) -> Option<RefreshToken> {
        match &self.state {
            State::Live(token) => Some(token.clone()),
            State::Ended(_) => None,
        }
    }

    /// Why it has ended.
    pub(super) fn why(&self) -> &str {
        match &self.state {
            State::Live(_) => "",
            State::Ended(why) => why,
        }
    }

    pub(super) fn pack(&self) -> SecretBytes {
        let (kind, rest) = match &self.state {
            State::Live(token) => (LIVE, token.expose()),
            State::Ended(why) => (ENDED, why.as_str()),
        };
        let began_with = self.began_with.as_bytes();
        // All of the room at once: a buffer that grows leaves copies behind (HARD 20).
        let mut bytes = Vec::with_capacity(1 + began_with.len() + rest.len());
        bytes.push(kind);
        bytes.extend_from_slice(began_with);
        bytes.extend_from_slice(rest.as_bytes());
        SecretBytes::new(bytes)
    }

    /// What [`Login::pack`] wrote; `None` for anything else.
    pub(super) fn unpack(bytes: &SecretBytes) -> Option<Self> {
        let (kind, rest) = bytes.expose().split_first()?;
        let (began_with, rest) = rest.split_first_chunk()?;
        let rest = std::str::from_utf8(rest).ok()?;
        let state = match *kind {
            LIVE if !rest.is_empty() => State::Live(RefreshToken::new(rest)),
            ENDED => State::Ended(rest.to_owned()),
            _ => return None,
        };
        Some(Self { began_with: Fingerprint::from_bytes(*began_with), state })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_down_is_read_back(token in "[!-~]{1,200}", given in ".*", why in ".*") {
            let live = Login::new(RefreshToken::new(token.clone()), Fingerprint::of(&given));
            for login in [live.clone(), live.ended(&why), live.next(RefreshToken::new(format!("{token}x")))] {
                prop_assert_eq!(Login::unpack(&login.pack()), Some(login));
            }
        }

        #[test]
        fn anything_else_is_no_login_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some(login) = Login::unpack(&SecretBytes::new(bytes.clone())) {
                prop_assert!(login.pack().expose() == bytes);
            }
        }
    }

    #[test]
    fn a_login_that_has_ended_keeps_no_token() {
        let live = Login::new(RefreshToken::new("secret-refresh"), Fingerprint::of("given"));
        let ended = live.ended("somebody logged out");
        assert_eq!((ended.token(), ended.why()), (None, "somebody logged out"));
        assert!(!String::from_utf8_lossy(ended.pack().expose()).contains("secret-refresh"));
        assert!(!format!("{live:?}").contains("secret-refresh"));
    }
}
