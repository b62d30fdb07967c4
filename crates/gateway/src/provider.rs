//! A provider as the gateway sees it: a base URL, and what is attached to every request that goes there.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bearward_observe::Tally;
use bearward_supply::{Acting, Caller, Picked, Source, Supplied, SupplyError, TenantSigner, Wanted};
use bearward_token::{Clock, Principal};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::target::Target;

/// One outbound destination.
#[derive(Debug)]
pub struct Provider {
    /// Its name: in metrics, in logs, and as the first path segment at the egress listener.
    pub name: Arc<str>,
    /// Its base URL, for calls through the sidecar. HTTPS, or loopback where the operator allowed that.
    pub target: Option<Target>,
    /// Where its tokens come from.
    pub tokens: Source,
    /// What is wanted of them.
    pub wanted: Wanted,
    /// What programs may ask the token itself for; `None`: they may not.
    pub handed_out_for: Option<String>,
    /// Counts requests that leave with its token.
    pub attached: Tally,
    /// Signs tenant headers, if the provider wants them.
    pub tenant: Option<TenantHeaders>,
}

/// Signed tenant headers of one provider.
#[derive(Debug)]
pub struct TenantHeaders {
    /// The signer; changes with its key.
    pub signer: Arc<ArcSwap<TenantSigner>>,
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

/// What one request to a provider carries.
#[derive(Debug)]
pub struct Credential<'a> {
    pub(crate) provider: &'a Provider,
    picked: Picked,
}

/// Why a request cannot be made fit for its provider.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AttachError {
    /// No token.
    #[error("no token for provider `{provider}`: {source}")]
    NoToken {
        /// The provider's name.
        provider: Arc<str>,
        /// For whom it was to speak.
        acting: Acting,
        /// Why.
        source: SupplyError,
    },
    /// The token died between being handed out and being attached.
    #[error("the token for provider `{provider}` expired on its way into the request")]
    Expired {
        /// The provider's name.
        provider: Arc<str>,
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
    /// What a request with these headers, of this caller, carries; its token is not asked for yet.
    ///
    /// # Errors
    /// [`AttachError::NoToken`] when the token must be the caller's own, and the caller can have none.
    pub async fn credential(
        &self,
        headers: &HeaderMap,
        caller: Option<&Caller<'_>>,
        clock: &dyn Clock,
    ) -> Result<Credential<'_>, AttachError> {
        let picked = self.tokens.pick(headers, caller, clock).await;
        let picked = picked.map_err(|source| self.no_token(source, Acting::Own))?;
        Ok(Credential { provider: self, picked })
    }

    /// Puts `token` and the signed tenant onto a request. Whatever stood there before is replaced.
    ///
    /// # Errors
    /// [`AttachError::Expired`] when the token has died meanwhile; [`AttachError::NoTenant`] when the
    /// caller's claims do not name one.
    pub fn attach(
        &self,
        headers: &mut HeaderMap,
        token: &Supplied,
        caller: Option<&Principal>,
        clock: &dyn Clock,
    ) -> Result<(), AttachError> {
        let expired = || AttachError::Expired { provider: self.name.clone() };
        headers.insert(AUTHORIZATION, token.authorization(clock).ok_or_else(expired)?);
        if let Some(tenant) = &self.tenant {
            for (name, value) in self.sign_tenant(tenant, caller, clock)? {
                headers.insert(name, value);
            }
        }
        Ok(())
    }

    fn no_token(&self, source: SupplyError, acting: Acting) -> AttachError {
        AttachError::NoToken { provider: self.name.clone(), acting, source }
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
        name.and_then(|name| tenant.signer.load().sign(name, clock.unix_ms()))
            .ok_or_else(|| AttachError::NoTenant { provider: self.name.clone(), claim: claim.into() })
    }
}

impl Credential<'_> {
    /// For whom its token speaks.
    pub fn acting(&self) -> Acting {
        self.picked.acting
    }

    /// Whose it is, where only the login itself knows.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.picked.subject.as_deref()
    }

    /// The token.
    pub(crate) async fn token(&self) -> Result<Supplied, AttachError> {
        let token = self.picked.ensure_access(&self.provider.wanted).await;
        token.map_err(|source| self.provider.no_token(source, self.acting()))
    }

    /// Another token than the one that the provider refused, if there is one.
    pub(crate) async fn instead_of(&self, refused: &Supplied) -> Result<Option<Supplied>, AttachError> {
        let token = self.picked.instead_of(refused, &self.provider.wanted).await;
        token.map_err(|source| self.provider.no_token(source, self.acting()))
    }
}
