//! The section `secrets`: the stores that references to secrets may lead to.

use std::path::PathBuf;
use std::time::Duration;

use bearward_secrets::{AwsSettings, SecretRef, StoreSettings, VaultAuth, VaultSettings};
use bearward_token::Endpoint;

use super::reader::Section;
use super::secret::local_secret;
use super::values::{Span, warn_of_plain_http};

/// Where Kubernetes puts a service account's token.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const USUAL_REFRESH: Duration = Duration::from_secs(30);
const METHODS: [&str; 3] = ["appRole", "kubernetes", "token"];

/// Reads it; without one only AWS is known, by what its own environment says.
pub(crate) fn read(root: &Section<'_>) -> StoreSettings {
    let Some(section) = root.section("secrets") else { return StoreSettings::default() };
    let vault = section.section("vault").and_then(|vault| vault_settings(&vault));
    let aws = section.section("aws").map(|aws| aws_settings(&aws)).unwrap_or_default();
    section.finish();
    StoreSettings { vault, aws }
}

fn vault_settings(section: &Section<'_>) -> Option<VaultSettings> {
    let example = "https://vault.example.com:8200";
    let address =
        section.required_text("address", example).and_then(|_| endpoint(section, "address", "Vault"));
    let namespace = section.some_text("namespace", "team-a").map(|text| text.text.to_owned());
    let ca_certificate =
        section.some_text("caCertificate", "vault-ca.pem").map(|text| PathBuf::from(text.text));
    let refresh = refresh(section);
    let auth = match section.section("auth") {
        Some(auth) => vault_auth(&auth),
        None => {
            section.missing("auth", "{kubernetes: {role: bearward}}");
            None
        }
    };
    section.finish();
    Some(VaultSettings { address: address?, namespace, auth: auth?, ca_certificate, refresh })
}

fn vault_auth(section: &Section<'_>) -> Option<VaultAuth> {
    let mut methods = METHODS.into_iter().filter(|method| section.has(method));
    let (Some(method), None) = (methods.next(), methods.next()) else {
        let help = "write `kubernetes: {role: bearward}`, `appRole: {roleId: …, secretId: {file: …}}` or `token: {file: …}`";
        section.error(section.at(), "`secrets.vault.auth` must name exactly one method", help);
        return None;
    };
    if method == "token" {
        let token = local_secret(section, "token");
        section.finish();
        return token.map(VaultAuth::Token);
    }
    let Some(below) = section.section(method) else {
        section.missing(method, "{…}");
        return None;
    };
    let auth = if method == "appRole" { app_role(&below) } else { kubernetes(&below) };
    below.finish();
    section.finish();
    auth
}

fn app_role(section: &Section<'_>) -> Option<VaultAuth> {
    let mount = mount(section, "approle");
    let role_id = section.required_text("roleId", "db02de05-fa39-4855-059b-67221c5c2f63");
    let secret_id = local_secret(section, "secretId");
    Some(VaultAuth::AppRole { mount: mount?, role_id: role_id?.text.into(), secret_id: secret_id? })
}

fn kubernetes(section: &Section<'_>) -> Option<VaultAuth> {
    let mount = mount(section, "kubernetes");
    let token = section.some_text("tokenFile", SERVICE_ACCOUNT).map_or(SERVICE_ACCOUNT, |text| text.text);
    let role = section.required_text("role", "bearward")?.text.into();
    Some(VaultAuth::Kubernetes { mount: mount?, role, token: SecretRef::File(token.into()) })
}

/// Where a method is mounted below `auth/`.
fn mount(section: &Section<'_>, usual: &str) -> Option<String> {
    let Some(text) = section.some_text("mount", usual) else {
        return Some(usual.into());
    };
    let mount = text.text.trim_matches('/');
    let mount = mount.strip_prefix("auth/").unwrap_or(mount);
    if mount.split('/').any(|level| matches!(level.trim(), "" | "." | "..")) {
        let help = format!("write where the method is mounted below `auth/`, such as `{usual}`");
        section.error(text.at, format!("`{}` is no mount", text.text), help);
        return None;
    }
    Some(mount.into())
}

fn aws_settings(section: &Section<'_>) -> AwsSettings {
    let region = section.some_text("region", "eu-central-1").map(|text| text.text.to_owned());
    let endpoint = endpoint(section, "endpoint", "AWS Secrets Manager");
    let refresh = refresh(section);
    section.finish();
    AwsSettings { region, endpoint, refresh }
}

fn endpoint(section: &Section<'_>, name: &'static str, what: &str) -> Option<Endpoint> {
    let text = section.text(name)?;
    let endpoint: Endpoint = section.parse(name, text, "write an https:// URL")?;
    if endpoint.as_str().contains('?') {
        section.error(text.at, format!("`{}` has a query", section.path_of(name)), "write the address alone");
        return None;
    }
    if endpoint.is_plain_http() {
        warn_of_plain_http(section, text, what);
    }
    Some(endpoint)
}

fn refresh(section: &Section<'_>) -> Duration {
    let help = "write a duration from `1s` to `1h`, or leave it out: then it is 30s";
    let Some(Span(refresh)) = section.parsed("refresh", help) else { return USUAL_REFRESH };
    if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&refresh) {
        let at = section.text("refresh").map_or(section.at(), |text| text.at);
        section.error(at, format!("`{}` is out of bounds", section.path_of("refresh")), help);
    }
    refresh
}
