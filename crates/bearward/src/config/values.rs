//! Values with a notation of their own: durations, sizes, addresses, secret references.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bearward_secrets::SecretRef;

use super::reader::Section;
use super::settings::ListenAddress;
use super::tree::Kind;

/// `30s`, `5m`, `250ms`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// `512KiB`, `4MiB`, or plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration"))?;
        let millis = match unit {
            "ms" => number.checked_mul(1),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        millis.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| format!("`{text}` is not a duration"))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let wrong = || format!("`{text}` is not a size");
        let factor: usize = match unit {
            "" | "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            _ => return Err(wrong()),
        };
        number.parse::<usize>().ok().and_then(|n| n.checked_mul(factor)).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(PathBuf::from(path)))
            } else {
                Err(format!("`{text}` is not an absolute socket path"))
            };
        }
        text.parse::<SocketAddr>().map(Self::Tcp).map_err(|_| format!("`{text}` is not an address"))
    }
}

/// A member that must be a reference to a secret.
pub(crate) fn secret(section: &Section<'_>, name: &'static str) -> Option<SecretRef> {
    const HELP: &str = "write `{env: NAME}` or `{file: /path}`, and put the secret there";
    let Some(node) = section.node(name) else {
        section.missing(name, "{env: NAME}");
        return None;
    };
    if matches!(node.kind, Kind::Scalar(_) | Kind::List(_)) {
        // The value is not repeated: it may be the secret itself.
        let message = format!("`{}` must be a reference, not the secret itself", section.path_of(name));
        section.error(&node.at, message, HELP);
        return None;
    }
    let reference = section.section(name)?;
    for later in ["vault", "aws"] {
        reference.not_yet(later, "secrets come from `env` and `file`");
    }
    let found = match (reference.text("env"), reference.text("file")) {
        (Some(env), None) => Some(SecretRef::Env(env.text.into())),
        (None, Some(file)) => Some(SecretRef::File(file.text.into())),
        _ => {
            let message = format!("`{}` must name exactly one place", section.path_of(name));
            section.error(&node.at, message, HELP);
            None
        }
    };
    reference.finish();
    found
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    (number, unit.trim_start())
}
