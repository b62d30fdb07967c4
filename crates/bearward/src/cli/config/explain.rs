//! `bearward config explain`.

use std::path::PathBuf;

use bearward_client::Level;
use bearward_client::flags::ReuseFlags;
use clap::Args;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::loading;
use crate::cli::output::print;
use crate::config::settings::{ProviderSettings, Setting};

/// Show every setting of a provider: what holds, who decided it, and where that stands.
///
/// Levels, the one that is heard first in front: context (a single request), client (the program's own code), CLI, env
/// (`MCP_REUSE_AUTHORIZER`, `MCP_REUSE_AUTHORIZER_MODE`), provider, global (`default`), built-in. A request or a program may
/// decide otherwise than is shown here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bearward config explain --provider tools\n  \
                        MCP_REUSE_AUTHORIZER=false bearward config explain bearward.yaml --provider tools --json")]
pub struct Explain {
    /// The configuration file.
    #[arg(value_name = "FILE", default_value = "bearward.yaml")]
    file: PathBuf,
    /// The provider; all of them when left out.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    #[command(flatten)]
    reuse: ReuseFlags,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self) -> Exit {
        let loaded = match loading::loaded_with(Some(&self.file), self.reuse.choice()) {
            Ok(loaded) => loaded,
            Err(exit) => return exit,
        };
        for warning in loaded.warnings {
            eprintln!("{:?}", miette::Report::new(warning));
        }
        let all = loaded.settings.providers;
        let wanted =
            |provider: &&ProviderSettings| self.provider.as_ref().is_none_or(|name| *name == provider.name);
        let chosen: Vec<_> = all.iter().filter(wanted).collect();
        if let (Some(name), true) = (&self.provider, chosen.is_empty()) {
            let names: Vec<_> = all.iter().map(|provider| provider.name.as_str()).collect();
            eprintln!(
                "there is no provider `{name}` in {}; there are: {}",
                self.file.display(),
                names.join(", ")
            );
            return Exit::Usage;
        }
        if self.json {
            let providers: Vec<_> = chosen
                .iter()
                .map(|provider| json!({"provider": provider.name, "settings": settings(provider)}))
                .collect();
            return print(&format!("{}\n", json!({"providers": providers})));
        }
        print(&chosen.iter().map(|provider| table(provider)).collect::<Vec<_>>().join("\n"))
    }
}

fn settings(provider: &ProviderSettings) -> Vec<serde_json::Value> {
    let told = |Setting { name, value, level, at }: &Setting| json!({"name": name, "value": value, "level": level.as_str(), "at": at});
    provider.explained.iter().map(told).collect()
}

fn table(provider: &ProviderSettings) -> String {
    let rows: Vec<_> = provider
        .explained
        .iter()
        .map(|setting| (setting.name.as_str(), setting.value.as_str(), decided_by(setting)))
        .collect();
    let width =
        |column: fn(&(&str, &str, String)) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let (names, values) = (width(|row| row.0.chars().count()), width(|row| row.1.chars().count()).min(60));
    let line = |(name, value, by): &(&str, &str, String)| format!("  {name:names$}  {value:values$}  {by}\n");
    format!("{}\n{}", provider.name, rows.iter().map(line).collect::<String>())
}

fn decided_by(setting: &Setting) -> String {
    match (&setting.at, setting.level) {
        (Some(at), level) => format!("{level} ({at})"),
        (None, Level::BuiltIn) => "built-in".to_owned(),
        (None, level) => level.to_string(),
    }
}
