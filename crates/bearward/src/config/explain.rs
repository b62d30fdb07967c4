//! What holds for a provider, and who decided each part of it.

use std::fmt::Display;

use bearward_client::Level;
use bearward_client::choice::{MODE_VARIABLE, REUSE_VARIABLE};

use super::blot::sounds_secret;
use super::reader::Section;
use super::settings::{GrantSettings, ProviderSettings, SessionSettings, Setting};
use super::tree::{Kind, Node, Place, is_same_name};

/// Where a provider stands, and what stands around it.
pub(crate) struct Where<'a> {
    /// The whole configuration.
    pub(crate) root: &'a Section<'a>,
    /// The provider.
    pub(crate) section: &'a Section<'a>,
    /// Its `auth`.
    pub(crate) auth: &'a Section<'a>,
    /// Says where something stands.
    pub(crate) places: &'a dyn Fn(&Place) -> String,
}

/// Every setting of one provider.
pub(crate) fn explain(provider: &ProviderSettings, place: &Where<'_>) -> Vec<Setting> {
    let mut table = Table { place, settings: Vec::new() };
    table.of_provider(place.section, "url", said(provider.url.as_ref()));
    if !place.auth.node("grant").is_some_and(|grant| matches!(grant.kind, Kind::Map(_))) {
        table.of_provider(place.auth, "grant", provider.grant.name().to_owned());
    }
    match &provider.grant {
        GrantSettings::Session(session) => table.session(session),
        _ => table.reach(provider),
    }
    table.keeping("minTTL", "access", duration(provider.min_ttl.access));
    table.keeping("minTTL", "id", duration(provider.min_ttl.id));
    table.keeping("storage", "access", provider.storage.access.to_string());
    table.keeping("storage", "id", provider.storage.id.to_string());
    table.keeping("storage", "refresh", provider.storage.refresh.to_string());
    if provider.grant.has_shared() {
        table.of_provider(place.auth, "prefetch", provider.prefetch.to_string());
        table.of_provider(place.auth, "handOut", provider.hands_out.to_string());
    }
    table.rest();
    table.settings
}

struct Table<'a> {
    place: &'a Where<'a>,
    settings: Vec<Setting>,
}

impl<'a> Table<'a> {
    /// What a provider says itself, or nobody.
    fn of_provider(&mut self, section: &Section<'_>, name: &'static str, value: String) {
        let node = section.node(name);
        let level = if node.is_some() { Level::Provider } else { Level::BuiltIn };
        self.add(name.to_owned(), value, level, node.map(|node| &node.at));
    }

    fn session(&mut self, session: &SessionSettings) {
        let auth = self.place.auth;
        match auth.node("authority") {
            Some(_) => self.of_provider(auth, "authority", session.authority.to_string()),
            None => self.of_broker("authority", "issuer", session.authority.to_string()),
        }
        self.of_provider(auth, "audience", said(session.audience.as_ref()));
        self.of_provider(auth, "resource", said(session.resource.as_ref()));
        self.of_provider(auth, "scopes", said(Some(&session.scopes)));
        let origins: Vec<_> = session.origins.iter().map(ToString::to_string).collect();
        match auth.node("origins") {
            None if !origins.is_empty() => {
                let at = self.place.section.node("url").map(|node| &node.at);
                self.add("origins".to_owned(), origins.join(", "), Level::Provider, at);
            }
            _ => self.of_provider(auth, "origins", list(&origins, "nowhere")),
        }
        self.of_provider(auth, "audiences", list(&session.audiences, "any"));
        self.of_provider(auth, "allowInsecure", session.allow_insecure.to_string());
        self.of_provider(auth, "via", session.via.as_str().to_owned());
        let (reuse, mode) = (session.levels.reuse(), session.levels.mode());
        self.decided("reuseAuthorizer", ["--mcp-reuse-authorizer", REUSE_VARIABLE], reuse.value, reuse.level);
        self.decided(
            "reuseAuthorizerMode",
            ["--mcp-reuse-authorizer-mode", MODE_VARIABLE],
            mode.value,
            mode.level,
        );
    }

    /// One of the two that seven levels may decide.
    fn decided(
        &mut self,
        name: &'static str,
        [flag, variable]: [&str; 2],
        value: impl Display,
        level: Level,
    ) {
        let [flag, variable] = [flag, variable].map(|name| Place::Env(name.to_owned()));
        let global = self.defaults("mcp").and_then(|mcp| mcp.node(name));
        let at = match level {
            Level::Cli => Some(&flag),
            Level::Env => Some(&variable),
            Level::Provider => self.place.auth.node(name).map(|node| &node.at),
            Level::Global => global.map(|node| &node.at),
            _ => None,
        };
        self.add(name.to_owned(), value.to_string(), level, at);
    }

