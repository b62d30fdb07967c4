//! Signing in: the way to the issuer, and the way back (OpenID Connect Core §3.1, RFC 7636, RFC 9207).

use std::fmt;
use std::sync::Arc;

use bearward_guard::IdTokens;
use bearward_guard::id_token::{Asked, SignedIn};
use bearward_observe::Rejection;
use bearward_supply::{Failure, Granted, Revocable, Revoker, TokenRequest};
use bearward_token::expiry::Moment;
use bearward_token::{AccessToken, RefreshToken, ScopeSet};
use serde_json::Value;
use url::Url;

use crate::attempt::{Answer, Attempt, LoginRequest};
use crate::attempts::Attempts;
use crate::problem::{Problem, ProblemKind};
use crate::random::Secret;
use crate::return_to::ReturnTo;
use crate::sessions::Session;

const GRANT_TYPE: &str = "authorization_code";

/// How users of one application sign in.
pub struct Login {
    /// The client at its issuer, and what its own access token is for.
    pub request: Arc<TokenRequest>,
    /// Tells the issuer of tokens that nobody is to have.
    pub revoker: Option<Arc<Revoker>>,
    /// What is asked for at the login; `openid` among it.
    pub scopes: ScopeSet,
    /// Resources beside the first, for which the login gets tokens later: an issuer may give those that were named at the
    /// sign-in and no others.
    pub more_resources: Vec<String>,
    /// Further parameters of the sign-in that the issuer wants, such as `prompt`.
    pub extra: Vec<(String, String)>,
    /// Where the issuer sends the browser back to, exactly as it is registered.
    pub redirect_uri: String,
    /// The issuer takes PKCE although its metadata does not say so.
    pub is_pkce_known: bool,
    /// Verifies who has signed in.
    pub id_tokens: IdTokens,
    /// Attempts that are under way.
    pub attempts: Attempts,
}

/// A login that has come back.
pub struct Completed {
    /// Who it is.
    pub session: Session,
    /// What the issuer granted; its access token is the session's first.
    pub granted: Granted,
    /// When it was asked for.
    pub sent: Moment,
    /// What gets the next one, if the issuer gave it.
    pub refresh_token: Option<RefreshToken>,
    /// Where the user wanted to go.
    pub return_to: ReturnTo,
}

impl Login {
    /// Begins an attempt for the browser that has this cookie; answers with where it goes.
    ///
    /// # Errors
    /// When the issuer does not answer, cannot be used, or the attempt cannot be kept.
    pub async fn begin(&self, return_to: ReturnTo, browser: &Secret) -> Result<String, Problem> {
        let unavailable = || Problem::new(ProblemKind::Unavailable);
        let metadata = self.request.metadata.get().await.map_err(|error| {
            tracing::warn!(%error, "nobody can sign in: the issuer's metadata is not to be had");
            Problem::new(ProblemKind::IssuerUnavailable)
        })?;
        let attempt = Attempt::begin(self.request.metadata.issuer().clone(), return_to).map_err(|error| {
            tracing::error!(%error, "nobody can sign in");
            unavailable()
        })?;
        let redirect = attempt.redirect(&metadata, &self.login_request()).map_err(|error| {
            tracing::warn!(%error, "nobody can sign in");
            Problem::new(ProblemKind::LoginFailed)
        })?;
        self.attempts.keep(attempt, browser);
        Ok(redirect)
    }

    /// Where the user can end their session at the issuer as well (OpenID Connect RP-Initiated Logout §2), and come back from
    /// to `back`; `None` when it offers that nowhere, or does not answer now.
    ///
    /// Without the ID token, which would stand in a URL: the issuer asks the user then.
    pub async fn end_session(&self, back: Option<&str>) -> Option<String> {
        let metadata = self.request.metadata.get().await.ok()?;
        let mut url = Url::parse(metadata.end_session_endpoint().ok()?.as_str()).ok()?;
        url.query_pairs_mut().append_pair("client_id", &self.request.client.id);
        if let Some(back) = back {
            url.query_pairs_mut().append_pair("post_logout_redirect_uri", back);
        }
        Some(url.into())
    }

