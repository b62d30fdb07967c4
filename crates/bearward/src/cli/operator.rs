//! What an operator asks for a provider: of the server that runs here, or, where none does, of a part of it that is
//! started for this one question.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bearward_console::providers::word;
use bearward_observe::Observer;
use bearward_secrets::Secrets;
use bearward_store::{Kept, StoreError};
use bearward_supply::{Failure, Handle, SupplyError, Wanted};
use bearward_token::{ClientSecret, SystemClock};
use serde::Deserialize;
use serde_json::{Value, json};

use super::exit::Exit;
use super::loading;
use super::serve::random_seed;
use crate::compose::{ComposeError, Composition, Surroundings, compose};
use crate::config::settings::{GrantSettings, ProviderSettings, ServerSettings};
use crate::config::{Loaded, Settings};

/// One question to a running server, from connecting to the last byte: longer than a token may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    /// The token, with this much time left if that can be had.
    Token { min_ttl: Duration },
    /// The end of the login.
    LogOut,
}

/// An answer, whoever gave it. It holds a token in plain text on its way to stdout, so it has no `Debug`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub(super) access_token: String,
    pub(super) expires_in: u64,
    pub(super) revoked: String,
}

/// Why there is none, in words that say what to do.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) exit: Exit,
    pub(super) message: String,
}

/// Asks for the one provider of that name, or for the only one there is.
pub(super) fn ask(
    config: Option<&Path>,
    provider: Option<&str>,
    question: Question,
) -> Result<Answer, Refused> {
    let file = loading::usual(config).unwrap_or_else(|| PathBuf::from("bearward.yaml"));
    let loaded = loading::loaded(Some(&file)).map_err(|exit| Refused { exit, message: String::new() })?;
    let mut settings = only_provider(loaded.settings, provider)?;
    if matches!(question, Question::Token { .. }) && !settings.providers.iter().any(keeps_state) {
        // A running server has it open.
        settings.state = None;
    }
    let loaded = Loaded { settings, ..loaded };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| outside(format!("cannot start: {error}")))?;
    runtime.block_on(answer(loaded, question))
}

async fn answer(loaded: Loaded, question: Question) -> Result<Answer, Refused> {
    let Loaded { settings, environment, .. } = loaded;
    let clock = Arc::new(SystemClock::new());
    let secrets = Secrets::with_stores(environment.into_inner(), settings.stores.clone(), clock.clone());
    let name = settings.providers.iter().map(|provider| provider.name.clone()).collect::<String>();
    let token = match &settings.server.admin_token {
        None => None,
        Some(token) => {
            let read = secrets.read(token).await;
            Some(read.map_err(|error| wrong(format!("server.adminToken: {error}")))?)
        }
    };
    if let Some(answer) = running(&settings.server, token.as_ref(), &name, question).await? {
        return Ok(answer);
    }
    let around =
        Surroundings { clock: clock.clone(), observer: Observer::new(), secrets, seed: random_seed() };
    let composition = compose(&settings, &around).await.map_err(|error| not_composed(&error))?;
    let answered = here(&composition, &clock, question).await;
    composition.manager.shut_down().await;
    answered
}

/// What the running server says; `None`: none runs, or none that would tell us.
async fn running(
    server: &ServerSettings,
    token: Option<&ClientSecret>,
    provider: &str,
    question: Question,
) -> Result<Option<Answer>, Refused> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let (client, base) = match (&server.admin_socket, token) {
        (Some(socket), _) if socket.exists() => {
            (client.unix_socket(socket.clone()), "http://localhost".to_owned())
        }
        (_, Some(_)) if server.admin.ip().is_loopback() => (client, format!("http://{}", server.admin)),
        _ => return Ok(None),
    };
    let client = client.build().map_err(|error| outside(error.to_string()))?;
    let (what, body) = match question {
        Question::Token { min_ttl } => ("token", json!({"min_ttl_s": min_ttl.as_secs()})),
        Question::LogOut => ("logout", json!({})),
    };
    let mut request = client.post(format!("{base}/api/providers/{provider}/{what}"));
    request = request.header("content-type", "application/json").body(body.to_string());
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    // Nobody there: what is left of a server that has ended is a socket that nobody answers at.
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Ok(None),
        Err(error) => return Err(outside(format!("the running server does not answer: {error}"))),
    };
    let status = answer.status();
    let text = answer.text().await.map_err(|error| outside(error.to_string()))?;
    if status.is_success() {
        let parsed = serde_json::from_str(&text);
        return parsed.map(Some).map_err(|_| outside("what answers there is no Bearward".into()));
    }
    let said = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|said| Some(said.get("error")?.as_str()?.to_owned()));
    let message = said.unwrap_or_else(|| format!("the running server answered with status {status}"));
    Err(if status.is_server_error() { outside(message) } else { refused(message) })
}

