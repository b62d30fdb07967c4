//! From a request to what answers it. Mounts have names that a deployment chooses, so paths are taken apart here.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::routing::any;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{auth, denied, error, fault, no_content, wrapped};
use super::faults::Place;
use super::{Inner, Shared};

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    version: usize,
}

pub(super) fn router(shared: Shared) -> Router {
    Router::new().route("/v1/{*path}", any(handle)).with_state(shared)
}

async fn handle(
    State(vault): State<Shared>,
    method: Method,
    Path(path): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let place = place(&method, &path);
    let struck = {
        let mut inner = vault.inner();
        if let Some(place) = place {
            *inner.asked.entry(place).or_default() += 1;
        }
        inner.faults.iter().find(|(at, _)| Some(*at) == place).map(|(_, fault)| fault.clone())
    };
    if let Some(struck) = struck {
        return fault(struck).await;
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let settings = &vault.settings;
    if settings.requires_request_header && header("x-vault-request") != Some("true") {
        return error(StatusCode::PRECONDITION_FAILED, &["missing `X-Vault-Request` header"]);
    }
    if vault.inner().is_sealed {
        return error(StatusCode::SERVICE_UNAVAILABLE, &["Vault is sealed"]);
    }
    if header("x-vault-namespace").map(|name| name.trim_matches('/')) != settings.namespace.as_deref() {
        return denied();
    }
    let token = header("x-vault-token").unwrap_or_default();
    match place {
        Some(Place::Login) => login(&vault, &path, &body),
        Some(Place::Renewal) => renew(&vault, token),
        Some(Place::Revocation) => revoke(&vault, token),
        Some(Place::Lookup) => look_up(&vault, token),
        Some(Place::Read) => read(&vault, token, &path, asked.version),
        None => error(StatusCode::NOT_FOUND, &["no handler for route"]),
    }
}

fn place(method: &Method, path: &str) -> Option<Place> {
    match (method.as_str(), path) {
        ("POST", "auth/token/renew-self") => Some(Place::Renewal),
        ("POST", "auth/token/revoke-self") => Some(Place::Revocation),
        ("GET", "auth/token/lookup-self") => Some(Place::Lookup),
        ("POST", path) if path.starts_with("auth/") && path.ends_with("/login") => Some(Place::Login),
        ("GET", path) if path.contains("/data/") => Some(Place::Read),
        _ => None,
    }
}

fn login(vault: &Shared, path: &str, body: &[u8]) -> Response<Body> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut inner = vault.inner();
    let policies = match path {
        "auth/approle/login" => {
            let role = inner.approles.get(text("role_id"));
            let role = role.filter(|role| role.secret_ids.iter().any(|known| known == text("secret_id")));
            let Some(role) = role else {
                return error(StatusCode::BAD_REQUEST, &["invalid role or secret ID"]);
            };
            role.policies.clone()
        }
        "auth/kubernetes/login" => {
            let Some(role) = inner.kubernetes.get(text("role")) else {
                let name = format!("invalid role name {:?}", text("role"));
                return error(StatusCode::BAD_REQUEST, &[&name]);
            };
            if role.jwt != text("jwt") {
                return error(StatusCode::FORBIDDEN, &["permission denied"]);
            }
            role.policies.clone()
        }
        // Nothing is mounted there, and who is not logged in is not told so.
        _ => return denied(),
    };
    let token = inner.tokens.issue(&vault.settings, policies.clone());
    inner.secrets.push(token.clone());
    wrapped(&Value::Null, &grant(vault, &inner, &token))
}

fn renew(vault: &Shared, token: &str) -> Response<Body> {
    let mut inner = vault.inner();
    if inner.tokens.find(token, vault.settings.clock.monotonic()).is_none() {
        return denied();
    }
    if inner.tokens.renew(token, &vault.settings).is_none() {
        return error(StatusCode::BAD_REQUEST, &["lease is not renewable"]);
    }
    wrapped(&Value::Null, &grant(vault, &inner, token))
}

fn revoke(vault: &Shared, token: &str) -> Response<Body> {
    match vault.inner().tokens.revoke(token, vault.settings.clock.monotonic()) {
        true => no_content(),
        false => denied(),
    }
}

fn look_up(vault: &Shared, id: &str) -> Response<Body> {
    let inner = vault.inner();
    let now = vault.settings.clock.monotonic();
    let Some(token) = inner.tokens.find(id, now) else { return denied() };
    let data = json!({
        "id": id, "ttl": token.seconds_left(now), "creation_ttl": vault.settings.lease.as_secs(),
        "renewable": token.is_renewable, "policies": token.policies, "type": "service", "path": "auth/token/create",
        "num_uses": 0, "orphan": false, "display_name": "token", "meta": null, "explicit_max_ttl": 0,
    });
    wrapped(&data, &Value::Null)
}

fn read(vault: &Shared, token: &str, path: &str, version: usize) -> Response<Body> {
    let inner = vault.inner();
    let token = inner.tokens.find(token, vault.settings.clock.monotonic());
    if !token.is_some_and(|token| token.may_read(path)) {
        return denied();
    }
    let Some((engine, path)) = engine_of(&inner, path) else {
        return error(StatusCode::NOT_FOUND, &["no handler for route"]);
    };
    engine.read(path, version)
}

fn engine_of<'a>(inner: &'a Inner, path: &'a str) -> Option<(&'a super::Engine, &'a str)> {
    let below = |mount: &str| path.strip_prefix(mount)?.strip_prefix("/data/");
    inner.engines.iter().find_map(|(mount, engine)| Some((engine, below(mount)?)))
}

fn grant(vault: &Shared, inner: &Inner, id: &str) -> Value {
    let now = vault.settings.clock.monotonic();
    let Some(token) = inner.tokens.find(id, now) else { return Value::Null };
    auth(id, &token.policies, token.seconds_left(now), token.is_renewable)
}