    /// Takes the issuer's answer, which came with the query to the browser that has this cookie.
    ///
    /// # Errors
    /// Whatever does not fit, by its kind; nothing of an answer that cannot be trusted is shown.
    pub async fn complete(&self, query: &str, browser: &Secret) -> Result<Completed, Problem> {
        let answer = Answer::read(query);
        let attempt = self.attempts.take(answer.state(), browser)?;
        let metadata = self.request.metadata.get().await;
        let metadata = metadata.map_err(|_| Problem::new(ProblemKind::IssuerUnavailable))?;
        let code = attempt.code(&metadata, &answer)?;
        let fields = vec![
            ("grant_type", GRANT_TYPE.to_owned()),
            ("code", code),
            ("redirect_uri", self.redirect_uri.clone()),
            ("code_verifier", attempt.verifier.expose().to_owned()),
        ];
        let sent = Moment::now(&*self.request.client.clock);
        // A code is spent once: an answer that is not waited for is lost.
        let answer = self.request.spend(fields).await.map_err(|failure| not_granted(&failure))?;
        match self.who(&answer.granted, &attempt).await {
            Ok(who) => Ok(Completed {
                session: session(who),
                granted: answer.granted,
                sent,
                refresh_token: answer.refresh_token,
                return_to: attempt.return_to,
            }),
            Err(problem) => {
                self.revoke(&answer.granted.access_token, answer.refresh_token.as_ref()).await;
                Err(problem)
            }
        }
    }

    async fn who(&self, granted: &Granted, attempt: &Attempt) -> Result<SignedIn, Problem> {
        let Some(id_token) = granted.id_token.as_ref().map(|granted| &granted.token) else {
            tracing::warn!("the issuer gave no ID token: is `openid` among the scopes?");
            return Err(Problem::new(ProblemKind::LoginFailed));
        };
        let asked = Asked { nonce: attempt.nonce.expose(), access_token: &granted.access_token };
        self.id_tokens.verify(id_token.expose(), asked).await.map_err(not_trusted)
    }

    /// Nobody has them.
    async fn revoke(&self, access: &AccessToken, refresh: Option<&RefreshToken>) {
        let Some(revoker) = &self.revoker else { return };
        let unwanted: Vec<_> = refresh.map(Revocable::from).into_iter().chain([access.into()]).collect();
        if let Err(failure) = revoker.revoke(&unwanted).await {
            tracing::warn!(%failure, "the tokens of a sign-in that is not trusted are not revoked");
        }
    }

    fn login_request(&self) -> LoginRequest<'_> {
        LoginRequest {
            client: &self.request.client.id,
            redirect_uri: &self.redirect_uri,
            scopes: &self.scopes,
            resource: self.request.resource.as_deref(),
            more_resources: &self.more_resources,
            extra: &self.extra,
            audience: self.request.audience.as_deref(),
            is_pkce_known: self.is_pkce_known,
        }
    }
}

fn session(who: SignedIn) -> Session {
    let text = |name: &str| who.claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut session = Session::new(who.subject.clone());
    session.name = text("name").or_else(|| text("preferred_username")).or_else(|| text("email"));
    session.session_id = who.session_id;
    session
}

fn not_granted(failure: &Failure) -> Problem {
    tracing::warn!(%failure, "a login's code was not exchanged");
    if failure.is_passing() {
        return Problem::new(ProblemKind::IssuerUnavailable);
    }
    match failure {
        Failure::Refused { code, .. } if code == "invalid_grant" => Problem::new(ProblemKind::StateExpired),
        _ => Problem::new(ProblemKind::LoginFailed),
    }
}

fn not_trusted(rejection: Rejection) -> Problem {
    tracing::warn!(reason = rejection.as_str(), "an ID token was not accepted");
    match rejection {
        Rejection::KeysUnavailable => Problem::new(ProblemKind::IssuerUnavailable),
        _ => Problem::new(ProblemKind::LoginFailed),
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({} at {})", self.request.client.id, self.request.metadata.issuer())
    }
}

impl fmt::Debug for Completed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Completed({:?})", self.session)
    }
}
