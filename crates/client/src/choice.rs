//! Who decides whether the application's login is reused, and how: seven levels, each of which may say nothing.

use std::fmt;

use crate::mode::{Mode, UnknownMode};

/// The variable that switches reuse on or off for a whole process.
pub const REUSE_VARIABLE: &str = "MCP_REUSE_AUTHORIZER";
/// The variable that sets its mode.
pub const MODE_VARIABLE: &str = "MCP_REUSE_AUTHORIZER_MODE";

/// What one level says; nothing, where it leaves the word to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choice {
    /// Whether the login is reused.
    pub reuse: Option<bool>,
    /// How.
    pub mode: Option<Mode>,
}

/// Who decides, the most particular first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The request itself.
    Context,
    /// The client that sends it.
    Client,
    /// The program's command line.
    Cli,
    /// Its environment.
    Env,
    /// The provider's part of the configuration.
    Provider,
    /// The configuration's defaults.
    Global,
    /// Nobody: reuse is off, and its mode is bearer first.
    BuiltIn,
}

/// A value, and who decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided<T> {
    /// The value.
    pub value: T,
    /// The highest level that said anything.
    pub level: Level,
}

/// What each level says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "each field is the level of its name")]
pub struct Levels {
    pub context: Choice,
    pub client: Choice,
    pub cli: Choice,
    pub env: Choice,
    pub provider: Choice,
    pub global: Choice,
}

impl Level {
    /// All of them, the one that is heard first in front.
    pub const ALL: [Self; 7] =
        [Self::Context, Self::Client, Self::Cli, Self::Env, Self::Provider, Self::Global, Self::BuiltIn];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Client => "client",
            Self::Cli => "CLI",
            Self::Env => "env",
            Self::Provider => "provider",
            Self::Global => "global",
            Self::BuiltIn => "built-in",
        }
    }
}

impl Levels {
    /// Whether the login is reused; built in: it is not.
    pub fn reuse(&self) -> Decided<bool> {
        self.decide(|choice| choice.reuse, false)
    }

    /// How; built in: bearer first.
    pub fn mode(&self) -> Decided<Mode> {
        self.decide(|choice| choice.mode, Mode::default())
    }

    fn decide<T>(&self, said: impl Fn(&Choice) -> Option<T>, built_in: T) -> Decided<T> {
        let levels = [
            (&self.context, Level::Context),
            (&self.client, Level::Client),
            (&self.cli, Level::Cli),
            (&self.env, Level::Env),
            (&self.provider, Level::Provider),
            (&self.global, Level::Global),
        ];
        let decided =
            levels.into_iter().find_map(|(choice, level)| Some(Decided { value: said(choice)?, level }));
        decided.unwrap_or(Decided { value: built_in, level: Level::BuiltIn })
    }
}

impl Choice {
    /// What a process's environment says; `variable` looks a name up.
    ///
    /// # Errors
    /// For anything but `true`, `false`, `1` and `0`, and the two modes, in any case: a switch that is misspelt, or set to
    /// nothing, must not silently become the default.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let set = |name: &'static str| Some((name, variable(name)?));
        let reuse = set(REUSE_VARIABLE).map(|(name, text)| match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(BadVariable { name, text, help: "`true` or `false`" }),
        });
        let mode = set(MODE_VARIABLE).map(|(name, text)| {
            text.parse().map_err(|UnknownMode(text)| BadVariable {
                name,
                text,
                help: "`bearer_first` or `cookie_first`",
            })
        });
        Ok(Self { reuse: reuse.transpose()?, mode: mode.transpose()? })
    }

    /// What this says, and where it says nothing, the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { reuse: self.reuse.or(other.reuse), mode: self.mode.or(other.mode) }
    }
}

/// A variable that says something nobody can obey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable `{name}` is `{text}`: write {help}, or unset it")]
pub struct BadVariable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub text: String,
    /// What it may say.
    pub help: &'static str,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
