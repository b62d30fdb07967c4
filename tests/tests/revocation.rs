//! Revoked in mid-session: by the admin API, by the issuer's back-channel logout and security events, by a file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::sync::Mutex;
use std::time::Duration;

use bearward_testbed::client::{Era, McpClient};
use bearward_testbed::mcp::SampleMcpServer;
use bearward_tests::process::{Running, free_address};
use bearward_tests::stage::{INIT, Plan, Stage, eventually, issuer};
use bearward_tests::tools::bearward;
use serde_json::{Value, json};
use tokio::process::Command;

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

async fn status(stage: &Stage, token: &str) -> u16 {
    stage.post(token).send().await.unwrap().status().as_u16()
}

async fn api(stage: &Stage, method: reqwest::Method, body: Value) -> (u16, Value) {
    let request = stage.http.request(method, format!("{}/api/revocations", stage.admin));
    let answer =
        request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
}

// HARD 23
#[tokio::test]
async fn a_token_that_the_admin_api_revokes_is_refused_on_the_next_request_whatever_the_cache_holds() {
    let stage = Stage::new().await;
    let token = |id: &str| stage.issuer.token_for(&stage.resource).claim("jti", id).build();
    let (revoked, other) = (token("one"), token("two"));
    assert_eq!((status(&stage, &revoked).await, status(&stage, &other).await), (200, 200));
    assert_eq!(api(&stage, reqwest::Method::POST, json!({"jti": "one"})).await.0, 204);
    assert_eq!((status(&stage, &revoked).await, status(&stage, &other).await), (401, 200));
    let (_, listed) = api(&stage, reqwest::Method::GET, json!(null)).await;
    assert_eq!((&listed[0]["jti"], &listed[0]["source"]), (&json!("one"), &json!("api")));
    assert_eq!(api(&stage, reqwest::Method::DELETE, json!({"jti": "one"})).await.0, 204);
    assert_eq!(status(&stage, &revoked).await, 200);
    assert_eq!(api(&stage, reqwest::Method::DELETE, json!({"jti": "one"})).await.0, 404);
    let metrics =
        stage.http.get(format!("{}/metrics", stage.admin)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("revoked"), "{metrics}");
}

