//! The places that keys come from: the issuer's metadata, a URL, a file.

use std::path::PathBuf;
use std::sync::Arc;

use bearward_issuer::fetch::MAX_ANSWER_BYTES;
use bearward_issuer::{Fetch, KnownMetadata, SharedCredential};
use bearward_token::Endpoint;
use http::HeaderValue;
use tokio::io::AsyncReadExt;

use crate::key_source::{KeyLoader, LoadError, LoadedKeys, Loading};
use crate::keys::KeySet;

/// By discovery (RFC 8414): the issuer's metadata says where its keys are, now and then anew, so that an
/// issuer may move them.
#[derive(Debug)]
pub struct Discovered {
    /// The issuer's metadata.
    pub metadata: KnownMetadata,
    /// Fetches its keys.
    pub fetch: Arc<dyn Fetch>,
}

/// From a URL that the configuration names.
#[derive(Debug)]
pub struct FromUrl {
    /// The URL.
    pub url: Endpoint,
    /// A bearer credential, where the keys are shown to the server's own alone.
    pub credential: Option<SharedCredential>,
    /// Fetches it.
    pub fetch: Arc<dyn Fetch>,
}

/// From a file, read again at every refresh.
#[derive(Debug)]
pub struct FromFile {
    /// The file.
    pub path: PathBuf,
}

/// From the configuration.
#[derive(Debug)]
pub struct Inline {
    /// A key set as JSON.
    pub document: String,
}

impl KeyLoader for Discovered {
    fn load(&self) -> Loading<'_> {
        Box::pin(async {
            let metadata = self.metadata.get().await.map_err(explained)?;
            let url = metadata.jwks_uri().map_err(explained)?;
            fetch_keys(&*self.fetch, &url, None).await.inspect_err(|_| self.metadata.doubt())
        })
    }
}

impl KeyLoader for FromUrl {
    fn load(&self) -> Loading<'_> {
        Box::pin(async {
            let authorization = match &self.credential {
                Some(source) => {
                    let credential = source.current().await.map_err(explained)?;
                    Some(credential.bearer().map_err(explained)?)
                }
                None => None,
            };
            fetch_keys(&*self.fetch, &self.url, authorization).await
        })
    }
}

impl KeyLoader for FromFile {
    fn load(&self) -> Loading<'_> {
        Box::pin(async {
            let in_file = |why: &dyn std::fmt::Display| LoadError(format!("{}: {why}", self.path.display()));
            let file = tokio::fs::File::open(&self.path).await.map_err(|why| in_file(&why))?;
            let mut document = Vec::new();
            file.take(MAX_ANSWER_BYTES as u64 + 1)
                .read_to_end(&mut document)
                .await
                .map_err(|why| in_file(&why))?;
            if document.len() > MAX_ANSWER_BYTES {
                return Err(in_file(&format!("it is longer than {MAX_ANSWER_BYTES} bytes")));
            }
            let keys = KeySet::parse(&document).map_err(|why| in_file(&why))?;
            Ok(LoadedKeys { keys, max_age: None })
        })
    }
}

impl KeyLoader for Inline {
    fn load(&self) -> Loading<'_> {
        let keys = KeySet::parse(self.document.as_bytes()).map_err(explained);
        Box::pin(async { keys.map(|keys| LoadedKeys { keys, max_age: None }) })
    }
}

async fn fetch_keys(
    fetch: &dyn Fetch,
    url: &Endpoint,
    authorization: Option<HeaderValue>,
) -> Result<LoadedKeys, LoadError> {
    let answer = fetch.get(url, authorization).await.map_err(explained)?;
    if !answer.status.is_success() {
        return Err(LoadError(format!("{url} answered with status {}", answer.status)));
    }
    let keys = KeySet::parse(&answer.body).map_err(|why| LoadError(format!("{url}: {why}")))?;
    Ok(LoadedKeys { keys, max_age: answer.max_age() })
}

fn explained(error: impl std::fmt::Display) -> LoadError {
    LoadError(error.to_string())
}
