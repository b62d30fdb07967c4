//! References to secrets: `{env: NAME}`, `{file: /path}`, `{vault: kv/path, field: …}`, `{aws: name}`.

use bearward_secrets::{AwsRef, SecretRef, VaultRef};

use super::reader::{Section, Text};
use super::tree::{Kind, Node};

const HELP: &str = "write `{env: NAME}`, `{file: /path}`, `{vault: kv/path, field: name}` or `{aws: name}`, and put the \
                    secret there";
/// A reference has one of these, and what belongs to it.
const PLACES: [&str; 4] = ["env", "file", "vault", "aws"];
const MEMBERS: [&str; 7] = ["env", "file", "vault", "mount", "field", "aws", "stage"];

/// A member that must be a reference to a secret.
pub(crate) fn secret(section: &Section<'_>, name: &'static str) -> Option<SecretRef> {
    let Some(node) = section.node(name) else {
        section.missing(name, "{env: NAME}");
        return None;
    };
    secret_at(section, name, node)
}

/// The same for what opens a store of secrets, and so cannot be in one.
pub(crate) fn local_secret(section: &Section<'_>, name: &'static str) -> Option<SecretRef> {
    let reference = secret(section, name)?;
    if !reference.is_remote() {
        return Some(reference);
    }
    let at = section.node(name).map_or(section.at(), |node| &node.at);
    let message = format!("`{}` opens a store of secrets and cannot be in one", section.path_of(name));
    section.error(at, message, "write `{env: NAME}` or `{file: /path}`");
    None
}

/// A member that is a list of references to secrets; absent is empty.
pub(crate) fn secrets(section: &Section<'_>, name: &'static str) -> Vec<SecretRef> {
    let Some(node) = section.node(name) else { return Vec::new() };
    match &node.kind {
        Kind::List(items) => {
            let read = |(at, item)| secret_at(section, &format!("{name}[{at}]"), item);
            items.iter().enumerate().filter_map(read).collect()
        }
        _ => secret_at(section, name, node).into_iter().collect(),
    }
}

fn secret_at(section: &Section<'_>, name: &str, node: &Node) -> Option<SecretRef> {
    if matches!(node.kind, Kind::Scalar(_) | Kind::List(_)) {
        // The value is not repeated: it may be the secret itself.
        let message = format!("`{}` must be a reference, not the secret itself", section.path_of(name));
        section.error(&node.at, message, HELP);
        return None;
    }
    let reference = section.below(name, node);
    if !reference.has_only(&MEMBERS) {
        // Nor are its members named: one may be the secret.
        let message = format!("`{}` must be a reference", section.path_of(name));
        section.error(&node.at, message, HELP);
        return None;
    }
    let mut places = PLACES.into_iter().filter(|place| reference.has(place));
    let (Some(place), None) = (places.next(), places.next()) else {
        let message = format!("`{}` must name exactly one place", section.path_of(name));
        section.error(&node.at, message, HELP);
        return None;
    };
    let text = reference.text(place);
    let Some(text) = text.filter(|text| !text.text.trim().is_empty()) else {
        section.error(&node.at, format!("`{}` names nothing", section.path_of(name)), HELP);
        return None;
    };
    let found = match place {
        "env" => Some(SecretRef::Env(text.text.into())),
        "file" => Some(SecretRef::File(text.text.into())),
        "vault" => {
            section.is_in_vault(text.at, name);
            in_vault(&reference, text)
        }
        _ => Some(in_aws(&reference, text)),
    };
    reference.finish();
    found
}

/// The first level is the mount, unless `mount` says that the whole path lies below another.
fn in_vault(reference: &Section<'_>, path: Text<'_>) -> Option<SecretRef> {
    let help = "write the mount of the KV engine and the path, as `vault kv get` takes them: `kv/notes/client`; where \
                the mount has several levels write it as `mount: team/kv`";
    let field = reference.required_text("field", "client_secret");
    let (mount, below) = match reference.text("mount") {
        Some(mount) => (mount.text, path.text),
        None => path.text.split_once('/').unwrap_or((path.text, "")),
    };
    if below.starts_with("data/") {
        let message = "`data/` is a part of the API's path, and is added by itself";
        reference.warn(path.at, message, "leave it out, unless the secret's own path begins so");
    }
    match VaultRef::new(mount.trim_matches('/'), below, field?.text) {
        Ok(place) => Some(SecretRef::Vault(place)),
        Err(_) => {
            reference.error(path.at, format!("`{}` is no path in Vault", path.text), help);
            None
        }
    }
}

fn in_aws(reference: &Section<'_>, id: Text<'_>) -> SecretRef {
    let text = |name, example| reference.some_text(name, example).map(|text| text.text.into());
    let (field, stage) = (text("field", "client_secret"), text("stage", "AWSCURRENT"));
    SecretRef::Aws(AwsRef { id: id.text.into(), field, stage })
}
