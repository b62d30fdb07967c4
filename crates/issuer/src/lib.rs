//! An authorization server seen from outside: where its documents are, and how they are fetched.
//!
//! Guard and supply both talk to authorization servers. What they share stands here: fetching with bounds
//! ([`Fetch`]), and discovery of keys and endpoints by issuer ([`Discovery`], RFC 8414).

pub mod client_auth;
pub mod discovery;
pub mod fetch;
pub mod http_fetch;
pub mod known_metadata;
pub mod metadata;
pub mod oauth_client;

pub use client_auth::{
    ClientAuth, Credential, CredentialError, CredentialSource, FixedCredential, Reading, SharedCredential,
};
pub use discovery::{Discovery, DiscoveryError};
pub use fetch::{Fetch, FetchError, Fetched, Form, JsonRequest};
pub use http_fetch::HttpFetch;
pub use known_metadata::KnownMetadata;
pub use metadata::{Metadata, MetadataError};
pub use oauth_client::{ClientError, OauthClient};
