//! The agent: it calls MCP providers for whoever is signed in, with that user's own tokens.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bearward_client::mcp::McpClient;
use bearward_client::reuse::Parts;
use bearward_client::session::wanted;
use bearward_client::{Application, Broker, ClientOptions, Levels, Reuse, SessionCookie};
use bearward_issuer::HttpFetch;
use bearward_observe::Observer;
use bearward_supply::{Label, TokenManager};
use bearward_token::{Authority, Clock, ScopeSet, SystemClock};
use rmcp::model::{CallToolRequestParams, ClientConfig};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde_json::Value;

use crate::{Called, Settings};

/// Calls providers. Cheap to clone; clones share their tokens.
#[derive(Clone)]
pub struct Agent {
    broker: Broker,
    manager: Arc<TokenManager>,
    authority: Authority,
    providers: Arc<[(Called, Label)]>,
    clock: Arc<dyn Clock>,
    observer: Observer,
}

/// How one call went.
#[derive(Debug, Clone)]
pub struct Told {
    /// The provider's name.
    pub provider: String,
    /// What its tool said, or why it was not called.
    pub outcome: Result<String, String>,
}

impl Agent {
    /// An agent whose tokens come from the broker of these settings.
    ///
    /// # Errors
    /// When there is no TLS on this machine, or the broker's address is none.
    pub fn new(settings: &Settings) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (clock, observer): (Arc<dyn Clock>, _) = (Arc::new(SystemClock::new()), Observer::new());
        let base = format!("{}/auth/broker", settings.bearward);
        let broker = Broker::new(&base, Arc::new(HttpFetch::new()?), clock.clone(), observer.clone())?;
        let labelled = |called: &Called| (called.clone(), Label::new(&called.provider.name, &observer));
        Ok(Self {
            broker,
            manager: Arc::new(TokenManager::new(clock.clone(), observer.clone(), 0)),
            authority: settings.authority.clone(),
            providers: settings.providers.iter().map(labelled).collect(),
            clock,
            observer,
        })
    }

    /// Asks every provider who is calling, with the session that this cookie opens.
    pub async fn ask_everybody(&self, cookie: &SessionCookie) -> Vec<Told> {
        let mut answers = Vec::new();
        for (called, label) in self.providers.iter() {
            let reuse = self.reuse(called, label, cookie);
            let outcome = ask(&called.url, reuse).await.map_err(|error| innermost(&*error));
            answers.push(Told { provider: called.provider.name.to_string(), outcome });
        }
        answers
    }

    /// Forgets what it has of a session that has ended.
    pub async fn forget(&self, cookie: &SessionCookie) {
        for (called, label) in self.providers.iter() {
            let tokens =
                self.broker.handle(&self.manager, label, cookie, &called.provider, &ScopeSet::default());
            // Revoking is the broker's; here they are wiped.
            let _ = tokens.log_out().await;
        }
    }

    /// The user's login at one provider: switched on by this program, whatever the environment says.
    fn reuse(&self, called: &Called, label: &Label, cookie: &SessionCookie) -> Reuse {
        let scopes = ScopeSet::default();
        Reuse::new(Parts {
            application: Application { authority: self.authority.clone(), cookie: None },
            provider: called.provider.clone(),
            tokens: self.broker.handle(&self.manager, label, cookie, &called.provider, &scopes),
            wanted: wanted(),
            levels: Levels::default(),
            options: ClientOptions { mcp_reuse_authorizer: Some(true), ..ClientOptions::default() },
            clock: self.clock.clone(),
            observer: self.observer.clone(),
        })
    }
}

/// What really happened, without the layers that it came through.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        said = cause.to_string();
        next = cause.source();
    }
    // The transport tells of its client's error in words alone.
    said.rsplit_once("Client error: ").map_or(said.clone(), |(_, own)| own.to_owned())
}

/// One call of one tool, by an ordinary MCP client.
async fn ask(url: &str, reuse: Reuse) -> Result<String, Box<dyn Error + Send + Sync>> {
    let http = McpClient::new(reuse, reqwest::Client::builder().no_proxy())?;
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let client =
        ClientConfig::default().serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await?;
    let result = client.call_tool(CallToolRequestParams::new("whoami")).await;
    client.cancel().await?;
    let result = result?;
    let said: String =
        result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.clone()).collect();
    Ok(in_short(&said))
}

/// Of the headers that reached the server, those that say who calls.
fn in_short(headers: &str) -> String {
    let headers: Value = serde_json::from_str(headers).unwrap_or_default();
    let shown = ["x-user", "authorization", "cookie"].map(|name| {
        let said = headers
            .get(name)
            .map_or("–".to_owned(), |said| said.as_str().map_or(said.to_string(), str::to_owned));
        format!("{name}: {said}")
    });
    format!("the server saw {}", shown.join(", "))
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent({} providers)", self.providers.len())
    }
}