    /// What a provider takes over from the broker.
    fn of_broker(&mut self, name: &'static str, key: &'static str, value: String) {
        let broker = self.place.root.section("broker");
        let node = broker.as_ref().and_then(|broker| broker.node(key));
        self.add(name.to_owned(), value, Level::Global, node.map(|node| &node.at));
    }

    /// Where its own tokens come from, for the other grants.
    fn reach(&mut self, provider: &ProviderSettings) {
        let auth = self.place.auth;
        if let Some(request) = provider.request() {
            self.of_provider(auth, "authority", request.authority.to_string());
            self.of_provider(
                auth,
                "tokenEndpoint",
                request.token_endpoint.as_ref().map_or("discovered".into(), ToString::to_string),
            );
            self.of_provider(auth, "clientId", request.client.id.clone());
            self.of_provider(auth, "clientAuth", request.client.auth.name().to_owned());
            self.of_provider(auth, "audience", said(request.audience.as_ref()));
            self.of_provider(auth, "resource", said(request.resource.as_ref()));
            self.of_provider(auth, "scopes", said(Some(&request.scopes)));
        }
        self.of_provider(auth, "allowInsecure", auth.flag("allowInsecure").unwrap_or(false).to_string());
    }

    /// `minTTL` and `storage`: under the provider's `auth`, under `default.mcp`, or directly under `default`.
    fn keeping(&mut self, of: &'static str, part: &'static str, value: String) {
        let of_provider = self.place.auth.section(of);
        let (mcp, above) = (self.defaults("mcp"), self.place.root.section("default"));
        let (mcp, above) = (mcp.and_then(|mcp| mcp.section(of)), above.and_then(|above| above.section(of)));
        let places = [(&of_provider, Level::Provider), (&mcp, Level::Global), (&above, Level::Global)];
        let said = |(section, level): (&Option<Section<'_>>, Level)| {
            Some((section.as_ref()?.node(part)?.at.clone(), level))
        };
        let decided = places.into_iter().find_map(said);
        let (at, level) = decided.map_or((None, Level::BuiltIn), |(at, level)| (Some(at), level));
        self.add(format!("{of}.{part}"), value, level, at.as_ref());
    }

    fn defaults(&self, below: &'static str) -> Option<Section<'a>> {
        self.place.root.section("default")?.section(below)
    }

    /// What else it says, as it says it. Secrets stand there by reference; what only sounds like one is not shown.
    fn rest(&mut self) {
        for (prefix, section) in [("", self.place.auth), ("tenantHeaders", self.place.section)] {
            let members = match prefix {
                "" => section.all(),
                name => section.section(name).map(|below| below.all()).unwrap_or_default(),
            };
            for (key, node) in members {
                let name =
                    if prefix.is_empty() { key.text.to_owned() } else { format!("{prefix}.{}", key.text) };
                self.rest_below(name, node);
            }
        }
    }

    fn rest_below(&mut self, name: String, node: &Node) {
        if self.settings.iter().any(|setting| is_same_name(&setting.name, &name)) {
            return;
        }
        match &node.kind {
            Kind::Nothing => {}
            Kind::Scalar(text) => {
                let shown = if may_be_secret(&name) { "(set)" } else { text };
                self.add(name, shown.to_owned(), Level::Provider, Some(&node.at));
            }
            Kind::List(items) => {
                let texts = items.iter().filter_map(|item| match &item.kind {
                    Kind::Scalar(text) => Some(text.clone()),
                    _ => None,
                });
                self.add(name, texts.collect::<Vec<_>>().join(", "), Level::Provider, Some(&node.at));
            }
            Kind::Map(members) => {
                for (key, value) in members {
                    self.rest_below(format!("{name}.{}", key.name), value);
                }
            }
        }
    }

    fn add(&mut self, name: String, value: String, level: Level, at: Option<&Place>) {
        let at = at.map(|at| (self.place.places)(at));
        self.settings.push(Setting { name, value, level, at });
    }
}

/// The last part of a name decides, unless it only says where a secret is.
fn may_be_secret(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(sounds_secret)
}

fn said(value: Option<&impl Display>) -> String {
    value.map(ToString::to_string).filter(|text| !text.is_empty()).unwrap_or_else(|| "–".to_owned())
}

fn list(items: &[String], nothing: &str) -> String {
    if items.is_empty() { nothing.to_owned() } else { items.join(", ") }
}

/// As the configuration writes it.
fn duration(duration: std::time::Duration) -> String {
    match duration.as_secs() {
        0 => "–".to_owned(),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