async fn here(composition: &Composition, clock: &SystemClock, question: Question) -> Result<Answer, Refused> {
    let provider = composition.console.supplies.providers.first();
    let handle = provider.and_then(|provider| provider.tokens.shared()).ok_or_else(|| {
        refused("this provider's tokens are its callers' own, and none is the machine's".into())
    })?;
    match question {
        Question::Token { min_ttl } => token(handle, clock, min_ttl).await,
        Question::LogOut => {
            let revoked = handle.log_out().await.map_err(|error| failed(&error))?;
            Ok(Answer { revoked: word(revoked).to_owned(), ..Answer::default() })
        }
    }
}

async fn token(handle: &Handle, clock: &SystemClock, min_ttl: Duration) -> Result<Answer, Refused> {
    let wanted = Wanted { min_ttl, ..Wanted::default() };
    let supplied = handle.ensure_access(&wanted).await.map_err(|error| failed(&error))?;
    Ok(Answer {
        access_token: supplied.token().expose().to_owned(),
        expires_in: supplied.expires_in(clock).as_secs(),
        ..Answer::default()
    })
}

/// Whether its token, or what gets the next one, stands in the state.
fn keeps_state(provider: &ProviderSettings) -> bool {
    provider.storage.access == Kept::Encrypted || matches!(provider.grant, GrantSettings::RefreshToken { .. })
}

/// The settings of that one provider, without anything that serves.
fn only_provider(mut settings: Settings, wanted: Option<&str>) -> Result<Settings, Refused> {
    let names: Vec<_> = settings.providers.iter().map(|provider| provider.name.clone()).collect();
    let wanted = match (wanted, names.as_slice()) {
        (Some(wanted), _) => wanted.to_owned(),
        (None, [only]) => only.clone(),
        (None, []) => return Err(wrong("the configuration has no provider".into())),
        (None, several) => {
            return Err(wrong(format!("say which one with `--provider`: {}", several.join(", "))));
        }
    };
    settings.providers.retain(|provider| provider.name == wanted);
    if settings.providers.is_empty() {
        return Err(wrong(format!("there is no provider `{wanted}`; there are: {}", names.join(", "))));
    }
    settings.providers.iter_mut().for_each(|provider| provider.prefetch = false);
    settings.guards.clear();
    // A running server writes these.
    settings.revocation.journal = None;
    settings.revocation.file = None;
    settings.audit = None;
    Ok(settings)
}

fn not_composed(error: &ComposeError) -> Refused {
    match error {
        ComposeError::State(StoreError::InUse { .. }) => outside(format!(
            "{error}. Is that a server that runs? It can be asked where `server.adminSocket` is set"
        )),
        error => wrong(error.to_string()),
    }
}

fn failed(error: &SupplyError) -> Refused {
    let message = error.to_string();
    match *error.failure {
        Failure::Refused { .. } | Failure::ReauthRequired { .. } | Failure::Given { .. } => refused(message),
        Failure::Credential { .. } => wrong(message),
        _ => outside(message),
    }
}

impl Refused {
    /// Says it, and how the command ends.
    pub(super) fn tell(self) -> Exit {
        if !self.message.is_empty() {
            eprintln!("{}", self.message);
        }
        self.exit
    }
}

fn wrong(message: String) -> Refused {
    Refused { exit: Exit::Usage, message }
}

fn refused(message: String) -> Refused {
    Refused { exit: Exit::Refused, message }
}

fn outside(message: String) -> Refused {
    Refused { exit: Exit::Outside, message }
}
