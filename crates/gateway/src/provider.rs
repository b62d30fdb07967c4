//! A provider as the gateway sees it: a base URL, and what is attached to every request that goes there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bearward_token::{AccessToken, Clock, Principal};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::target::Target;

/// One outbound destination.
#[derive(Debug)]
pub struct Provider {
    /// Its name: in metrics, in logs, and as the first path segment at the egress listener.
    pub name: Arc<str>,
    /// Its base URL. HTTPS, or loopback where the operator allowed that.
    pub target: Target,
    /// Where its token comes from.
    pub tokens: Arc<dyn TokenSource>,
    /// Signs tenant headers, if the provider wants them.
    pub tenant: Option<TenantHeaders>,
}

/// Hands out a provider's token.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// The token to attach now, got or refreshed if need be.
    fn token(&self) -> Answer<'_, AccessToken>;

    /// The destination refused `token`: another one, or `None` when none is to be had (it was asked for a
    /// moment ago, and this is what came).
    fn token_instead_of<'a>(&'a self, token: &'a AccessToken) -> Answer<'a, Option<AccessToken>>;
}

/// What a [`TokenSource`] hands out.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, NoToken>> + Send + 'a>>;

/// Why there is no token, in words for the operator.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct NoToken {
    /// What happened, and what to try. No secret.
    pub message: String,
    /// When it is worth coming back.
    pub retry_after: Option<Duration>,
}

/// Signs who the tenant is.
pub trait SignTenant: fmt::Debug + Send + Sync + 'static {
    /// Headers for this tenant at this moment (milliseconds since the Unix epoch); `None` for a tenant that
    /// cannot be written in a header.
    fn sign(&self, tenant: &str, unix_ms: u64) -> Option<[(HeaderName, HeaderValue); 3]>;
}

/// Signed tenant headers of one provider.
#[derive(Debug)]
pub struct TenantHeaders {
    /// The signer.
    pub signer: Arc<dyn SignTenant>,
    /// Whose tenant it is.
    pub tenant: TenantFrom,
}

/// Where the tenant's name comes from; never from a header (HARD 28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantFrom {
    /// A verified claim of the caller.
    Claim(String),
    /// The configuration.
    Constant(String),
}

/// Why a request cannot be made fit for its provider.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AttachError {
    /// No token.
    #[error("no token for provider `{provider}`: {source}")]
    NoToken {
        /// The provider's name.
        provider: Arc<str>,
        /// Why.
        source: NoToken,
    },
    /// The caller's token does not say which tenant it is for.
    #[error(
        "provider `{provider}` needs the caller's tenant, and the verified token has no usable claim `{claim}`"
    )]
    NoTenant {
        /// The provider's name.
        provider: Arc<str>,
        /// The claim.
        claim: String,
    },
}

impl Provider {
    /// Puts `token` and the signed tenant onto a request. Whatever stood there before is replaced.
    ///
    /// # Errors
    /// [`AttachError::NoTenant`] when the caller's claims do not name one; [`AttachError::NoToken`] when
    /// the token cannot be written in a header.
    pub fn attach(
        &self,
        headers: &mut HeaderMap,
        token: &AccessToken,
        caller: Option<&Principal>,
        clock: &dyn Clock,
    ) -> Result<(), AttachError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| {
            let message = "the authorization server issued a token that no header can carry".into();
            self.no_token(NoToken { message, retry_after: None })
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        if let Some(tenant) = &self.tenant {
            for (name, value) in self.sign_tenant(tenant, caller, clock)? {
                headers.insert(name, value);
            }
        }
        Ok(())
    }

    pub(crate) fn no_token(&self, source: NoToken) -> AttachError {
        AttachError::NoToken { provider: self.name.clone(), source }
    }

    fn sign_tenant(
        &self,
        tenant: &TenantHeaders,
        caller: Option<&Principal>,
        clock: &dyn Clock,
    ) -> Result<[(HeaderName, HeaderValue); 3], AttachError> {
        let (name, claim) = match &tenant.tenant {
            TenantFrom::Constant(name) => (Some(name.as_str()), "(constant)"),
            TenantFrom::Claim(claim) => (caller.and_then(|caller| caller.claim(claim)), claim.as_str()),
        };
        name.and_then(|name| tenant.signer.sign(name, clock.unix_ms()))
            .ok_or_else(|| AttachError::NoTenant { provider: self.name.clone(), claim: claim.into() })
    }
}
