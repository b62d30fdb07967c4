//! A whole guard out of the environment, for a server that is configured by variables alone.
//!
//! | variable | what it says |
//! | --- | --- |
//! | `BASE_URL` | where callers reach this server, such as `https://mcp.example.com` |
//! | `MCP_BEARER_UPSTREAM_URL` | the MCP server behind |
//! | `MCP_BEARER_ISSUER` | whose tokens open it; or, for Clerk, `CLERK_PUBLISHABLE_KEY` |
//! | `MCP_BEARER_RESOURCE_URL` | the resource; default `BASE_URL` with `/mcp` behind |
//! | `MCP_BEARER_AUDIENCE` | what tokens must be for; default `BASE_URL` with `/mcp` behind, else the resource |
//! | `MCP_BEARER_PRESET` | `clerk`, `auth0`, `keycloak`, `entra`, `okta` or `oidc`, the default |
//! | `MCP_BEARER_TEMPLATE_NAME` | Clerk's JWT template that issues them |
//! | `MCP_BEARER_ALLOWED_USER_IDS` | the users that may come in, with commas between; default all |
//! | `MCP_BEARER_REALM`, `MCP_BEARER_CACHE_TTL_MS` | as `realm` and `cacheTtl` of a guard |

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::problem::Problem;
use super::reader::Problems;
use super::tree::{Key, Kind, Node, Place};

/// Clerk leaves the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const BASE: &str = "BASE_URL";
const UPSTREAM: &str = "MCP_BEARER_UPSTREAM_URL";
const ISSUER: &str = "MCP_BEARER_ISSUER";
const RESOURCE: &str = "MCP_BEARER_RESOURCE_URL";
const AUDIENCE: &str = "MCP_BEARER_AUDIENCE";
const TEMPLATE: &str = "MCP_BEARER_TEMPLATE_NAME";
const USERS: &str = "MCP_BEARER_ALLOWED_USER_IDS";
const REALM: &str = "MCP_BEARER_REALM";
const CACHE_TTL: &str = "MCP_BEARER_CACHE_TTL_MS";
const PRESET: &str = "MCP_BEARER_PRESET";
const CLERK: &str = "CLERK_PUBLISHABLE_KEY";

/// Those that mean a guard when they are set; `BASE_URL` may be there for others.
const OWN: [&str; 9] = [UPSTREAM, ISSUER, RESOURCE, AUDIENCE, PRESET, TEMPLATE, USERS, REALM, CACHE_TTL];

/// Those that keep somebody out: one that is not heeded lets them in.
const RESTRICTING: [&str; 3] = [AUDIENCE, TEMPLATE, USERS];

/// Adds the guard that the variables describe, unless the file has guards of its own; whether they describe one.
pub(crate) fn apply(tree: &mut Node, variables: &[(String, String)], problems: &Problems) -> bool {
    let environment = Variables(variables);
    let set: Vec<_> = OWN.into_iter().filter(|name| environment.get(name).is_some()).collect();
    if set.is_empty() {
        return false;
    }
    if matches!(tree.kind, Kind::Nothing) {
        tree.kind = Kind::Map(Vec::new());
    }
    let Kind::Map(members) = &mut tree.kind else { return false };
    if members.iter().any(|(key, _)| key.name == "guards") {
        for name in set {
            let at = Place::Env(name.into());
            let message =
                format!("environment variable `{name}` is not used: the file has guards of its own");
            let help = "remove the variable, or `guards` from the file";
            problems.add(match RESTRICTING.contains(&name) {
                true => Problem::error(&at, message, "", help),
                false => Problem::warning(&at, message, "", help),
            });
        }
        return false;
    }
    if environment.is_empty(USERS) {
        let message = format!("environment variable `{USERS}` is set and empty: every user may come in");
        let help = "name the users with commas between, or remove the variable";
        problems.add(Problem::warning(&Place::Env(USERS.into()), message, "", help));
    }
    if let Some(guard) = guard(&environment, problems) {
        let at = Place::Env(UPSTREAM.into());
        let guards = Node { kind: Kind::List(vec![guard]), at: at.clone() };
        members.push((Key { name: "guards".into(), at }, guards));
    }
    true
}

struct Variables<'a>(&'a [(String, String)]);

