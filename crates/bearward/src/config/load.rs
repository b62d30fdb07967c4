//! From a file to settings: reads, overrides, judges the whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bearward_client::choice::{MODE_VARIABLE, REUSE_VARIABLE};
use bearward_client::{Choice, Levels};

use super::blot::without_secrets;
use super::defaults::Defaults;
use super::problem::{ConfigErrors, Problem};
use super::reader::{Problems, Section};
use super::settings::Settings;
use super::tree::{Node, Place, place_in, scalars};
use super::{
    as_written, audit, broker, from_environment, guards, overrides, providers, reuse, revocation, server,
    state, stores, together, tree,
};

/// The process's environment, taken once at start, and what its command line says of reuse.
#[derive(Clone, Default)]
pub struct Environment {
    variables: HashMap<String, String>,
    flags: Choice,
}

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
    /// Of this process. What is not UTF-8 is nothing that a configuration could name.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.into_string().ok()?;
            // A switch that cannot be read must not count as one that nobody set.
            let value = match [REUSE_VARIABLE, MODE_VARIABLE].contains(&name.as_str()) {
                true => value.to_string_lossy().into_owned(),
                false => value.into_string().ok()?,
            };
            Some((name, value))
        };
        Self::new(std::env::vars_os().filter_map(text))
    }

    /// Of these variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), flags: Choice::default() }
    }

    /// With what the command line says of reuse, which beats the variables.
    #[must_use]
    pub fn with_flags(self, flags: Choice) -> Self {
        Self { flags, ..self }
    }

    /// All variables.
    pub fn into_inner(self) -> HashMap<String, String> {
        self.variables
    }

    /// What `.env` beside the configuration adds; what is set already wins.
    fn with_dotenv(mut self, folder: &Path) -> Result<Self, String> {
        let path = folder.join(".env");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        if let Some(line) = text.lines().position(is_substituted) {
            // A secret with a `$` in it would silently become another one.
            return Err(format!(
                "line {} of {} has a `$` that would be replaced: put the value in single quotes",
                line + 1,
                path.display()
            ));
        }
        for entry in dotenvy::from_read_iter(text.as_bytes()) {
            // The line is not shown: it may hold a secret.
            let (name, value) =
                entry.map_err(|_| format!("{}: a line is not `NAME=value`", path.display()))?;
            self.variables.entry(name).or_insert(value);
        }
        Ok(self)
    }
}

/// True for a line of `.env` with a `$` that is neither escaped nor in single quotes.
fn is_substituted(line: &str) -> bool {
    let Some((_, value)) = line.split_once('=').filter(|_| !line.trim_start().starts_with('#')) else {
        return false;
    };
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in value.chars() {
        match c {
            '$' if !is_quoted && !is_escaped => return true,
            '\'' => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    false
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.variables.len())
    }
}

/// Reads a configuration file, the `.env` beside it, and overrides. Relative paths in it start from its
/// own folder.
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
    let mut loaded = parse(&name, &source, environment)?;
    loaded.settings = loaded.settings.with_files_in(&folder);
    Ok(loaded)
}

/// Reads the configuration that stands in the environment alone, with the `.env` of the folder one stands in.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load_environment(environment: Environment) -> Result<Loaded, ConfigErrors> {
    let name = "the environment";
    let environment = environment.with_dotenv(Path::new("")).map_err(|message| {
        let at = Place::Env(".env".into());
        ConfigErrors::new(name, vec![Problem::error(&at, message, "", "mend or remove it")])
    })?;
    parse(name, "", environment)
}

/// Reads a configuration's text. `name` is what its errors call it.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(name: &str, source: &str, environment: Environment) -> Result<Loaded, ConfigErrors> {
    let mut tree = tree::parse(source).map_err(|error| {
        let shown = without_secrets(source, None);
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
    let shown = without_secrets(source, Some(&tree));
    let problems = Problems::default();
    as_written::gather(&mut tree, &problems);
    let variables: Vec<_> =
        environment.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let is_described = from_environment::apply(&mut tree, &variables, &problems);
    overrides::apply(&mut tree, &variables, &problems);
    not_interpolated(&tree, &problems);
    let above = Levels {
        cli: environment.flags,
        env: reuse::of_environment(&variables, &problems),
        ..Levels::default()
    };
    let root = Section::new("", &tree, &problems);
    let settings = read(&root, &problems, is_described, above, &|place| place.in_words(source));
    if !problems.has_errors() {
        together::check(&root, &settings);
    }
    let mut found = problems.into_inner();
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    let found = found.into_iter().map(|problem| problem.in_file(name, &shown));
    let (warnings, errors): (Vec<_>, Vec<_>) = found.partition(Problem::is_warning);
    match errors.is_empty() {
        true => Ok(Loaded { settings, warnings, environment }),
        false => Err(ConfigErrors::new(name, errors)),
    }
}

/// `is_described`: there is a guard in the environment, or what is wrong with it has been said.
fn read(
    root: &Section<'_>,
    problems: &Problems,
    is_described: bool,
    above: Levels,
    places: &dyn Fn(&Place) -> String,
) -> Settings {
    root.not_yet("rollout", "every guard and provider is fully on");
    let server = server::read(root, problems);
    let revocation = root.section("revocation").map(|section| revocation::read(&section)).unwrap_or_default();
    let audit = root.section("telemetry").and_then(|telemetry| {
        let audit = audit::read(&telemetry);
        telemetry.finish();
        audit
    });
    let defaults = Defaults::read(root);
    let broker = broker::read(root, &defaults, &server);
    let shared = providers::Shared { defaults, above, broker: broker.as_ref(), places };
    let providers = providers::read(root, &shared);
    let guards = guards::read(root, &providers, &server.allowed_origins);
    let has_guards = root.node("guards").is_some_and(|guards| !guards.is_empty_list());
    // Providers alone are a configuration for programs that call them.
    let is_something = has_guards || is_described || server.egress.is_some() || root.has("broker");
    if !is_something && root.section("mcp").is_none_or(|mcp| !mcp.has("providers")) {
        root.missing(
            "guards",
            "[{resource: …, upstream: …, issuers: […]}]` or `server.egress: 127.0.0.1:8090",
        );
    }
    let state = state::read(root);
    let revocation = revocation.kept_beside(state.as_ref(), broker.is_some());
    let stores = stores::read(root);
    if !root.section("secrets").is_some_and(|secrets| secrets.has("vault")) {
        problems.vault_is_missing();
    }
    root.finish();
    Settings { server, guards, providers, broker, revocation, audit, state, stores }
}

/// `${VAR}` means something elsewhere. Here it would be taken as it stands, to someone's surprise.
fn not_interpolated(tree: &Node, problems: &Problems) {
    scalars(tree, &mut |_, text, at| {
        if matches!(at, Place::File { .. }) && text.contains("${") {
            let message = "`${…}` is not replaced: the value is taken as it stands";
            let help = "set the value by a `BEARWARD_…` variable; for secrets write `{env: NAME}`";
            problems.add(Problem::warning(at, message, "here", help));
        }
    });
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}
