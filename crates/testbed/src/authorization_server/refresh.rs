//! Refresh tokens: single use, in families; a reused one ends its family.

use std::collections::{HashMap, HashSet};

use super::token::TokenError;
use crate::random_id;

/// What a refresh token stands for.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) client: String,
    pub(super) user: String,
    pub(super) scope: String,
    pub(super) audiences: Vec<String>,
    /// All tokens that came of one login.
    pub(super) family: String,
}

/// All refresh tokens ever issued.
#[derive(Debug, Default)]
pub(super) struct Families {
    tokens: HashMap<String, Token>,
    revoked: HashSet<String>,
}

#[derive(Debug)]
struct Token {
    held: Held,
    is_spent: bool,
}

impl Families {
    /// A new token.
    pub(super) fn issue(&mut self, held: Held) -> String {
        let token = format!("refresh_{}", random_id());
        self.tokens.insert(token.clone(), Token { held, is_spent: false });
        token
    }

    /// Takes a token in: once.
    pub(super) fn spend(&mut self, presented: &str, client: &str) -> Result<Held, TokenError> {
        let token = self
            .tokens
            .get_mut(presented)
            .ok_or(TokenError::InvalidGrant("the refresh token is not known"))?;
        if token.held.client != client {
            return Err(TokenError::InvalidGrant("the refresh token is another client's"));
        }
        let held = token.held.clone();
        if std::mem::replace(&mut token.is_spent, true) {
            self.revoke(&held.family);
            return Err(TokenError::InvalidGrant("the refresh token was used before; its family is revoked"));
        }
        if self.revoked.contains(&held.family) {
            return Err(TokenError::InvalidGrant("the refresh token is revoked"));
        }
        Ok(held)
    }

    /// Ends a family.
    pub(super) fn revoke(&mut self, family: &str) {
        self.revoked.insert(family.to_owned());
    }

    /// Whether a family has ended.
    pub(super) fn is_revoked(&self, family: &str) -> bool {
        self.revoked.contains(family)
    }

    /// What a live token stands for.
    pub(super) fn find(&self, presented: &str) -> Option<&Held> {
        let token = self.tokens.get(presented).filter(|token| !token.is_spent)?;
        (!self.revoked.contains(&token.held.family)).then_some(&token.held)
    }
}
