//! Runs the application in front of a Bearward that is configured for it.

use std::net::SocketAddr;

use bearward_client::{Choice, Provider};
use bearward_example_bff::{Called, Settings, serve};
use bearward_token::{Authority, Issuer, Origin};
use clap::Parser;
use tokio::net::TcpListener;

/// A web application whose agent calls MCP providers with the login of its user.
///
/// Bearward must run with a `broker` whose `publicUrl` is this application's address; `bearward demo --web` starts both, with
/// everything they need.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  bearward-example-bff --bearward http://127.0.0.1:8080 --issuer https://idp.example.com \\\n      \
                        --provider tools,https://tools.example.com/mcp"
)]
struct Arguments {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where Bearward listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    bearward: String,
    /// Who signs users in, as `broker.issuer` says.
    #[arg(long, value_name = "URL")]
    issuer: Issuer,
    /// What the session's cookie is called: `__Host-session` where browsers come by HTTPS.
    #[arg(long, default_value = "dev-session")]
    cookie: String,
    /// A provider that the agent calls: its name at Bearward and its MCP endpoint, which is what its tokens are for.
    #[arg(long = "provider", value_name = "NAME,URL", required = true, value_parser = named)]
    providers: Vec<(String, String)>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Arguments { listen, bearward, issuer, cookie, providers } = Arguments::parse();
    let authority = Authority::of_issuer(issuer);
    let providers =
        providers.into_iter().map(|(name, url)| called(&name, url, &authority)).collect::<Result<_, _>>()?;
    let bearward = bearward.trim_end_matches('/').to_owned();
    let listener = TcpListener::bind(listen).await?;
    println!("http://{}", listener.local_addr()?);
    let stop = async {
        // Without a way to hear of it the signal ends the process by itself.
        let _ = tokio::signal::ctrl_c().await;
    };
    serve(listener, Settings { bearward, cookie, authority, providers }, stop).await
}

fn named(text: &str) -> Result<(String, String), String> {
    let (name, url) = text.split_once(',').ok_or("write the name, a comma, and the URL")?;
    Ok((name.to_owned(), url.to_owned()))
}

/// One of the authority that users sign in at, which is called at its own origin alone.
fn called(
    name: &str,
    url: String,
    authority: &Authority,
) -> Result<Called, Box<dyn std::error::Error + Send + Sync>> {
    let origin: Origin = url.split('/').take(3).collect::<Vec<_>>().join("/").parse()?;
    let provider = Provider {
        name: name.into(),
        authority: authority.clone(),
        allow_insecure: origin.is_loopback(),
        origins: vec![origin],
        audience: url.as_str().into(),
        audiences: Vec::new(),
        choice: Choice::default(),
    };
    Ok(Called { provider, url })
}
