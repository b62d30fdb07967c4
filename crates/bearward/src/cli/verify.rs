//! `bearward verify`.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bearward_guard::explain::{Explanation, Step};
use bearward_guard::revocation::Source;
use bearward_observe::Observer;
use bearward_secrets::Secrets;
use bearward_token::SystemClock;
use clap::Args;

use super::exit::Exit;
use super::loading;
use super::output::print;
use super::running::{self, Known};
use super::serve::random_seed;
use crate::compose::{Surroundings, compose};
use crate::config::{Environment, Settings};

/// Longest input that is read, in bytes; a token is far shorter.
const MOST: u64 = 64 * 1024;

/// Explain what a guard makes of a token: every check in order, up to the first that does not hold.
///
/// The token is never printed. Give it in a file or by stdin where others could see your command line. The issuer's keys
/// are fetched and an opaque token is asked about. A server that runs on this machine is asked what it was told to revoke
/// and whether it remembers the token, by its hash.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bearward verify --file token.txt\n  \
                        pbpaste | bearward verify - --config bearward.yaml --guard https://mcp.example.com/mcp\n\n\
                        Exit codes: 0 the guard lets it in, 1 it does not, 2 wrong usage or configuration")]
pub struct Verify {
    /// The token; `-` reads it from stdin.
    #[arg(value_name = "TOKEN", required_unless_present = "file", conflicts_with = "file")]
    token: Option<String>,
    /// A file that holds the token.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The configuration file; without one `bearward.yaml`, or the guard that stands in the environment.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The resource whose guard is asked; needed when there are several.
    #[arg(long, value_name = "RESOURCE")]
    guard: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Exit {
        let loaded = match loading::loaded(loading::usual(self.config.as_deref()).as_deref()) {
            Ok(loaded) => loaded,
            Err(exit) => return exit,
        };
        let settings = match self.only_guard(loaded.settings) {
            Ok(settings) => settings,
            Err(error) => return wrong(&error),
        };
        let token = match self.read() {
            Ok(token) => token,
            Err(error) => return wrong(&error),
        };
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("cannot start: {error}");
                return Exit::Outside;
            }
        };
        match runtime.block_on(explain(&settings, loaded.environment, &token)) {
            Ok(explanation) => self.tell(&explanation),
            Err(error) => wrong(&error),
        }
    }

    /// The settings of the guard that is asked, without anything that would ask for tokens.
    fn only_guard(&self, mut settings: Settings) -> Result<Settings, String> {
        let names: Vec<_> = settings.guards.iter().map(|guard| guard.resource.as_str().to_owned()).collect();
        let wanted = match (&self.guard, names.as_slice()) {
            (Some(wanted), _) => wanted.clone(),
            (None, [only]) => only.clone(),
            (None, []) => return Err("the configuration has no guard".into()),
            (None, several) => return Err(format!("say which guard with `--guard`: {}", several.join(", "))),
        };
        settings.guards.retain(|guard| guard.resource.as_str() == wanted);
        if settings.guards.is_empty() {
            return Err(format!("there is no guard of `{wanted}`; there are: {}", names.join(", ")));
        }
        // A running server writes it, and is asked itself.
        settings.revocation.journal = None;
        settings.providers.clear();
        // Nor anything that the server itself writes to.
        settings.audit = None;
        settings.guards.iter_mut().for_each(|guard| guard.provider = None);
        Ok(settings)
    }

    fn read(&self) -> Result<String, String> {
        let mut text = String::new();
        match (&self.token, &self.file) {
            (Some(token), _) if token != "-" => text.push_str(token),
            (Some(_), _) => {
                if std::io::stdin().is_terminal() {
                    eprintln!("paste the token, then press Ctrl-D");
                }
                std::io::stdin()
                    .take(MOST)
                    .read_to_string(&mut text)
                    .map_err(|error| format!("stdin: {error}"))?;
            }
            (None, Some(file)) => {
                let failed = |error| format!("{}: {error}", file.display());
                std::fs::File::open(file)
                    .map_err(failed)?
                    .take(MOST)
                    .read_to_string(&mut text)
                    .map_err(failed)?;
            }
            (None, None) => return Err("give a token, `-` for stdin, or `--file`".into()),
        }
        // As it is often copied: with its scheme.
        let text = text.trim();
        let bare = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = bare.map_or(text, |(_, token)| token.trim());
        if token.is_empty() { Err("there is no token".into()) } else { Ok(token.to_owned()) }
    }

    fn tell(&self, explanation: &Explanation) -> Exit {
        let text = if self.json {
            serde_json::to_string(explanation).unwrap_or_default() + "\n"
        } else {
            let mark = |ok| if ok { "✓" } else { "✗" };
            let steps = explanation.steps.iter();
            let steps: String =
                steps.map(|step| format!("{} {:<14}{}\n", mark(step.ok), step.check, step.found)).collect();
            let end = if explanation.ok { "opens" } else { "does not open" };
            format!("{steps}\nThe token {end} {}.\n", explanation.resource)
        };
        match (print(&text), explanation.ok) {
            (Exit::Done, true) => Exit::Done,
            (Exit::Done, false) => Exit::Refused,
            (other, _) => other,
        }
    }
}

async fn explain(settings: &Settings, environment: Environment, token: &str) -> Result<Explanation, String> {
    let clock = Arc::new(SystemClock::new());
    let secrets = Secrets::with_stores(environment.into_inner(), settings.stores.clone(), clock.clone());
    let resource = settings.guards.first().map_or("", |guard| guard.resource.as_str());
    // Which cannot be read here is asked without, and says so.
    let operator = match &settings.server.admin_token {
        Some(token) => secrets.read(token).await.ok(),
        None => None,
    };
    let known = running::ask(settings.server.admin, operator.as_ref(), resource, token).await;
    let around = Surroundings {
        clock,
        observer: Observer::new(),
        secrets,
        seed: random_seed(),
        patience: Duration::ZERO,
    };
    let composition = compose(settings, &around).await.map_err(|error| error.to_string())?;
    let guard = composition.guards.first().ok_or("the configuration has no guard")?;
    for revocation in known.iter().flat_map(|known| &known.revocations) {
        // One that this process has no room for, or that is over, is told of by the server alone.
        let _ = composition.console.revocations.add(Source::Api, revocation);
    }
    let mut explanation = guard.explain(token).await;
    let found = match known {
        Ok(Known { at, remembered: Some(left), .. }) => {
            format!("the server at {at} remembers it as good for {} s more", left.as_secs())
        }
        Ok(Known { at, remembered: None, .. }) => format!("the server at {at} does not remember it"),
        Err(nothing) => nothing,
    };
    explanation.steps.push(Step { check: "cache", ok: true, found, reason: None });
    Ok(explanation)
}

fn wrong(error: &str) -> Exit {
    eprintln!("{error}");
    Exit::Usage
}
