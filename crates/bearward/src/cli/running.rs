//! A server that runs on this machine: what it knows of a token, and what it does for an operator.
//!
//! It is asked through its admin socket, or on its admin listener, on loopback alone. A token that is asked about is
//! named by its hash: it goes nowhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bearward_guard::revocation::Revocation;
use bearward_token::{ClientSecret, Fingerprint};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// One question, from connecting to the last byte.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a running server knows.
#[derive(Debug)]
pub(super) struct Known {
    /// Where it runs.
    pub(super) at: SocketAddr,
    /// How long it still remembers the token.
    pub(super) remembered: Option<Duration>,
    /// What it was told to revoke, by whomever.
    pub(super) revocations: Vec<Revocation>,
}

#[derive(Deserialize)]
struct Remembered {
    remembered_s: Option<u64>,
}

/// A revocation, as it is listed with what else is said of it.
#[derive(Deserialize)]
struct Listed {
    #[serde(flatten)]
    revocation: Revocation,
    #[serde(rename = "source")]
    _source: String,
}

/// Asks; an error says why there is nothing to know.
pub(super) async fn ask(
    admin: SocketAddr,
    operator: Option<&ClientSecret>,
    resource: &str,
    token: &str,
) -> Result<Known, String> {
    let at = if admin.ip().is_unspecified() {
        SocketAddr::from((Ipv4Addr::LOCALHOST, admin.port()))
    } else {
        admin
    };
    if !at.ip().is_loopback() {
        return Err(format!("the admin listener at {at} is not on this machine and was not asked"));
    }
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    let client = client.map_err(|error| error.to_string())?;
    let question = json!({"guard": resource, "sha256": Fingerprint::of(token).to_hex()}).to_string();
    let allowed = |request: RequestBuilder| match operator {
        Some(operator) => request.bearer_auth(operator.expose()),
        None => request,
    };
    let cache = client.post(format!("http://{at}/api/cache")).header("content-type", "application/json");
    let remembered: Remembered = answer(at, allowed(cache.body(question))).await?;
    let listed: Vec<Listed> = answer(at, allowed(client.get(format!("http://{at}/api/revocations")))).await?;
    let revocations = listed.into_iter().map(|listed| listed.revocation).collect();
    Ok(Known { at, remembered: remembered.remembered_s.map(Duration::from_secs), revocations })
}

async fn answer<T: DeserializeOwned>(at: SocketAddr, request: RequestBuilder) -> Result<T, String> {
    let nobody = |_| format!("no server runs at {at}");
    let answer = request.send().await.map_err(nobody)?;
    if !answer.status().is_success() {
        return Err(format!("the server at {at} does not have this guard, or is no Bearward"));
    }
    let text = answer.text().await.map_err(nobody)?;
    serde_json::from_str(&text).map_err(|_| format!("what answers at {at} is no Bearward"))
}
