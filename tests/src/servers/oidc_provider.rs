//! `oidc-provider` as the authorization server: tokens for a resource, keys that rotate.

use serde::Deserialize;
use tokio::process::Command;

use crate::Result;
use crate::process::{Running, free_address};
use crate::tools::{Tools, own_file};

const CLIENT: &str = "machine";
/// Of both its clients, `machine` and `web`.
pub const SECRET: &str = "a-secret-that-only-these-tests-know-1";

/// The running server. Stops when dropped.
#[derive(Debug)]
pub struct OidcProvider {
    /// Its issuer, which is its base URL, too.
    pub issuer: String,
    /// The process.
    pub process: Running,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
}

impl OidcProvider {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(tools: &Tools) -> Result<Self> {
        Self::start_for(tools, None).await
    }

    /// The same, where users of a web application at this origin sign in.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_for(tools: &Tools, application: Option<&str>) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(&tools.node);
        command
            .arg(own_file("servers/oidc-provider/server.mjs"))
            .arg(address.port().to_string())
            .env("BEARWARD_TEST_NODE_MODULES", &tools.node_modules)
            .env("CLIENT_SECRET", SECRET)
            .envs(application.map(|origin| ("WEB_ORIGIN", origin)));
        let mut process = Running::start("oidc-provider", &mut command)?;
        process.until_listening(address).await?;
        Ok(Self { issuer: format!("http://{address}"), process, http: reqwest::Client::new() })
    }

    /// An access token for `resource` (RFC 8707), by client credentials.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn token_for(&self, resource: &str) -> Result<String> {
        // Plain letters, digits and `-`: nothing to encode but the resource, which reqwest's URL does.
        let mut form = reqwest::Url::parse("http://form/").map_err(|_| self.process.error("no form"))?;
        form.query_pairs_mut()
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", "mcp")
            .append_pair("resource", resource);
        let request = self
            .http
            .post(format!("{}/token", self.issuer))
            .basic_auth(CLIENT, Some(SECRET))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.query().unwrap_or_default().to_owned());
        let answer = request.send().await?.error_for_status()?.text().await?;
        let parsed: std::result::Result<TokenAnswer, _> = serde_json::from_str(&answer);
        // The answer holds a token: the error says no more than where it does not fit.
        parsed.map(|answer| answer.access_token).map_err(|error| self.process.error(error.to_string()))
    }

    /// A new key signs from now on; the old one stays published.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn rotate(&self) -> Result<()> {
        self.control("rotate").await
    }

    /// Only the newest key stays published.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn withdraw(&self) -> Result<()> {
        self.control("withdraw").await
    }

    async fn control(&self, what: &str) -> Result<()> {
        let url = format!("{}/control/{what}", self.issuer);
        self.http.post(url).send().await?.error_for_status()?;
        Ok(())
    }
}
