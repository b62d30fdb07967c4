//! How a client proves itself to an authorization server (RFC 6749 §2.3, RFC 7523, SPEC CL-9).

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bearward_token::{ClientSecret, Fingerprint, JwsKey};
use http::HeaderValue;
use serde_json::{Map, Value, json};

use crate::fetch::Form;

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion lives: long enough for clocks that differ a little.
const ASSERTION_LIFETIME: u64 = 60;

/// The method, by its registered name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// `client_secret_basic`: in the `Authorization` header.
    #[default]
    SecretBasic,
    /// `client_secret_post`: in the form.
    SecretPost,
    /// `private_key_jwt`: the credential is a private key in PEM, and signs an assertion for each request.
    PrivateKeyJwt,
    /// `none`: a public client.
    None,
}

/// A secret, or a private key, with its version.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The secret.
    pub secret: ClientSecret,
}

/// Why a credential cannot be used. Does not hold it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client's credential cannot be used: {0}")]
pub struct CredentialError(pub String);

/// What a [`CredentialSource`] hands out.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Credential, CredentialError>> + Send + 'a>>;

/// Where the current secret comes from; asked for every request, so that a new version is used at once.
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// The current secret. A store on the network may be asked for it.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn current(&self) -> Reading<'_>;

    /// The version that [`Self::current`] would hand out, as far as it is known without a store on the network:
    /// cheap, and never waits. `None` when nothing is known.
    fn version(&self) -> Option<Fingerprint>;

    /// What an authorization server has just refused may have been replaced: the next [`Self::current`] looks again,
    /// where it would have answered from memory.
    fn doubt(&self) {}

    /// Why there is no secret, as far as it is known; never waits.
    fn trouble(&self) -> Option<CredentialError> {
        None
    }
}

/// The shared form of a source.
pub type SharedCredential = Arc<dyn CredentialSource>;

/// A secret that does not change.
#[derive(Debug)]
pub struct FixedCredential(pub ClientSecret);

impl CredentialSource for FixedCredential {
    fn current(&self) -> Reading<'_> {
        Box::pin(ready(Ok(Credential { secret: self.0.clone() })))
    }

    fn version(&self) -> Option<Fingerprint> {
        Some(self.0.fingerprint())
    }
}

/// What an assertion says beside who the client is.
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// `aud`: the issuer, or what an older server wants instead.
    pub audience: &'a str,
    /// `iat`, seconds since the Unix epoch.
    pub now: u64,
}

impl Credential {
    /// Changes when the secret does.
    pub fn version(&self) -> Fingerprint {
        self.secret.fingerprint()
    }

    /// As a bearer credential, for servers that take their secret keys so.
    ///
    /// # Errors
    /// When it cannot be written in a header.
    pub fn bearer(&self) -> Result<HeaderValue, CredentialError> {
        secret_header(format!("Bearer {}", self.secret.expose()))
    }
}

impl ClientAuth {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// Puts the proof onto a request.
    ///
    /// # Errors
    /// When the secret cannot be written in a header, or the key cannot sign.
    pub fn sign(
        self,
        form: &mut Form,
        client: &str,
        credential: &Credential,
        assertion: Assertion<'_>,
    ) -> Result<(), CredentialError> {
        match self {
            Self::SecretBasic => form.authorization = Some(basic(client, &credential.secret)?),
            Self::SecretPost => {
                form.fields.push(("client_id", client.to_owned()));
                form.fields.push(("client_secret", credential.secret.expose().to_owned()));
            }
            Self::PrivateKeyJwt => {
                form.fields.push(("client_id", client.to_owned()));
                form.fields.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
                form.fields.push(("client_assertion", signed(client, credential, assertion)?));
            }
            Self::None => form.fields.push(("client_id", client.to_owned())),
        }
        Ok(())
    }
}

/// RFC 7523 §3. An assertion is for one server, once, and dies soon.
fn signed(client: &str, key: &Credential, about: Assertion<'_>) -> Result<String, CredentialError> {
    let failed = |error: &dyn fmt::Display| CredentialError(error.to_string());
    let key = JwsKey::from_pem(key.secret.expose().as_bytes()).map_err(|error| failed(&error))?;
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| failed(&"the machine gives no randomness"))?;
    let claims = json!({
        "iss": client,
        "sub": client,
        "aud": about.audience,
        "iat": about.now,
        "exp": about.now + ASSERTION_LIFETIME,
        "jti": URL_SAFE_NO_PAD.encode(id),
    });
    let claims = if let Value::Object(claims) = claims { claims } else { Map::new() };
    key.sign("JWT", &claims).map_err(|error| failed(&error))
}

/// RFC 6749 §2.3.1: each half form-encoded, then joined, then base64.
fn basic(client: &str, secret: &ClientSecret) -> Result<HeaderValue, CredentialError> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client), encode(secret.expose()));
    secret_header(format!("Basic {}", STANDARD.encode(pair)))
}

fn secret_header(text: String) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| CredentialError("it cannot be written in a header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
