//! The five requests that are made of Vault's HTTP API.

use std::path::Path;
use std::time::Duration;

use bearward_token::{AccessToken, ClientSecret};
use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Method, RequestBuilder, Url};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::answer::{self, Answer};
use super::login::login;
use super::{VaultAuth, VaultSettings, setup};
use crate::local::Local;
use crate::{SecretError, SecretRef, Store, VaultRef};

/// Vault's agent and proxy can be told to take no request without it: no web page can send it (SSRF).
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Who reads a secret gives up earlier; this ends what nobody waits for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// One Vault over HTTP. Redirects are not followed, and no proxy of the environment is used: a secret must not go
/// through a machine that the configuration does not name.
pub(super) struct Api {
    client: Client,
    address: Url,
    namespace: Option<HeaderValue>,
}

/// How long a token lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// From when it was asked for; 0: for ever.
    pub(super) seconds: u64,
    pub(super) is_renewable: bool,
}

impl Api {
    pub(super) async fn new(settings: &VaultSettings) -> Result<Self, SecretError> {
        let mut client = Client::builder()
            .user_agent(concat!("bearward/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT);
        if let Some(path) = &settings.ca_certificate {
            client = client.tls_certs_only(authorities(path).await?);
        }
        let client = client.build().map_err(|error| setup(error.to_string()))?;
        let address = Url::parse(settings.address.as_str()).map_err(|error| setup(error.to_string()))?;
        let namespace = settings.namespace.as_deref().map(HeaderValue::from_str).transpose();
        let namespace = namespace.map_err(|_| setup("its namespace cannot be written in a header".into()))?;
        Ok(Self { client, address, namespace })
    }

    /// Logs in, or looks at the token that was given.
    pub(super) async fn login(
        &self,
        auth: &VaultAuth,
        local: &Local,
    ) -> Result<(AccessToken, Lease), SecretError> {
        let secret = local.read(auth.secret()).await?;
        let Some((mount, body)) = login(auth, &secret)? else {
            let token = AccessToken::new(secret.expose());
            let request = self.request(Method::GET, &["auth/token/lookup-self"], Some(&token))?;
            let lease = answer::looked_up(&self.send(request).await?)?;
            return Ok((token, lease));
        };
        let request = self.request(Method::POST, &["auth", mount, "login"], None)?;
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        answer::logged_in(&self.send(request).await?, auth)
    }

    /// Makes a token last longer; `None` when Vault refuses.
    pub(super) async fn renew(&self, token: &AccessToken) -> Result<Option<Lease>, SecretError> {
        let request = self.request(Method::POST, &["auth/token/renew-self"], Some(token))?;
        let request = request.header(CONTENT_TYPE, "application/json").body("{}");
        answer::renewed(&self.send(request).await?)
    }

    /// Ends a token, and whatever it was used for in Vault.
    pub(super) async fn revoke(&self, token: &AccessToken) -> Result<(), SecretError> {
        let request = self.request(Method::POST, &["auth/token/revoke-self"], Some(token))?;
        answer::revoked(&self.send(request).await?)
    }

    /// Reads the newest version of a secret, and one field of it.
    pub(super) async fn read(
        &self,
        reference: &SecretRef,
        place: &VaultRef,
        token: &AccessToken,
    ) -> Result<ClientSecret, SecretError> {
        let request = self.request(Method::GET, &[place.mount(), "data", place.path()], Some(token))?;
        answer::field(&self.send(request).await?, reference, place)
    }

    /// Each part of the path may have several levels.
    fn request(
        &self,
        method: Method,
        path: &[&str],
        token: Option<&AccessToken>,
    ) -> Result<RequestBuilder, SecretError> {
        let mut url = self.address.clone();
        url.path_segments_mut()
            .map_err(|()| setup("its address has no path".into()))?
            .pop_if_empty()
            .push("v1")
            .extend(path.iter().flat_map(|part| part.split('/')));
        let mut request =
            self.client.request(method, url).header(REQUEST, "true").header(ACCEPT, "application/json");
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE, namespace.clone());
        }
        if let Some(token) = token {
            // This copy of it is ours to wipe, too (HARD 20).
            let token = Bytes::from_owner(Zeroizing::new(token.expose().as_bytes().to_vec()));
            let mut token = HeaderValue::from_maybe_shared(token)
                .map_err(|_| setup("its token cannot be written in a header".into()))?;
            token.set_sensitive(true);
            request = request.header(TOKEN, token);
        }
        Ok(request)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, SecretError> {
        let mut answer = request.send().await.map_err(|error| unreachable(&error))?;
        let mut whole = Answer::new(answer.status(), answer.content_length());
        while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(&error))? {
            whole.add(&chunk)?;
        }
        Ok(whole)
    }
}

/// The certificates in a file.
async fn authorities(path: &Path) -> Result<Vec<Certificate>, SecretError> {
    let named = |why: String| setup(format!("`secrets.vault.caCertificate` ({}): {why}", path.display()));
    let file = path.to_owned();
    let pem = spawn_blocking(move || std::fs::read(file)).await.unwrap_or_else(|ended| Err(ended.into()));
    let pem = pem.map_err(|error| named(error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| named(error.to_string()))?;
    match authorities.is_empty() {
        true => Err(named("it holds no certificate in PEM".into())),
        false => Ok(authorities),
    }
}

/// What the operating system or TLS said, without the address repeated on every level.
fn unreachable(error: &reqwest::Error) -> SecretError {
    if error.is_timeout() {
        return SecretError::Timeout { store: Store::Vault, after: REQUEST_TIMEOUT };
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    SecretError::Unreachable { store: Store::Vault, reason: cause.to_string() }
}
