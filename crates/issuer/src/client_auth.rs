//! How a client proves itself to an authorization server (RFC 6749 §2.3, SPEC CL-9).

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bearward_token::{ClientSecret, Fingerprint};
use http::HeaderValue;

use crate::fetch::Form;

/// The method, by its registered name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// `client_secret_basic`: in the `Authorization` header.
    #[default]
    SecretBasic,
    /// `client_secret_post`: in the form.
    SecretPost,
}

/// A secret with its version.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The secret.
    pub secret: ClientSecret,
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

/// Why a credential cannot be used. Does not hold it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client's credential cannot be used: {0}")]
pub struct CredentialError(pub String);

/// Where the current secret comes from; asked for every request, so that a new version is used at once.
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// The current secret.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn current(&self) -> Result<Credential, CredentialError>;
}

/// A secret that does not change.
#[derive(Debug)]
pub struct FixedCredential(pub ClientSecret);

impl CredentialSource for FixedCredential {
    fn current(&self) -> Result<Credential, CredentialError> {
        Ok(Credential { secret: self.0.clone() })
    }
}

impl ClientAuth {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
        }
    }

    /// Puts the proof onto a request.
    ///
    /// # Errors
    /// When the secret cannot be written in a header.
    pub fn sign(self, form: &mut Form, client: &str, credential: &Credential) -> Result<(), CredentialError> {
        match self {
            Self::SecretBasic => {
                form.authorization = Some(basic(client, &credential.secret)?);
            }
            Self::SecretPost => {
                form.fields.push(("client_id", client.to_owned()));
                form.fields.push(("client_secret", credential.secret.expose().to_owned()));
            }
        }
        Ok(())
    }
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

/// The shared form of a source.
pub type SharedCredential = Arc<dyn CredentialSource>;

#[cfg(test)]
mod tests {
    use super::*;

    // SPEC CL-9
    #[test]
    fn both_halves_are_form_encoded_before_base64() {
        let mut form = Form::default();
        let credential = Credential { secret: ClientSecret::new("p:w d%ä") };
        ClientAuth::SecretBasic.sign(&mut form, "a:b", &credential).unwrap();
        let value = form.authorization.unwrap();
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"a%3Ab:p%3Aw+d%25%C3%A4");
        assert!(value.is_sensitive());
    }
}
