//! The grants: client credentials, authorization code, refresh, token exchange.

use serde_json::{Map, Value, json};

use super::ServerState;
use super::claims::{Claims, Grant};
use super::clients::{Client, ClientAuth, User};
use super::refresh::Held;
use super::token::{Params, TokenError, TokenResponse};

const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

impl ServerState {
    /// RFC 6749 §4.4.
    pub(super) fn client_credentials(
        &self,
        client: &Client,
        params: &Params,
    ) -> Result<TokenResponse, TokenError> {
        if matches!(client.auth, ClientAuth::Public) {
            return Err(TokenError::UnauthorizedClient);
        }
        let scope = allowed_scope(client, params.one("scope").unwrap_or(""))?;
        let audiences = allowed_audiences(client, params.audiences())?;
        let grant = Grant { client, user: None, audiences, scope, actor: None };
        Ok(TokenResponse { issued: self.issue(&grant), scope: grant.scope, more: Map::new() })
    }

    /// RFC 6749 §4.1.3, RFC 7636 §4.6. A code works once; used twice, what came of it is revoked.
    pub(super) fn authorization_code(
        &self,
        client: &Client,
        params: &Params,
    ) -> Result<TokenResponse, TokenError> {
        let presented = params.one("code").ok_or(TokenError::InvalidRequest("code is missing"))?;
        let code = {
            let mut memory = self.memory();
            let code = memory.codes.get_mut(presented).filter(|code| code.client == client.id);
            let code = code.ok_or(TokenError::InvalidGrant("the code is not known, or another client's"))?;
            if std::mem::replace(&mut code.used, true) {
                let family = code.family.clone();
                memory.refresh.revoke(&family);
                return Err(TokenError::InvalidGrant("the code was used before"));
            }
            code.clone()
        };
        if code.expires_at <= self.now() {
            return Err(TokenError::InvalidGrant("the code is expired"));
        }
        if params.one("redirect_uri") != Some(&code.redirect_uri) {
            return Err(TokenError::InvalidGrant("redirect_uri is not the one of the authorization request"));
        }
        if !code.verifier_fits(params.one("code_verifier").unwrap_or("")) {
            return Err(TokenError::InvalidGrant("code_verifier does not fit the code_challenge"));
        }
        let user = self.users.get(&code.user).ok_or(TokenError::InvalidGrant("the user is gone"))?;
        let audiences = narrowed(&code.audiences, params.audiences())?;
        let held = Held {
            client: client.id.clone(),
            user: user.name.clone(),
            scope: code.scope.clone(),
            audiences: code.audiences.clone(),
            family: code.family.clone(),
        };
        let scope = held.scope.clone();
        Ok(self.user_tokens(client, user, held, (audiences, scope), code.nonce.as_deref()))
    }

    /// RFC 6749 §6 with rotation; a token used twice ends its whole family (RFC 9700 §4.14.2). Each request may name the
    /// resource that its access token is for (RFC 8707 §2.2); the next refresh token stays as good as the last.
    pub(super) fn refresh_token(
        &self,
        client: &Client,
        params: &Params,
    ) -> Result<TokenResponse, TokenError> {
        let presented =
            params.one("refresh_token").ok_or(TokenError::InvalidRequest("refresh_token is missing"))?;
        self.counts.refresh_presented(presented);
        // What is asked for is judged first: a request that is refused for it may be mended and sent again.
        if let Some(held) = self.memory().refresh.find(presented) {
            refreshed(client, held, params.audiences())?;
            if params.one("scope").is_some_and(|less| !is_subset(less, &held.scope)) {
                return Err(TokenError::InvalidScope);
            }
        }
        let held = self.memory().refresh.spend(presented, &client.id)?;
        let user = self.users.get(&held.user).ok_or(TokenError::InvalidGrant("the user is gone"))?;
        let audiences = refreshed(client, &held, params.audiences())?;
        let scope = params.one("scope").map_or_else(|| held.scope.clone(), str::to_owned);
        Ok(self.user_tokens(client, user, held, (audiences, scope), None))
    }

