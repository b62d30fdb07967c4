//! What Vault answers, and what it means.

use std::borrow::Cow;

use bearward_token::{AccessToken, ClientSecret};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::VaultAuth;
use super::api::Lease;
use crate::local::usable;
use crate::member::{self, NoMember};
use crate::{SecretError, SecretRef, Store, VaultRef};

/// Longest answer that is read, in bytes: several secrets of the longest kind that is used.
const MAX_ANSWER: usize = 256 * 1024;

/// An answer, wiped when it has been read (HARD 20). It is never shown: it holds secrets.
pub(super) struct Answer {
    status: StatusCode,
    body: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
struct Login<'a> {
    #[serde(borrow)]
    auth: Auth<'a>,
}

/// The token is not copied before it goes where it is wiped.
#[derive(Deserialize)]
struct Auth<'a> {
    #[serde(borrow)]
    client_token: Cow<'a, str>,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

#[derive(Deserialize)]
struct Renewal {
    auth: Renewed,
}

#[derive(Deserialize)]
struct Renewed {
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

#[derive(Deserialize)]
struct Lookup {
    data: LookedUp,
}

#[derive(Deserialize)]
struct LookedUp {
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

#[derive(Deserialize)]
struct Secret<'a> {
    #[serde(borrow)]
    data: Version<'a>,
}

/// A version of a secret; one that was deleted has metadata alone.
#[derive(Deserialize)]
struct Version<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

impl Answer {
    /// Takes all of the announced room at once: a buffer that grows leaves copies behind.
    pub(super) fn new(status: StatusCode, announced: Option<u64>) -> Self {
        let room = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(16 * 1024);
        Self { status, body: Zeroizing::new(Vec::with_capacity(room.min(MAX_ANSWER))) }
    }

    pub(super) fn add(&mut self, chunk: &[u8]) -> Result<(), SecretError> {
        if self.body.len() + chunk.len() > MAX_ANSWER {
            return Err(odd(format!("it is longer than {MAX_ANSWER} bytes")));
        }
        self.body.extend_from_slice(chunk);
        Ok(())
    }

    /// The error's own words name places in the answer and could repeat what stands there.
    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, SecretError> {
        serde_json::from_slice(&self.body).map_err(|_| odd("it is not the JSON that Vault documents".into()))
    }

    fn version(&self) -> Option<Version<'_>> {
        serde_json::from_slice::<Secret<'_>>(&self.body).ok().map(|secret| secret.data)
    }

    /// What means the same whatever was asked.
    fn failure(&self) -> SecretError {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => SecretError::Sealed,
            StatusCode::TOO_MANY_REQUESTS => odd("it is asked too often (429): see its quotas".into()),
            status if status.is_redirection() => odd(format!(
                "it redirects ({}), which is not followed: write the address of an active node",
                status.as_u16()
            )),
            status => odd(format!("HTTP status {}", status.as_u16())),
        }
    }
}

/// The token of a login.
pub(super) fn logged_in(answer: &Answer, auth: &VaultAuth) -> Result<(AccessToken, Lease), SecretError> {
    match answer.status {
        StatusCode::OK => {
            let auth = answer.parse::<Login>()?.auth;
            let lease = Lease { seconds: auth.lease_duration, is_renewable: auth.renewable };
            Ok((AccessToken::new(auth.client_token), lease))
        }
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            let advice = match auth {
                VaultAuth::AppRole { mount, .. } => {
                    format!(
                        "check `roleId` and the secret id, which may be used up, and that AppRole is mounted at `{mount}`"
                    )
                }
                VaultAuth::Kubernetes { mount, role, .. } => format!(
                    "check that role `{role}` at `{mount}` is bound to this service account and namespace"
                ),
                VaultAuth::Token(_) => "check the token".into(),
            };
            Err(SecretError::LoginRefused { store: Store::Vault, status: status.as_u16(), advice })
        }
        _ => Err(answer.failure()),
    }
}

/// How long a given token lasts.
pub(super) fn looked_up(answer: &Answer) -> Result<Lease, SecretError> {
    match answer.status {
        StatusCode::OK => {
            let data = answer.parse::<Lookup>()?.data;
            Ok(Lease { seconds: data.ttl, is_renewable: data.renewable })
        }
        StatusCode::FORBIDDEN => {
            let advice = "the token has expired or was revoked, or may not look itself up".into();
            Err(SecretError::LoginRefused { store: Store::Vault, status: 403, advice })
        }
        _ => Err(answer.failure()),
    }
}

/// How long a renewed token lasts; `None` when Vault refuses.
pub(super) fn renewed(answer: &Answer) -> Result<Option<Lease>, SecretError> {
    match answer.status {
        StatusCode::OK => {
            let auth = answer.parse::<Renewal>()?.auth;
            // What was renewed to no time at all ends now; a token that lasts for ever is not renewed.
            Ok((auth.lease_duration > 0)
                .then_some(Lease { seconds: auth.lease_duration, is_renewable: auth.renewable }))
        }
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => Ok(None),
        _ => Err(answer.failure()),
    }
}

/// Whether a token was ended.
pub(super) fn revoked(answer: &Answer) -> Result<(), SecretError> {
    match answer.status {
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
        _ => Err(answer.failure()),
    }
}

/// A field of a secret.
pub(super) fn field(
    answer: &Answer,
    reference: &SecretRef,
    place: &VaultRef,
) -> Result<ClientSecret, SecretError> {
    match answer.status {
        StatusCode::OK => {
            let version = answer.version();
            let version = version.ok_or_else(|| odd("it is not the JSON that Vault documents".into()))?;
            let Version { data: Some(data), metadata: Some(_) } = version else {
                return Err(odd(format!("`{}` is no KV engine of version 2", place.mount())));
            };
            let text = member::text(data.get(), place.field()).map_err(|why| match why {
                NoMember::NoObject => odd("the secret is no JSON object".into()),
                NoMember::Missing => SecretError::NoField(reference.clone()),
                NoMember::NotText => SecretError::NotText(reference.clone()),
            })?;
            usable(reference, text)
        }
        StatusCode::FORBIDDEN => {
            let (mount, path) = (place.mount(), place.path());
            let advice = format!(
                "a policy of its login needs `path \"{mount}/data/{path}\" {{ capabilities = [\"read\"] }}`"
            );
            Err(SecretError::Denied { store: Store::Vault, reference: reference.clone(), advice })
        }
        StatusCode::NOT_FOUND => {
            let reference = reference.clone();
            Err(match answer.version().and_then(|version| version.metadata) {
                Some(_) => {
                    SecretError::Deleted { reference, advice: "`vault kv undelete`, or put a new version" }
                }
                None => SecretError::NotFound {
                    reference,
                    advice: "check its path, and that its mount is a KV engine of version 2",
                },
            })
        }
        _ => Err(answer.failure()),
    }
}

fn odd(reason: String) -> SecretError {
    SecretError::BadAnswer { store: Store::Vault, reason }
}
