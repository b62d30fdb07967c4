//! An MCP server on rmcp that only callers with a good token reach.
//!
//! ```sh
//! ISSUER=https://idp.example.com cargo run -p bearward-guard --example protected_rmcp
//! ```

use std::sync::Arc;

use bearward_guard::{Guard, RequireBearer};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

#[derive(Clone)]
struct Server;

impl rmcp::ServerHandler for Server {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = std::env::var("ISSUER").unwrap_or_else(|_| "http://127.0.0.1:9000".into());
    let guard = Guard::builder("http://127.0.0.1:8000/mcp").issuer(&issuer).scope("mcp").build()?;

    let mcp = StreamableHttpService::new(
        || Ok(Server),
        Arc::new(LocalSessionManager::default()),
        Default::default(),
    );
    let router = axum::Router::new().nest_service("/mcp", mcp).layer(RequireBearer::new(guard)?);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    println!("http://127.0.0.1:8000/mcp opens to tokens of {issuer} with scope mcp");
    Ok(axum::serve(listener, router).await?)
}