    /// RFC 8693. The subject token must be one of this server's own.
    pub(super) fn token_exchange(
        &self,
        client: &Client,
        params: &Params,
    ) -> Result<TokenResponse, TokenError> {
        let subject = self.exchanged(params, "subject_token", "subject_token_type")?;
        let subject = subject.ok_or(TokenError::InvalidRequest("subject_token is missing"))?;
        let actor = self.exchanged(params, "actor_token", "actor_token_type")?;
        let requested = params.one("requested_token_type").unwrap_or(ACCESS_TOKEN_TYPE);
        if requested != ACCESS_TOKEN_TYPE && requested != JWT_TYPE {
            return Err(TokenError::InvalidRequest("this requested_token_type is not supported"));
        }
        let audiences = allowed_audiences(client, params.audiences())?;
        if audiences.is_empty() {
            return Err(TokenError::InvalidTarget);
        }
        let name = subject.get("sub").and_then(Value::as_str).unwrap_or("");
        let stranger = User { claims: foreign_claims(&subject), ..User::new(name, "") };
        let user = self.users.get(name).unwrap_or(&stranger);
        let held = subject.get("scope").and_then(Value::as_str).unwrap_or("").to_owned();
        let scope = match params.one("scope") {
            None => held,
            Some(less) if is_subset(less, &held) => less.to_owned(),
            Some(_) => return Err(TokenError::InvalidScope),
        };
        let actor = actor.map(|claims| json!({"sub": claims.get("sub"), "act": subject.get("act")}));
        let grant = Grant { client, user: Some(user), audiences, scope, actor };
        let mut more = Map::new();
        more.insert("issued_token_type".into(), requested.into());
        Ok(TokenResponse { issued: self.issue(&grant), scope: grant.scope, more })
    }

    fn exchanged(&self, params: &Params, name: &str, kind: &str) -> Result<Option<Claims>, TokenError> {
        let Some(token) = params.one(name) else { return Ok(None) };
        match params.one(kind) {
            Some(ACCESS_TOKEN_TYPE | JWT_TYPE) => {}
            _ => return Err(TokenError::InvalidRequest("this token type is not supported")),
        }
        let claims = self.read(token).ok_or(TokenError::InvalidRequest("the token is not valid here"))?;
        Ok(Some(claims))
    }

    /// The access token is for what was asked; the refresh token for all that the login is.
    fn user_tokens(
        &self,
        client: &Client,
        user: &User,
        held: Held,
        (audiences, scope): (Vec<String>, String),
        nonce: Option<&str>,
    ) -> TokenResponse {
        let grant = Grant { client, user: Some(user), audiences, scope: scope.clone(), actor: None };
        let issued = self.issue(&grant);
        self.memory().logins.insert(issued.id.clone(), held.family.clone());
        let mut more = Map::new();
        if is_subset("openid", &scope) {
            more.insert("id_token".into(), self.id_token(client, user, nonce, &issued.token).into());
        }
        if is_subset("offline_access", &held.scope) {
            let token = self.memory().refresh.issue(held);
            self.counts.remember(&token);
            more.insert("refresh_token".into(), token.into());
        }
        TokenResponse { issued, scope, more }
    }
}

fn allowed_scope(client: &Client, asked: &str) -> Result<String, TokenError> {
    let allowed = |scope: &str| client.scopes.is_empty() || client.scopes.iter().any(|known| known == scope);
    if asked.split(' ').filter(|scope| !scope.is_empty()).all(allowed) {
        return Ok(asked.to_owned());
    }
    Err(TokenError::InvalidScope)
}

pub(super) fn allowed_audiences(client: &Client, asked: Vec<String>) -> Result<Vec<String>, TokenError> {
    let allowed = |audience: &String| client.audiences.is_empty() || client.audiences.contains(audience);
    if asked.iter().all(allowed) { Ok(asked) } else { Err(TokenError::InvalidTarget) }
}

/// RFC 8707 §2.2: a later request may name fewer resources than the grant, never others.
fn narrowed(granted: &[String], asked: Vec<String>) -> Result<Vec<String>, TokenError> {
    if asked.is_empty() {
        return Ok(granted.to_vec());
    }
    if asked.iter().all(|audience| granted.contains(audience)) {
        Ok(asked)
    } else {
        Err(TokenError::InvalidTarget)
    }
}

/// The same for a refresh, which for some clients reaches farther than the login did.
fn refreshed(client: &Client, held: &Held, asked: Vec<String>) -> Result<Vec<String>, TokenError> {
    let also = if asked.is_empty() { &[][..] } else { &client.also_by_refresh };
    narrowed(&[&held.audiences, also].concat(), asked)
}

fn is_subset(less: &str, more: &str) -> bool {
    less.split(' ').filter(|scope| !scope.is_empty()).all(|scope| more.split(' ').any(|held| held == scope))
}

/// A subject without an account here keeps what its token said of it.
fn foreign_claims(subject: &Claims) -> std::collections::BTreeMap<String, Value> {
    const OWN: [&str; 9] = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "scope", "client_id"];
    let others = subject.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}
