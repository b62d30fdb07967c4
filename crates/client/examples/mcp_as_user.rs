//! An MCP client on rmcp that calls a provider as the user whose session cookie it has.
//!
//! With `bearward demo --web`: the issuer is where its users sign in, `server.listen` is where broker and provider are, and
//! the cookie is the browser's `dev-session`.
//!
//! ```sh
//! ISSUER=http://127.0.0.1:36775 BROKER=http://127.0.0.1:46777/auth/broker COOKIE=dev-session=… \
//!     URL=http://127.0.0.1:46777/calendar cargo run -p bearward-client --features rmcp,clap --example mcp_as_user -- \
//!     --mcp-reuse-authorizer
//! ```

use std::env::var;
use std::error::Error;
use std::sync::Arc;

use bearward_client::flags::ReuseFlags;
use bearward_client::mcp::McpClient;
use bearward_client::reuse::Parts;
use bearward_client::session::wanted;
use bearward_client::{Application, Broker, Choice, ClientOptions, Levels, Provider, Reuse, SessionCookie};
use bearward_issuer::HttpFetch;
use bearward_observe::Observer;
use bearward_supply::{Label, TokenManager};
use bearward_token::{Authority, Clock, Origin, ScopeSet, SystemClock};
use clap::Parser;
use rmcp::model::ClientConfig;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    reuse: ReuseFlags,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (clock, observer): (Arc<dyn Clock>, _) = (Arc::new(SystemClock::new()), Observer::new());
    let url = var("URL")?;
    let authority = Authority::of_issuer(var("ISSUER")?.parse()?);
    let origin: Origin = url.split('/').take(3).collect::<Vec<_>>().join("/").parse()?;

    // Where its token may go, and what for: everything else is refused before a byte is sent.
    let provider = Provider {
        name: var("PROVIDER").unwrap_or_else(|_| "calendar".into()).into(),
        authority: authority.clone(),
        allow_insecure: origin.is_loopback(),
        origins: vec![origin],
        audience: url.as_str().into(),
        audiences: vec![url.clone()],
        choice: Choice::default(),
    };
    // The user's tokens, by way of the application's broker: many requests at once cost one.
    let cookie = SessionCookie::new(&var("COOKIE")?)?;
    let broker = Broker::new(&var("BROKER")?, Arc::new(HttpFetch::new()?), clock.clone(), observer.clone())?;
    let manager = TokenManager::new(clock.clone(), observer.clone(), 0);
    let label = Label::new(&provider.name, &observer);
    let tokens = broker.handle(&manager, &label, &cookie, &provider, &ScopeSet::default());

    // Whether the login is reused: a request's own word, then `options`, then this command line, then the environment.
    let levels = Levels {
        cli: Flags::parse().reuse.choice(),
        env: Choice::of_environment(|name| var(name).ok())?,
        ..Levels::default()
    };
    let application = Application { authority, cookie: None };
    let options = ClientOptions::default();
    let reuse = Reuse::new(Parts {
        application,
        provider,
        tokens,
        wanted: wanted(),
        levels,
        options,
        clock,
        observer,
    });

    let http = McpClient::new(reuse, reqwest::Client::builder().no_proxy())?;
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let client =
        ClientConfig::default().serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await?;
    for tool in client.list_all_tools().await? {
        println!("{}: {}", tool.name, tool.description.unwrap_or_default());
    }
    client.cancel().await?;
    manager.shut_down().await;
    Ok(())
}
