//! What an operator asks for a provider: of the server that runs here, or, where none does, of a part of it that is
//! started for this one question.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bearward_console::providers::word;
use bearward_observe::Observer;
use bearward_secrets::Secrets;
use bearward_store::{Kept, StoreError};
use bearward_supply::{Failure, Handle, Revoked, SupplyError, Wanted};
use bearward_token::{Clock, SystemClock};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::admin_socket;
use super::exit::Exit;
use super::loading;
use super::serve::random_seed;
use crate::compose::{ComposeError, Composition, Surroundings, compose};
use crate::config::settings::{GrantSettings, ProviderSettings};
use crate::config::{Loaded, Settings};

/// Another command may be at work in the same state for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A token on its way to stdout, in plain text: it has no `Debug`.
#[derive(Deserialize)]
pub(super) struct Given {
    pub(super) access_token: String,
    /// Seconds; absent where nobody knows.
    pub(super) expires_in: Option<u64>,
}

/// What became of a login's tokens, in a fixed word.
#[derive(Debug, Deserialize)]
pub(super) struct Ended {
    pub(super) revoked: String,
}

/// Why there is no answer, in words that say what to do.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) exit: Exit,
    pub(super) message: String,
}

/// One provider, and who can be asked for it.
pub(super) struct Desk {
    loaded: Loaded,
    provider: ProviderSettings,
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    /// For the one provider of that name, or for the only one there is.
    pub(super) fn open(config: Option<&Path>, provider: Option<&str>) -> Result<Self, Refused> {
        let file = loading::usual(config).unwrap_or_else(|| PathBuf::from("bearward.yaml"));
        let loaded = loading::loaded(Some(&file)).map_err(|exit| Refused { exit, message: String::new() })?;
        let (settings, provider) = only_provider(loaded.settings, provider)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| outside(format!("cannot start: {error}")))?;
        Ok(Self { loaded: Loaded { settings, ..loaded }, provider, runtime })
    }

    /// Its token, with so much time left if that can be had.
    pub(super) fn token(self, min_ttl: Duration) -> Result<Given, Refused> {
        let Self { mut loaded, provider, runtime } = self;
        runtime.block_on(async {
            let wanted = json!({"min_ttl_s": min_ttl.as_secs()});
            if let Some(given) = running(&loaded.settings, &provider, "token", &wanted).await? {
                return Ok(given);
            }
            is_shared(&provider)?;
            loses_no_login(&provider)?;
            if !keeps_state(&provider) {
                // A running server has it open.
                loaded.settings.state = None;
            }
            here(loaded, PATIENCE, async |handle, clock| token(handle, clock, min_ttl).await).await
        })
    }

    /// The end of its login.
    pub(super) fn log_out(self) -> Result<Ended, Refused> {
        let Self { loaded, provider, runtime } = self;
        runtime.block_on(async {
            if let Some(ended) = running(&loaded.settings, &provider, "logout", &json!({})).await? {
                return Ok(ended);
            }
            is_shared(&provider)?;
            if !outlives_a_process(&provider) {
                return Err(refused(format!(
                    "nothing was ended: no server was asked ({}), and what gets tokens for `{}` lives in the server \
                     alone",
                    match &loaded.settings.server.admin_socket {
                        Some(socket) => format!("none answers at {}", socket.display()),
                        None => "set `server.adminSocket` so that it can be".to_owned(),
                    },
                    provider.name
                )));
            }
            let is_queue_kept = loaded.settings.state.is_some();
            let revoked = here(loaded, PATIENCE, async |handle, _| handle.log_out().await.map_err(|error| failed(&error)));
            match revoked.await? {
                Revoked::Queued if !is_queue_kept => Err(outside(
                    "logged out here; the authorization server could not be told, and without a `state` nobody will \
                     tell it: what it issued lives until it expires, or until you revoke it there"
                        .into(),
                )),
                revoked => Ok(Ended { revoked: word(revoked).to_owned() }),
            }
        })
    }
}