impl<'a> Variables<'a> {
    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    fn is_empty(&self, name: &str) -> bool {
        self.0.iter().any(|(known, value)| known == name && value.trim().is_empty())
    }
}

fn guard(environment: &Variables<'_>, problems: &Problems) -> Option<Node> {
    let missing = |name: &str, example: &str| {
        let message =
            format!("environment variable `{name}` is missing: the guard that the others describe needs it");
        problems.add(Problem::error(
            &Place::Env(name.into()),
            message,
            "",
            format!("set it, such as `{example}`"),
        ));
    };
    let base = environment.get(BASE).map(|base| format!("{}/mcp", base.trim_end_matches('/')));
    let base = base.map(|text| (BASE, text));
    let resource = environment.get(RESOURCE).map(|text| (RESOURCE, text.to_owned())).or(base.clone());
    let upstream = environment.get(UPSTREAM);
    let issuer = issuer(environment, problems);
    if resource.is_none() {
        missing(BASE, "https://mcp.example.com");
    }
    if upstream.is_none() {
        missing(UPSTREAM, "http://127.0.0.1:3000/mcp");
    }
    if issuer.is_none() && environment.get(CLERK).is_none() {
        missing(ISSUER, "https://clerk.example.com");
    }
    let (resource, upstream, (issuer_from, issuer)) = (resource?, upstream?, issuer?);
    let is_clerk = issuer_from == CLERK || environment.get(TEMPLATE).is_some();
    let preset =
        environment.get(PRESET).map(|name| (PRESET, name)).or(is_clerk.then_some((TEMPLATE, "clerk")));
    let audience = environment.get(AUDIENCE).map(|text| (AUDIENCE, text.to_owned())).or(base);
    let entry = map(vec![
        Some(("issuer", text(issuer_from, &issuer))),
        preset.map(|(from, name)| ("preset", text(from, name))),
        audience.map(|(from, audience)| ("audience", text(from, &audience))),
        environment.get(TEMPLATE).map(|name| ("template", text(TEMPLATE, name))),
        environment.get(USERS).map(|users| ("allowedSubjects", text(USERS, users))),
    ]);
    Some(map(vec![
        Some(("resource", text(resource.0, &resource.1))),
        Some(("upstream", map(vec![Some(("url", text(UPSTREAM, upstream)))]))),
        environment.get(REALM).map(|realm| ("realm", text(REALM, realm))),
        environment.get(CACHE_TTL).map(|ttl| ("cacheTtl", text(CACHE_TTL, &format!("{ttl}ms")))),
        Some(("issuers", Node { kind: Kind::List(vec![entry]), at: Place::Env(issuer_from.into()) })),
    ]))
}

/// The issuer as it is named, or as Clerk's publishable key names it: base64 of its host and a `$`.
fn issuer(environment: &Variables<'_>, problems: &Problems) -> Option<(&'static str, String)> {
    if let Some(issuer) = environment.get(ISSUER) {
        return Some((ISSUER, issuer.to_owned()));
    }
    let key = environment.get(CLERK)?;
    let encoded = key.strip_prefix("pk_test_").or_else(|| key.strip_prefix("pk_live_"));
    let host =
        encoded.and_then(|encoded| BASE64.decode(encoded).ok()).and_then(|host| String::from_utf8(host).ok());
    let host =
        host.and_then(|host| host.strip_suffix('$').map(str::to_owned)).filter(|host| !host.is_empty());
    if host.is_none() {
        let message = format!("environment variable `{CLERK}` is no publishable key of Clerk");
        let help = format!("write it as the dashboard shows it, beginning with `pk_`, or set `{ISSUER}`");
        problems.add(Problem::error(&Place::Env(CLERK.into()), message, "", help));
    }
    host.map(|host| (CLERK, format!("https://{host}")))
}

fn text(from: &str, value: &str) -> Node {
    Node { kind: Kind::Scalar(value.to_owned()), at: Place::Env(from.into()) }
}

fn map(members: Vec<Option<(&str, Node)>>) -> Node {
    let at = Place::Env(UPSTREAM.into());
    let key = |name: &str, node: &Node| Key { name: name.to_owned(), at: node.at.clone() };
    let members = members.into_iter().flatten().map(|(name, node)| (key(name, &node), node)).collect();
    Node { kind: Kind::Map(members), at }
}
