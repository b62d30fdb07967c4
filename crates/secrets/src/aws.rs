//! AWS Secrets Manager, by the official SDK (docs/adr/0012).

mod explain;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{Builder, Credentials};
use bearward_token::{ClientSecret, Endpoint};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use self::explain::explain;
use crate::local::{Local, usable};
use crate::member::{self, NoMember};
use crate::secrets::REFRESH;
use crate::{AwsRef, SecretError, SecretRef, Store};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Who reads a secret gives up earlier; this ends what nobody waits for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 2;

/// Which Secrets Manager is asked.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// Its region; absent: as `AWS_REGION`, the profile or the machine says.
    pub region: Option<String>,
    /// Another address than the region's own, such as that of a VPC endpoint.
    pub endpoint: Option<Endpoint>,
    /// So long a secret counts without a question.
    pub refresh: Duration,
}

/// One Secrets Manager.
pub(crate) struct Aws {
    settings: AwsSettings,
    /// Made when the first secret is read: who has none pays nothing.
    client: OnceCell<Client>,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self { region: None, endpoint: None, refresh: REFRESH }
    }
}

impl Aws {
    pub(crate) fn new(settings: AwsSettings) -> Self {
        Self { settings, client: OnceCell::new() }
    }

    pub(crate) fn refresh(&self) -> Duration {
        self.settings.refresh
    }

    /// Reads a secret, or one member of it.
    pub(crate) async fn read(
        &self,
        reference: &SecretRef,
        place: &AwsRef,
        local: &Local,
    ) -> Result<ClientSecret, SecretError> {
        let client = self.client.get_or_try_init(|| Box::pin(self.connect(local))).await?;
        let request = client.get_secret_value().secret_id(&*place.id).version_stage(place.stage());
        // The SDK's futures are large.
        let answer = Box::pin(request.send()).await.map_err(|error| explain(reference, &error))?;
        // What is of no use is wiped all the same.
        let _binary = answer.secret_binary.map(|blob| Zeroizing::new(blob.into_inner()));
        let text = answer.secret_string.map(Zeroizing::new);
        let text = text.ok_or_else(|| SecretError::Binary(reference.clone()))?;
        let text = match &place.field {
            None => text,
            Some(field) => member::text(&text, field).map_err(|why| match why {
                NoMember::NoObject => SecretError::NoObject(reference.clone()),
                NoMember::Missing => SecretError::NoField(reference.clone()),
                NoMember::NotText => SecretError::NotText(reference.clone()),
            })?,
        };
        usable(reference, text)
    }

    /// Region and keys come from the environment that was taken at start, `.env` included. What else AWS has, profiles,
    /// web identity, and the roles of ECS, EKS and EC2, the SDK finds by itself in the process's own environment.
    async fn connect(&self, local: &Local) -> Result<Client, SecretError> {
        let variable = |name: &str| local.variable(name).ok();
        let region = self.settings.region.clone();
        let region = region
            .or_else(|| Some(variable("AWS_REGION").or(variable("AWS_DEFAULT_REGION"))?.expose().to_owned()));
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(REQUEST_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts);
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        if let (Some(id), Some(key)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            let session = variable("AWS_SESSION_TOKEN").map(|token| token.expose().to_owned());
            let keys = Credentials::new(id.expose(), key.expose(), session, None, "environment");
            loader = loader.credentials_provider(keys);
        }
        let found = loader.load().await;
        if found.region().is_none() {
            return Err(SecretError::NoRegion);
        }
        let mut config = Builder::from(&found);
        if let Some(endpoint) = &self.settings.endpoint {
            config = config.endpoint_url(endpoint.as_str());
        }
        Ok(Client::from_conf(config.build()))
    }
}

/// An answer that means nothing here.
fn odd(reason: String) -> SecretError {
    SecretError::BadAnswer { store: Store::Aws, reason }
}
