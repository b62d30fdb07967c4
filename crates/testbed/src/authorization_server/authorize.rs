//! The authorization endpoint: a plain login page, and the code it ends in (RFC 6749 §4.1, RFC 7636, RFC 9207).

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use url::Url;

use super::grants::allowed_audiences;
use super::token::Params;
use super::{ServerState, Shared};
use crate::keys::b64;
use crate::random_id;

/// How long a code may lie around, in seconds.
const CODE_LIFE: u64 = 60;

/// An authorization code, and what it was given for.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) client: String,
    pub(super) user: String,
    pub(super) redirect_uri: String,
    pub(super) scope: String,
    pub(super) audiences: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) expires_at: u64,
    pub(super) used: bool,
    pub(super) family: String,
    challenge: String,
}

impl Code {
    /// RFC 7636 §4.6, S256.
    pub(super) fn verifier_fits(&self, verifier: &str) -> bool {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        (43..=128).contains(&verifier.len()) && b64(hash.as_ref()) == self.challenge
    }
}

/// `GET /authorize`: the login page.
pub(super) async fn page(State(server): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let params = Params::parse(query.as_bytes());
    match server.judge(&params) {
        Ok(()) => login_page(&query, None).into_response(),
        Err(refusal) => *refusal,
    }
}

/// `POST /authorize`: name and password; the request's own parameters stand in the query still.
pub(super) async fn login(State(server): State<Shared>, RawQuery(query): RawQuery, form: Bytes) -> Response {
    let query = query.unwrap_or_default();
    let params = Params::parse(query.as_bytes());
    if let Err(refusal) = server.judge(&params) {
        return *refusal;
    }
    let form = Params::parse(&form);
    let user = form.one("username").and_then(|name| server.users.get(name));
    let Some(user) = user.filter(|user| form.one("password") == Some(&user.password)) else {
        return (StatusCode::UNAUTHORIZED, login_page(&query, Some("Name or password is wrong.")))
            .into_response();
    };
    let code = random_id();
    let text = |name: &str| params.one(name).unwrap_or("").to_owned();
    let granted = Code {
        client: text("client_id"),
        user: user.name.clone(),
        redirect_uri: text("redirect_uri"),
        scope: text("scope"),
        audiences: params.audiences(),
        nonce: params.one("nonce").map(str::to_owned),
        expires_at: server.now() + CODE_LIFE,
        used: false,
        family: random_id(),
        challenge: text("code_challenge"),
    };
    server.counts.remember(&code);
    server.memory().codes.insert(code.clone(), granted);
    server.redirect(&params, &[("code", &code)])
}

/// `GET /logout`: RP-initiated logout; there is no session to end, so it only sends the browser back.
/// To a place of a client's own only: whoever could name another would send people anywhere.
pub(super) async fn end_session(State(server): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let uri = params.one("post_logout_redirect_uri").and_then(|uri| Url::parse(uri).ok());
    let is_own = |uri: &Url| {
        let mut known = server.clients.values().flat_map(|client| &client.redirect_uris);
        known.any(|known| Url::parse(known).is_ok_and(|known| known.origin() == uri.origin()))
    };
    match uri.filter(is_own) {
        Some(mut uri) => {
            if let Some(state) = params.one("state") {
                uri.query_pairs_mut().append_pair("state", state);
            }
            (StatusCode::SEE_OTHER, [(header::LOCATION, uri.to_string())]).into_response()
        }
        None => Html("<!doctype html><title>Signed out</title><p>You are signed out.").into_response(),
    }
}

impl ServerState {
    /// Until client and redirect URI are known to belong together nobody is redirected anywhere
    /// (RFC 6749 §4.1.2.1); after that, errors go back to the client.
    fn judge(&self, params: &Params) -> Result<(), Box<Response>> {
        let client = params.one("client_id").and_then(|id| self.clients.get(id));
        let uri = params.one("redirect_uri");
        let Some(client) =
            client.filter(|client| client.redirect_uris.iter().any(|known| Some(known.as_str()) == uri))
        else {
            return Err(Box::new(
                (StatusCode::BAD_REQUEST, "unknown client_id or redirect_uri").into_response(),
            ));
        };
        let refuse = |error: &str| Err(Box::new(self.redirect(params, &[("error", error)])));
        if params.one("response_type") != Some("code") {
            return refuse("unsupported_response_type");
        }
        if params.one("code_challenge_method") != Some("S256") || params.one("code_challenge").is_none() {
            return refuse("invalid_request");
        }
        if allowed_audiences(client, params.audiences()).is_err() {
            return refuse("invalid_target");
        }
        Ok(())
    }

    /// Back to the client, with `state` and `iss` (RFC 9207).
    fn redirect(&self, params: &Params, answer: &[(&str, &str)]) -> Response {
        let Some(mut uri) = params.one("redirect_uri").and_then(|uri| Url::parse(uri).ok()) else {
            return (StatusCode::BAD_REQUEST, "redirect_uri is not a URL").into_response();
        };
        uri.query_pairs_mut().extend_pairs(answer).append_pair("iss", &self.issuer());
        if let Some(state) = params.one("state") {
            uri.query_pairs_mut().append_pair("state", state);
        }
        (StatusCode::SEE_OTHER, [(header::LOCATION, uri.to_string())]).into_response()
    }
}

fn login_page(query: &str, trouble: Option<&str>) -> Html<String> {
    let trouble = trouble.map(|text| format!("<p role=alert>{text}</p>")).unwrap_or_default();
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sign in</title>\
         <style>body{{font:16px system-ui;max-width:20rem;margin:15vh auto}}\
         input,button{{width:100%;padding:.5rem;margin:.3rem 0;box-sizing:border-box}}</style>\
         <h1>Sign in</h1>{trouble}<form method=post action=\"?{}\">\
         <label>Name <input name=username autocomplete=username required></label>\
         <label>Password <input name=password type=password autocomplete=current-password required></label>\
         <button>Sign in</button></form>",
        escape(query)
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