#[tokio::test]
async fn the_admin_api_explains_what_is_wrong_and_listens_to_no_page_of_another_site() {
    let stage = Stage::new().await;
    for body in [json!({}), json!({"jti": "a", "sid": "b"}), json!({"jit": "a"})] {
        let (status, answer) = api(&stage, reqwest::Method::POST, body.clone()).await;
        assert!(status == 422 && answer["error"].is_string(), "{body}: {status} {answer}");
    }
    let url = format!("{}/api/revocations", stage.admin);
    let page = stage
        .http
        .post(&url)
        .header("origin", "https://evil.example")
        .header("content-type", "application/json");
    assert_eq!(page.body(r#"{"sub":"alice"}"#).send().await.unwrap().status(), 403);
    let simple = stage.http.post(&url).header("content-type", "text/plain").body(r#"{"sub":"alice"}"#);
    assert_eq!(simple.send().await.unwrap().status(), 415);
    let rebound = stage.http.get(&url).header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), 403);
    assert_eq!(api(&stage, reqwest::Method::GET, json!(null)).await.1, json!([]));
}

// SPEC PX-5, HARD 23
#[tokio::test]
async fn an_open_stream_ends_when_its_token_is_revoked() {
    let stage = Stage::new().await;
    let client = McpClient::connect(&stage.resource, Some(&stage.token()), Era::Stateless).await.unwrap();
    let call = client.call("count_to", json!({"n": 600, "delay_ms": 100}));
    let revoke = async {
        eventually("the first step", || async { !client.progress().is_empty() }).await;
        assert_eq!(api(&stage, reqwest::Method::POST, json!({"sub": "alice"})).await.0, 204);
    };
    let both = async { tokio::join!(call, revoke) };
    let (outcome, ()) =
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("the stream must end");
    assert!(outcome.is_err(), "{outcome:?}");
}

async fn listening() -> Stage {
    let issuers = "    scopes: {}\n  - resource: ORIGIN/other\n    upstream: {url: 'MCP'}\n    issuers:
      - {issuer: 'ISSUER', backchannelLogout: {audience: our-client}, securityEvents: {audience: ['https://mcp.example.com']}}";
    Stage::with(Plan { guard: issuers.into(), ..Plan::default() }).await
}

async fn send(stage: &Stage, path: &str, kind: &str, body: String) -> u16 {
    let origin = stage.resource.strip_suffix("/mcp").unwrap();
    let request = stage.http.post(format!("{origin}{path}")).header("content-type", kind).body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_logout_at_the_issuer_ends_the_session_here() {
    let stage = listening().await;
    let session = |sid: &str| stage.issuer.token_for(&stage.resource).claim("sid", sid).build();
    let (mine, other) = (session("s1"), session("s2"));
    assert_eq!((status(&stage, &mine).await, status(&stage, &other).await), (200, 200));
    let logout = stage.issuer.token_for("our-client").header("typ", "logout+jwt").claim("sid", "s1");
    let logout = logout.claim("events", json!({LOGOUT: {}})).without("exp");
    let form = "application/x-www-form-urlencoded";
    let path = "/auth/backchannel-logout";
    for (body, kind, expected) in [
        ("logout_token=garbage".to_owned(), form, 400),
        (format!("logout_token={}", logout.clone().with_garbage_signature().build()), form, 400),
        (format!("logout_token={}", logout.clone().audience("another").build()), form, 400),
        (String::new(), form, 400),
        (format!("logout_token={}", logout.build()), "text/plain", 415),
        (format!("logout_token={mine}"), form, 400),
    ] {
        assert_eq!(send(&stage, path, kind, body.clone()).await, expected, "{body}");
    }
    assert_eq!(status(&stage, &mine).await, 200);
    assert_eq!(send(&stage, path, form, format!("logout_token={}", logout.build())).await, 200);
    assert_eq!((status(&stage, &mine).await, status(&stage, &other).await), (401, 200));
    let get = stage
        .http
        .get(format!("{}{path}", stage.resource.strip_suffix("/mcp").unwrap()))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn a_logout_reaches_access_tokens_that_carry_no_session() {
    let stage = listening().await;
    let bare = stage.token();
    let other = stage.issuer.token_for(&stage.resource).claim("sid", "s2").build();
    let strangers = stage.token_of("bob");
    let logout = stage.issuer.token_for("our-client").header("typ", "logout+jwt").claim("sid", "s1");
    let logout = logout.claim("events", json!({LOGOUT: {}})).without("exp").subject("alice").build();
    assert_eq!(status(&stage, &bare).await, 200);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(send(&stage, "/auth/backchannel-logout", form, format!("logout_token={logout}")).await, 200);
    let now = (status(&stage, &bare).await, status(&stage, &other).await, status(&stage, &strangers).await);
    assert_eq!(now, (401, 200, 200));
    let (_, listed) = api(&stage, reqwest::Method::GET, json!(null)).await;
    let without = listed.as_array().unwrap().iter().find(|one| one["withoutSid"] == true).unwrap();
    assert_eq!((&without["sub"], &without["source"]), (&json!("alice"), &json!("logout")));
}

#[tokio::test]
async fn a_security_event_ends_everything_of_its_subject_so_far() {
    let stage = listening().await;
    let token = |subject: &str| stage.issuer.token_for(&stage.resource).subject(subject).build();
    let (alice, bob) = (token("alice"), token("bob"));
    let subject = json!({"format": "iss_sub", "iss": stage.issuer.issuer(), "sub": "alice"});
    let event = stage
        .issuer
        .token_for("https://mcp.example.com")
        .header("typ", "secevent+jwt")
        .without("sub")
        .without("exp");
    let event = event.claim("sub_id", subject).claim("events", json!({SESSION_REVOKED: {}}));
    let (path, kind) = ("/auth/security-events", "application/secevent+jwt");
    assert_eq!(send(&stage, path, kind, event.clone().audience("another").build()).await, 400);
    let foreign = json!({"format": "iss_sub", "iss": "https://other.example", "sub": "alice"});
    assert_eq!(send(&stage, path, kind, event.clone().claim("sub_id", foreign).build()).await, 400);
    let verification = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    let ping = event.clone().claim("events", json!({verification: {"state": "x"}}));
    assert_eq!(send(&stage, path, kind, ping.clone().build()).await, 202);
    assert_eq!(send(&stage, path, kind, ping.with_garbage_signature().build()).await, 400);
    assert_eq!((status(&stage, &alice).await, status(&stage, &bob).await), (200, 200));
    assert_eq!(send(&stage, path, kind, event.build()).await, 202);
    assert_eq!((status(&stage, &alice).await, status(&stage, &bob).await), (401, 200));
}

#[tokio::test]
async fn without_an_issuer_that_sends_events_nobody_takes_any() {
    let stage = Stage::new().await;
    assert_eq!(
        send(&stage, "/auth/backchannel-logout", "application/x-www-form-urlencoded", String::new()).await,
        404
    );
}

#[tokio::test]
async fn while_the_journal_cannot_be_written_what_is_revoked_counts_and_everybody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let sections = format!("revocation: {{journal: '{}'}}", journal.display());
    let guard = "    scopes: {}\n  - resource: ORIGIN/other\n    upstream: {url: 'MCP'}\n    issuers:
      - {issuer: 'ISSUER', backchannelLogout: {audience: our-client}}";
    let stage = Stage::with(Plan { guard: guard.into(), sections, ..Plan::default() }).await;
    let token = |id: &str| stage.issuer.token_for(&stage.resource).claim("jti", id).claim("sid", id).build();
    assert_eq!(api(&stage, reqwest::Method::POST, json!({"jti": "one"})).await.0, 204);

    // Neither appending nor replacing goes well, for any user.
    let in_the_way = folder.path().join("journal.jsonl.new");
    std::fs::create_dir(&in_the_way).unwrap();
    std::fs::remove_file(&journal).unwrap();
    let (code, answer) = api(&stage, reqwest::Method::POST, json!({"jti": "two"})).await;
    let words = answer["error"].as_str().unwrap();
    assert!(code == 503 && words.contains("counts now") && words.contains("restart"), "{code} {answer}");
    assert_eq!(status(&stage, &token("two")).await, 401);
    let logout = stage.issuer.token_for("our-client").header("typ", "logout+jwt").claim("sid", "three");
    let logout = logout.claim("events", json!({LOGOUT: {}})).without("exp").without("sub").build();
    let form = "application/x-www-form-urlencoded";
    let origin = stage.resource.strip_suffix("/mcp").unwrap();
    let send = || {
        let request = stage.http.post(format!("{origin}/auth/backchannel-logout"));
        request.header("content-type", form).body(format!("logout_token={logout}")).send()
    };
    let refused = send().await.unwrap();
    let after = refused.headers()["retry-after"].to_str().unwrap();
    assert_eq!((refused.status().as_u16(), after), (503, "60"));
    assert_eq!(status(&stage, &token("three")).await, 401);
    let (code, report) = stage.ready().await;
    assert!(code == 200 && report.contains("degraded") && report.contains("journal.jsonl"), "{report}");

    std::fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(send().await.unwrap().status(), 200);
    assert!(!stage.ready().await.1.contains("degraded"));
    let written = std::fs::read_to_string(&journal).unwrap();
    for id in ["one", "two", "three"] {
        assert!(written.contains(&format!("\"{id}\"")), "{id}: {written}");
    }
}

#[tokio::test]
async fn what_the_admin_api_was_answered_for_is_revoked_after_the_process_was_killed_in_the_middle() {
    let test = "what_the_admin_api_was_answered_for_is_revoked_after_the_process_was_killed_in_the_middle";
    let Some(binary) = bearward(test) else { return };
    let (issuer, mcp) = (issuer().start().await.unwrap(), SampleMcpServer::builder().start().await.unwrap());
    let (listen, admin) = (free_address().unwrap(), free_address().unwrap());
    let resource = format!("http://{listen}/mcp");
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "server: {{listen: '{listen}', admin: '{admin}'}}\nrevocation: {{journal: journal.jsonl}}\nguards:\n  \
         - {{resource: '{resource}', upstream: {{url: '{}'}}, issuers: [{{issuer: '{}'}}]}}\n",
        mcp.url(),
        issuer.issuer(),
    );
    std::fs::write(folder.path().join("bearward.yaml"), config).unwrap();
    let serve = async || {
        // Another folder than the configuration's: the journal's path is relative to the latter.
        let config = folder.path().join("bearward.yaml");
        let mut command = Command::new(&binary);
        command.arg("serve").arg("--config").arg(config);
        let mut running = Running::start("bearward serve", &mut command).unwrap();
        running.until_listening(admin).await.unwrap();
        running
    };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{admin}/api/revocations");
    let token = issuer.token_for(&resource).claim("jti", "token-0-0").build();
    let ask = || {
        let request = http.post(&resource).bearer_auth(&token).body(INIT);
        let accept = "application/json, text/event-stream";
        request.header("content-type", "application/json").header("accept", accept).send()
    };

    let mut running = serve().await;
    let answered = Mutex::new(Vec::new());
    let tell = async |task: u32| {
        for n in 0.. {
            let id = format!("token-{task}-{n}");
            let body = json!({"jti": id}).to_string();
            let sent = http.post(&url).header("content-type", "application/json").body(body).send().await;
            match sent {
                Ok(answer) if answer.status() == 204 => answered.lock().unwrap().push(id),
                _ => return,
            }
        }
    };
    let kill = async {
        eventually("some are answered", || async { answered.lock().unwrap().len() > 200 }).await;
        running.kill().await.unwrap();
    };
    tokio::join!(kill, tell(0), tell(1), tell(2), tell(3));

    let mut running = serve().await;
    running.until_listening(listen).await.unwrap();
    let listed: Vec<Value> =
        serde_json::from_str(&http.get(&url).send().await.unwrap().text().await.unwrap()).unwrap();
    let known: Vec<_> = listed.iter().filter_map(|one| one["jti"].as_str()).collect();
    for id in answered.lock().unwrap().iter() {
        assert!(known.contains(&id.as_str()), "{id} was answered and is forgotten");
    }
    eventually("refused", || async { ask().await.unwrap().status() == 401 }).await;

    // Broken in the middle it does not start, and says where.
    running.kill().await.unwrap();
    let journal = folder.path().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen('{', "", 1)).unwrap();
    let mut command = Command::new(&binary);
    command.arg("serve").arg("--config").arg(folder.path().join("bearward.yaml"));
    let mut broken = Running::start("bearward serve", &mut command).unwrap();
    assert!(!broken.until_ended(Duration::from_secs(10)).await.unwrap().success());
    assert!(broken.output().contains("journal.jsonl, line 1"), "{}", broken.output());
}