/// What the running server says; `None`: none runs, or none that can be asked.
async fn running<T: DeserializeOwned>(
    settings: &Settings,
    provider: &ProviderSettings,
    what: &str,
    body: &Value,
) -> Result<Option<T>, Refused> {
    let Some(socket) = &settings.server.admin_socket else { return Ok(None) };
    let path = format!("/api/providers/{}/{what}", provider.name);
    let answer = admin_socket::post(socket, &path, body).await.map_err(|error| outside(error.to_string()))?;
    let Some((status, text)) = answer else { return Ok(None) };
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

/// Does it with a part of a server that is started for it, and ended behind it.
async fn here<T>(
    loaded: Loaded,
    patience: Duration,
    ask: impl AsyncFnOnce(&Handle, &SystemClock) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let Loaded { settings, environment, .. } = loaded;
    let clock = Arc::new(SystemClock::new());
    let secrets = Secrets::with_stores(environment.into_inner(), settings.stores.clone(), clock.clone());
    let around = Surroundings {
        clock: clock.clone(),
        observer: Observer::new(),
        secrets,
        seed: random_seed(),
        patience,
    };
    let composition = compose(&settings, &around).await.map_err(|error| not_composed(&error))?;
    let answered = match shared(&composition) {
        Some(handle) => ask(handle, &clock).await,
        None => Err(not_shared()),
    };
    composition.manager.shut_down().await;
    composition.secrets.close().await;
    answered
}

fn shared(composition: &Composition) -> Option<&Handle> {
    composition.console.supplies.providers.first()?.tokens.shared()
}

async fn token(handle: &Handle, clock: &dyn Clock, min_ttl: Duration) -> Result<Given, Refused> {
    let wanted = Wanted { min_ttl, ..Wanted::default() };
    let supplied = handle.ensure_lasting(&wanted).await.map_err(|error| failed(&error))?;
    Ok(Given {
        access_token: supplied.token().expose().to_owned(),
        expires_in: supplied.known_to_expire_in(clock).map(|left| left.as_secs()),
    })
}

/// Whether the machine has a token by this provider.
fn is_shared(provider: &ProviderSettings) -> Result<(), Refused> {
    if provider.grant.has_shared() { Ok(()) } else { Err(not_shared()) }
}

fn not_shared() -> Refused {
    refused("this provider's tokens are its callers' own, and none is the machine's".into())
}

/// A refresh token is spent with its first use: a process that forgets the next one has ended the login.
fn loses_no_login(provider: &ProviderSettings) -> Result<(), Refused> {
    let is_login = matches!(provider.grant, GrantSettings::RefreshToken { .. });
    if is_login && provider.storage.refresh == Kept::Memory {
        let message = "the refresh token would be spent and its successor forgotten: let the running server be asked \
                       (`server.adminSocket`), or keep the login (`storage: {refresh: encrypted}`)";
        return Err(refused(message.into()));
    }
    Ok(())
}

/// Whether a later process finds its login, or its token.
fn outlives_a_process(provider: &ProviderSettings) -> bool {
    let is_login = matches!(provider.grant, GrantSettings::RefreshToken { .. });
    let is_given = matches!(provider.grant, GrantSettings::Static { .. });
    // One that is given is refused with its own words.
    is_given
        || provider.storage.access != Kept::Memory
        || (is_login && provider.storage.refresh != Kept::Memory)
}

/// Whether its token, or what gets the next one, stands in the state.
fn keeps_state(provider: &ProviderSettings) -> bool {
    provider.storage.access == Kept::Encrypted || matches!(provider.grant, GrantSettings::RefreshToken { .. })
}

/// The settings of that one provider, without anything that serves.
fn only_provider(
    mut settings: Settings,
    wanted: Option<&str>,
) -> Result<(Settings, ProviderSettings), Refused> {
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
    let Some(provider) = settings.providers.first_mut() else {
        return Err(wrong(format!("there is no provider `{wanted}`; there are: {}", names.join(", "))));
    };
    provider.prefetch = false;
    let provider = provider.clone();
    // Only who serves asks for it.
    settings.server.admin_token = None;
    settings.guards.clear();
    // A running server writes these.
    settings.revocation.journal = None;
    settings.revocation.file = None;
    settings.audit = None;
    Ok((settings, provider))
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
        Failure::Refused { .. }
        | Failure::ReauthRequired { .. }
        | Failure::Given { .. }
        | Failure::NoLogin => refused(message),
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
