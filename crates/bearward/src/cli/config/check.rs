//! `bearward config check`.

use std::path::PathBuf;

use bearward_secrets::{SecretError, SecretRef, Secrets};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::output::print;
use crate::config::{ConfigErrors, Environment, Loaded, Problem, Settings, load};

/// Say whether a configuration can be used, and what it means.
///
/// Exits with 0 when it can, with 2 when it cannot. Nothing is started and nothing is sent: secrets in Vault and AWS are
/// listed and not looked at.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bearward config check bearward.yaml\n  \
                        bearward config check bearward.yaml --no-secrets --json")]
pub struct Check {
    /// The configuration file.
    #[arg(value_name = "FILE", default_value = "bearward.yaml")]
    file: PathBuf,
    /// Do not look whether the secrets can be read; for machines that do not have them.
    #[arg(long)]
    no_secrets: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Exit {
        let loaded = match load(&self.file, Environment::of_process()) {
            Ok(loaded) => loaded,
            Err(errors) => return self.refuse(errors),
        };
        let Loaded { settings, warnings, environment } = loaded;
        let (secrets, exposed, remote) = if self.no_secrets {
            (Vec::new(), Vec::new(), Vec::new())
        } else {
            let secrets = Secrets::new(environment.into_inner());
            (unreadable(&settings, &secrets), exposed(&settings), remote(&settings))
        };
        if self.json {
            print(&format!("{}\n", report(&settings, &warnings, &secrets, &exposed, &remote)));
        } else {
            print(&summary(&settings));
            for warning in warnings {
                eprintln!("{:?}", miette::Report::new(warning));
            }
            for warning in &exposed {
                eprintln!("⚠ {warning}");
            }
            for (what, reference) in &remote {
                eprintln!("– the secret for {what} was not looked at, for nothing is sent: {reference}");
            }
            for (what, error) in &secrets {
                eprintln!("✗ the secret for {what} cannot be read: {error}");
            }
            if secrets.is_empty() {
                print(&format!("✓ {} can be used\n", self.file.display()));
            }
        }
        if secrets.is_empty() { Exit::Done } else { Exit::Usage }
    }

    fn refuse(&self, errors: ConfigErrors) -> Exit {
        if self.json {
            let errors: Vec<_> = errors.problems().iter().map(problem).collect();
            print(&format!("{}\n", json!({"ok": false, "errors": errors})));
        } else {
            eprintln!("{:?}", miette::Report::new(errors));
        }
        Exit::Usage
    }
}

/// Secrets of this machine that cannot be read, with what they are for.
fn unreadable(settings: &Settings, secrets: &Secrets) -> Vec<(String, SecretError)> {
    let error = |(what, reference): (String, &SecretRef)| Some((what, secrets.read_local(reference)?.err()?));
    settings.secrets().into_iter().filter_map(error).collect()
}

/// Secrets in stores on the network, with what they are for.
fn remote(settings: &Settings) -> Vec<(String, String)> {
    let remote = settings.secrets().into_iter().filter(|(_, reference)| reference.is_remote());
    remote.map(|(what, reference)| (what, reference.to_string())).collect()
}

/// Secrets that more people can read than need to.
pub(in crate::cli) fn exposed(settings: &Settings) -> Vec<String> {
    let exposed = settings.secrets().into_iter().filter(|(_, reference)| reference.is_readable_by_all());
    let say = |(what, reference): (String, &SecretRef)| {
        format!("every user of this machine can read the secret for {what}, {reference}: `chmod o-r` it")
    };
    exposed.map(say).collect()
}

fn summary(settings: &Settings) -> String {
    let mut text = format!("listens on {}, admin on {}\n", settings.server.listen, settings.server.admin);
    for guard in &settings.guards {
        text += &format!("guards {} in front of {}\n", guard.resource, guard.upstream.origin());
        for issuer in &guard.issuers {
            text +=
                &format!("  opens to {} for {}\n", issuer.issuer, issuer.expectations.audiences.join(" or "));
        }
        if let Some(provider) = &guard.provider {
            text += &format!("  attaches the token of provider {provider}\n");
        }
    }
    if let Some(broker) = &settings.broker {
        text += &format!(
            "signs users in at {} for the application at {}\n",
            broker.issuer(),
            broker.public_origin
        );
    }
    for provider in &settings.providers {
        let of = provider.request().map(|request| format!(" of {}", request.authority)).unwrap_or_default();
        text += &format!(
            "supplies {} with tokens{of} by {}{}\n",
            provider.name,
            provider.grant.name(),
            provider.url.as_ref().map(|url| format!(" for {url}")).unwrap_or_default()
        );
    }
    text
}

fn report(
    settings: &Settings,
    warnings: &[Problem],
    secrets: &[(String, SecretError)],
    exposed: &[String],
    remote: &[(String, String)],
) -> Value {
    let guards: Vec<_> = settings.guards.iter().map(|guard| guard.resource.as_str()).collect();
    let providers: Vec<_> = settings.providers.iter().map(|provider| provider.name.as_str()).collect();
    let secrets: Vec<_> =
        secrets.iter().map(|(what, e)| json!({"what": what, "error": e.to_string()})).collect();
    let remote: Vec<_> =
        remote.iter().map(|(what, reference)| json!({"what": what, "reference": reference})).collect();
    let exposed = exposed.iter().map(|message| json!({"message": message}));
    let warnings: Vec<_> = warnings.iter().map(problem).chain(exposed).collect();
    json!({
        "ok": secrets.is_empty(), "guards": guards, "providers": providers,
        "broker": settings.broker.as_ref().map(|broker| broker.issuer().as_str()),
        "warnings": warnings, "unreadableSecrets": secrets,
        "secretsNotLookedAt": remote,
    })
}

fn problem(problem: &Problem) -> Value {
    let (line, column) = problem.line_and_column().unzip();
    json!({"message": problem.to_string(), "help": problem.help(), "line": line, "column": column})
}
