//! `bearward demo --check`: takes the tour by itself, with a real MCP client, and says what it saw.

use std::future::Future;
use std::time::Duration;

use bearward_testbed::client::{Era, McpClient};
use serde_json::{Value, json};

use super::world::World;

/// One step may take so long.
const STEP: Duration = Duration::from_secs(5);

/// What a step found.
#[derive(Debug)]
pub struct Step {
    /// What was tried.
    pub name: &'static str,
    /// What was seen, or what was wrong.
    pub outcome: Result<String, String>,
}

/// Takes every step, telling each as it is done. The world is taken apart on the way.
pub async fn take(world: World, mut tell: impl FnMut(&Step)) -> Vec<Step> {
    let http = reqwest::Client::new();
    let mut steps = Vec::new();
    let mut done = |step: Step| {
        tell(&step);
        steps.push(step);
    };
    done(step("metadata names the resource and its issuer", metadata(&world, &http)).await);
    done(step("ready, every part of it", ready(&world, &http)).await);
    done(step("no token: refused, with a challenge", refused(&world, &http, None, 401)).await);
    done(step("garbage: refused", refused(&world, &http, Some("garbage".into()), 401)).await);
    let expired = world.authorization_server.token_for(&world.resource).claim("exp", 1).build();
    done(step("expired token: refused", refused(&world, &http, Some(expired), 401)).await);
    let foreign = world.authorization_server.token_for("https://other.example/mcp").scope("mcp").build();
    done(step("another resource's token: refused", refused(&world, &http, Some(foreign), 401)).await);
    let narrow = world.authorization_server.token_for(&world.resource).build();
    done(
        step("a token without the scope: 403 that names it", refused(&world, &http, Some(narrow), 403)).await,
    );
    for (name, era) in [
        ("a real MCP client (2026-07-28, stateless) is let in", Era::Stateless),
        ("a real MCP client (with a session) is let in", Era::Sessions),
    ] {
        done(step(name, client(&world, era)).await);
    }
    done(step("carried on to the API with a token it never saw", own_token(&world)).await);
    done(step("the caller's token never reached the server behind", stripped(&world)).await);
    done(step("metrics count it all", metrics(&world, &http)).await);
    done(step("the issuer unplugged: nothing fails", unplugged(world)).await);
    steps
}

async fn step(name: &'static str, tried: impl Future<Output = Result<String, String>>) -> Step {
    let outcome = match tokio::time::timeout(STEP, tried).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("nothing happened for {} s", STEP.as_secs())),
    };
    Step { name, outcome }
}

async fn metadata(world: &World, http: &reqwest::Client) -> Result<String, String> {
    let url = world.resource.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
    let document: Value = read_json(http.get(url).send().await.map_err(words)?).await?;
    let issuer = world.authorization_server.issuer();
    expect(document.get("resource") == Some(&json!(world.resource)), "resource", &document)?;
    expect(
        document.get("authorization_servers") == Some(&json!([issuer])),
        "authorization_servers",
        &document,
    )?;
    Ok(format!("{} opens to tokens of {issuer}", world.resource))
}

