//! Makes and reads the server's own tokens.

use serde_json::{Map, Value, json};

use super::clients::{Client, User};
use super::{ServerState, TokenFormat};
use crate::keys::{Algorithm, b64};
use crate::random_id;

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// For whom a token is made, and for what.
#[derive(Debug, Clone)]
pub(super) struct Grant<'a> {
    pub(super) client: &'a Client,
    /// `None`: the client speaks for itself.
    pub(super) user: Option<&'a User>,
    pub(super) audiences: Vec<String>,
    pub(super) scope: String,
    /// `act` (RFC 8693 §4.1).
    pub(super) actor: Option<Value>,
}

/// An access token with what its response says about it.
pub(super) struct Issued {
    pub(super) token: String,
    /// Its `jti`.
    pub(super) id: String,
    pub(super) expires_in: u64,
}

impl ServerState {
    /// Makes an access token, JWT or opaque as configured.
    pub(super) fn issue(&self, grant: &Grant<'_>) -> Issued {
        let now = self.now();
        let lifetime = self.faults.shape().lifetime_s.unwrap_or(self.lifetime.as_secs());
        let subject = grant.user.map_or_else(|| grant.client.id.clone(), |user| user.name.clone());
        let id = random_id();
        let mut claims = Claims::new();
        claims.extend(grant.client.claims.clone());
        claims.extend(grant.user.map(|user| user.claims.clone()).unwrap_or_default());
        let audience = match grant.audiences.as_slice() {
            [] => Value::from(self.issuer()),
            [one] => Value::from(one.as_str()),
            several => Value::from(several.to_vec()),
        };
        let own = json!({
            "iss": self.issuer(), "sub": subject, "client_id": grant.client.id, "aud": audience,
            "iat": now, "exp": now + lifetime, "jti": id, "scope": grant.scope,
        });
        if let Value::Object(own) = own {
            claims.extend(own);
        }
        if let Some(actor) = &grant.actor {
            claims.insert("act".into(), actor.clone());
        }
        let token = match self.tokens {
            TokenFormat::Jwt => self.sign("at+jwt", &claims),
            TokenFormat::Opaque => {
                let token = format!("opaque_{}", random_id());
                self.memory().opaque.insert(token.clone(), claims);
                token
            }
        };
        self.counts.remember(&token);
        Issued { token, id, expires_in: lifetime }
    }

    /// Makes an ID token (OpenID Connect Core §2) that belongs to an access token.
    pub(super) fn id_token(
        &self,
        client: &Client,
        user: &User,
        nonce: Option<&str>,
        access_token: &str,
    ) -> String {
        let now = self.now();
        // By the hash that the signature uses (§3.1.3.6).
        let by = match self.keys.current().algorithm() {
            Algorithm::EdDsa => &aws_lc_rs::digest::SHA512,
            _ => &aws_lc_rs::digest::SHA256,
        };
        let hash = aws_lc_rs::digest::digest(by, access_token.as_bytes());
        let half = hash.as_ref().get(..hash.as_ref().len() / 2).unwrap_or(&[]);
        let mut claims: Claims = user.claims.clone().into_iter().collect();
        claims.insert("iss".into(), self.issuer().into());
        claims.insert("sub".into(), user.name.as_str().into());
        claims.insert("aud".into(), client.id.as_str().into());
        claims.insert("iat".into(), now.into());
        claims.insert("exp".into(), (now + 600).into());
        claims.insert("at_hash".into(), b64(half).into());
        if let Some(nonce) = nonce {
            claims.insert("nonce".into(), nonce.into());
        }
        let token = self.sign("JWT", &claims);
        self.counts.remember(&token);
        token
    }

    /// The claims of one of the server's own live access tokens; `None` for anything else.
    pub(super) fn read(&self, token: &str) -> Option<Claims> {
        let claims = match self.memory().opaque.get(token) {
            Some(claims) => claims.clone(),
            None => self.verify(token)?,
        };
        let is_revoked = self.memory().is_revoked(claims.get("jti")?.as_str()?);
        let is_live = claims.get("exp")?.as_u64()? > self.now();
        (is_live && !is_revoked).then_some(claims)
    }

    fn verify(&self, token: &str) -> Option<Claims> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let jwk = serde_json::from_value(self.keys.find(&kid)?.public_jwk()).ok()?;
        super::authenticate::verify_jwt(token, &jwk)
    }

    fn sign(&self, typ: &str, claims: &Claims) -> String {
        let key = self.keys.current();
        let header = json!({"alg": key.algorithm().name(), "typ": typ, "kid": key.kid()});
        let encode = |part: &[u8]| b64(part);
        let message = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(&serde_json::to_vec(claims).unwrap_or_default())
        );
        let signature = b64(&key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}
