//! From a file to settings: reads, overrides, judges the whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::problem::{ConfigErrors, Problem};
use super::reader::{Problems, Section};
use super::settings::Settings;
use super::tree::{Place, place_in};
use super::{guards, overrides, providers, server, tree};

/// The process's environment, taken once at start.
#[derive(Clone, Default)]
pub struct Environment(HashMap<String, String>);

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// What is worth saying about it.
    pub warnings: Vec<Problem>,
    /// The environment with what `.env` adds: where secrets are read from.
    pub environment: Environment,
}

impl Environment {
    /// Of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars().collect())
    }

    /// Of these variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// All variables.
    pub fn into_inner(self) -> HashMap<String, String> {
        self.0
    }

    /// What `.env` beside the configuration adds; what is set already wins.
    fn with_dotenv(mut self, folder: &Path) -> Result<Self, String> {
        let path = folder.join(".env");
        let Ok(entries) = dotenvy::from_path_iter(&path) else { return Ok(self) };
        for entry in entries {
            // The line is not shown: it may hold a secret.
            let (name, value) =
                entry.map_err(|_| format!("{}: a line is not `NAME=value`", path.display()))?;
            self.0.entry(name).or_insert(value);
        }
        Ok(self)
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

/// Reads a configuration file, the `.env` beside it, and overrides.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(path: &Path, environment: Environment) -> Result<Loaded, ConfigErrors> {
    let name = path.display().to_string();
    let whole = Place::File { offset: 0, len: 0 };
    let source = std::fs::read_to_string(path).map_err(|error| {
        let help = "give the path of a YAML file with `--config`";
        ConfigErrors::new(
            &name,
            vec![Problem::error(&whole, format!("{name} cannot be read: {error}"), "", help)],
        )
    })?;
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let environment = environment.with_dotenv(&folder).map_err(|message| {
        ConfigErrors::new(
            &name,
            vec![Problem::error(&Place::Env(".env".into()), message, "", "mend or remove it")],
        )
    })?;
    parse(&name, &source, environment)
}

/// Reads a configuration's text.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(name: &str, source: &str, environment: Environment) -> Result<Loaded, ConfigErrors> {
    let shown = without_secrets(source);
    let mut tree = tree::parse(source).map_err(|error| {
        let at = error
            .location()
            .map_or(Place::File { offset: 0, len: 0 }, |location| place_in(source, &location));
        let message = format!(
            "this is not YAML that can be read: {}",
            first_line(&error.without_snippet().to_string())
        );
        let problem = Problem::error(&at, message, "here", "check indentation, quotes and doubled keys");
        ConfigErrors::new(name, vec![problem.in_file(name, &shown)])
    })?;
    let problems = Problems::default();
    let variables: Vec<_> = environment.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    overrides::apply(&mut tree, &variables, &problems);
    let settings = read(&Section::new("", &tree, &problems), &problems);
    let found = problems.into_inner().into_iter().map(|problem| problem.in_file(name, &shown));
    let (warnings, errors): (Vec<_>, Vec<_>) = found.partition(Problem::is_warning);
    match errors.is_empty() {
        true => Ok(Loaded { settings, warnings, environment }),
        false => Err(ConfigErrors::new(name, errors)),
    }
}

fn read(root: &Section<'_>, problems: &Problems) -> Settings {
    for (later, what) in [
        ("state", "it keeps everything in memory"),
        ("default", "it belongs to reusing the application's login"),
        ("broker", "it has no broker"),
        ("rollout", "every guard and provider is fully on"),
        ("telemetry", "it logs to stderr and serves /metrics"),
    ] {
        root.not_yet(later, what);
    }
    let server = server::read(root, problems);
    let providers = providers::read(root);
    let guards = guards::read(root, &providers);
    if guards.is_empty() && server.egress.is_none() && root.node("guards").is_none() {
        root.missing("guards", "[{resource: …, upstream: …, issuers: […]}]");
    }
    root.finish();
    Settings { server, guards, providers }
}

/// The text as an error may show it: what stands behind a key that sounds like a secret is blotted out, byte
/// for byte, so that places still fit. References (`{env: …}`) stay readable.
fn without_secrets(source: &str) -> String {
    const SECRETS: [&str; 5] = ["secret", "password", "token", "key", "credential"];
    let mut shown = String::with_capacity(source.len());
    for line in source.split_inclusive('\n') {
        let mut rest = line;
        while let Some(colon) = rest.find(':') {
            let (name, value) = rest.split_at(colon + 1);
            shown.push_str(name);
            let last_word =
                name.trim_end_matches(':').rsplit(['{', ',', ' ']).next().unwrap_or("").to_ascii_lowercase();
            let is_secret =
                SECRETS.iter().any(|secret| last_word.trim_matches(['"', '\'']).ends_with(secret));
            let is_plain = !value.trim_start().is_empty() && !value.trim_start().starts_with('{');
            rest = value;
            if is_secret && is_plain {
                let end = value.find([',', '}', '\n']).unwrap_or(value.len());
                let (secret, after) = value.split_at(end);
                shown.extend(secret.bytes().map(|b| if b == b' ' { ' ' } else { '*' }));
                rest = after;
            }
        }
        shown.push_str(rest);
    }
    shown
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}