async fn ready(world: &World, http: &reqwest::Client) -> Result<String, String> {
    // Keys and the first token are on their way when the demo begins.
    loop {
        let answer = http.get(format!("{}/readyz", world.admin)).send().await.map_err(words)?;
        if answer.status().is_success() {
            let report: Value = read_json(answer).await?;
            let parts = report.get("parts").and_then(Value::as_array).map_or(0, Vec::len);
            return Ok(format!("{parts} parts"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn refused(
    world: &World,
    http: &reqwest::Client,
    token: Option<String>,
    status: u16,
) -> Result<String, String> {
    let mut request = http.post(&world.resource);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.map_err(words)?;
    let challenge =
        answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok()).unwrap_or("");
    let challenge = challenge.to_owned();
    if answer.status().as_u16() != status || !challenge.contains("resource_metadata=") {
        return Err(format!("expected {status} with a challenge, saw {} {challenge}", answer.status()));
    }
    let error = challenge.split("error=\"").nth(1).and_then(|rest| rest.split('"').next());
    Ok(format!("{status} {}", error.unwrap_or("with resource_metadata and scope")))
}

async fn client(world: &World, era: Era) -> Result<String, String> {
    let client = McpClient::connect(&world.resource, Some(&world.token()), era).await.map_err(words)?;
    let tools = client.tools().await.map_err(words)?;
    let sum = client.call("add", json!({"a": 40, "b": 2})).await.map_err(words)?;
    client.call("count_to", json!({"n": 3, "delay_ms": 5})).await.map_err(words)?;
    let progress = client.progress_of(3).await.len();
    client.close().await;
    if sum != "42" || progress != 3 {
        return Err(format!("40 + 2 came back as {sum}, with {progress} progress notifications"));
    }
    Ok(format!("{} tools, 40 + 2 = {sum}, {progress} progress notifications on the stream", tools.len()))
}

async fn own_token(world: &World) -> Result<String, String> {
    let caller = world.token();
    let client = McpClient::connect(&world.resource, Some(&caller), Era::Stateless).await.map_err(words)?;
    client.call("add_note", json!({"title": "hello"})).await.map_err(words)?;
    let notes = client.call("list_notes", json!({})).await.map_err(words)?;
    client.close().await;
    let seen = world.notes.seen().pop().ok_or("the API saw nobody")?;
    if !notes.contains("hello") || seen.tenant != "acme" || seen.subject != "bearward" {
        return Err(format!("the API saw subject {}, tenant {}; notes {notes}", seen.subject, seen.tenant));
    }
    let caller_hash = sha256(&caller);
    if seen.token_sha256 == caller_hash {
        return Err("the API saw the caller's own token".into());
    }
    let short = |hash: &str| hash.chars().take(8).collect::<String>();
    Ok(format!(
        "caller's token {}…, the API saw {}… for tenant {}",
        short(&caller_hash),
        short(&seen.token_sha256),
        seen.tenant
    ))
}

async fn stripped(world: &World) -> Result<String, String> {
    let received = world.mcp.received();
    let leaked = received.iter().filter(|headers| headers.contains_key("authorization")).count();
    match leaked {
        0 => Ok(format!("{} requests arrived behind, none with an Authorization header", received.len())),
        leaked => Err(format!("{leaked} of {} requests carried one", received.len())),
    }
}

async fn metrics(world: &World, http: &reqwest::Client) -> Result<String, String> {
    let answer = http.get(format!("{}/metrics", world.admin)).send().await.map_err(words)?;
    let text = answer.text().await.map_err(words)?;
    for name in
        ["outcome=\"accepted\"", "outcome=\"no_token\"", "outcome=\"expired\"", "auth_header_bearer_total"]
    {
        expect(text.contains(name), name, &json!("/metrics"))?;
    }
    Ok(format!("{} lines", text.lines().count()))
}

async fn unplugged(world: World) -> Result<String, String> {
    let token = world.token();
    let World { authorization_server, mcp, notes, resource, .. } = world;
    authorization_server.stop().await;
    let client = McpClient::connect(&resource, Some(&token), Era::Stateless).await.map_err(words)?;
    client.call("add_note", json!({"title": "still here"})).await.map_err(words)?;
    client.close().await;
    let calls = notes.seen().len();
    mcp.stop().await;
    notes.stop().await;
    Ok(format!("a new caller was verified and its call reached the API ({calls} calls there)"))
}

async fn read_json(answer: reqwest::Response) -> Result<Value, String> {
    let status = answer.status();
    let bytes = answer.bytes().await.map_err(words)?;
    serde_json::from_slice(&bytes).map_err(|_| format!("status {status}, and no JSON"))
}

fn expect(holds: bool, what: &str, seen: &Value) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what} is not as it should be: {seen}")) }
}

fn sha256(text: &str) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()))
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
