//! What the demo prints: the cast, a token, commands to paste, and the events as they happen.

use std::io::{IsTerminal, Write};

use bearward_observe::Event;
use owo_colors::{OwoColorize, Style};

use super::web::{PASSWORD, USER, WebWorld};
use super::world::World;

/// Colours for a terminal, none otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    is_on: bool,
}

impl Paint {
    /// As standard output wants it, and `NO_COLOR` allows.
    pub fn for_stdout(no_color: bool) -> Self {
        Self { is_on: !no_color && std::io::stdout().is_terminal() }
    }

    fn with(self, text: &str, style: Style) -> String {
        if self.is_on { text.style(style).to_string() } else { text.to_owned() }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with(text, Style::new().green().bold())
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with(text, Style::new().red().bold())
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.with(text, Style::new().bold())
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.with(text, Style::new().dimmed())
    }
}

/// Tells what runs, and what to try.
///
/// # Errors
/// When nobody reads any more.
pub fn introduce(out: &mut impl Write, world: &World, paint: Paint) -> std::io::Result<()> {
    let metadata = world.resource.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
    let token = world.token();
    writeln!(out, "\n{}  one process, loopback only, nothing to configure\n", paint.strong("Bearward demo"))?;
    let cast = [
        ("guarded MCP server", world.resource.clone()),
        ("the server behind it", world.mcp.url()),
        ("the API behind that", world.notes.url()),
        ("authorization server", world.authorization_server.issuer()),
        ("metrics and health", format!("{}/metrics  /readyz", world.admin)),
    ];
    for (role, url) in cast {
        writeln!(out, "  {role:<22}{url}")?;
    }
    writeln!(out, "\n{}", paint.strong("A token that opens it, for one hour:"))?;
    writeln!(out, "\nTOKEN={token}\n")?;
    writeln!(out, "{}\n", paint.strong("Three commands to paste:"))?;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{"title":"hello"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"curl","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let resource = &world.resource;
    for (what, command) in [
        ("1. where a client learns whose tokens open it", format!("curl -s {metadata}")),
        (
            "2. refused: no token, and a challenge that says where to get one",
            format!("curl -si -X POST {resource}"),
        ),
        (
            "3. accepted: the note reaches the API with a token of Bearward's own",
            format!(
                "curl -s {resource} -H \"Authorization: Bearer $TOKEN\" \\\n     -H 'Content-Type: application/json' \
                 -H 'Accept: application/json, text/event-stream' \\\n     -H 'MCP-Protocol-Version: 2026-07-28' \
                 -H 'Mcp-Method: tools/call' -H 'Mcp-Name: add_note' \\\n     -d '{body}'"
            ),
        ),
    ] {
        writeln!(out, "  {}\n  {command}\n", paint.faint(&format!("# {what}")))?;
    }
    writeln!(out, "{}", paint.faint("Events as they happen (Ctrl-C ends the demo):"))
}

/// The same for the web application.
///
/// # Errors
/// When nobody reads any more.
pub fn introduce_web(out: &mut impl Write, world: &WebWorld, paint: Paint) -> std::io::Result<()> {
    writeln!(out, "\n{}  one process, loopback only, nothing to configure\n", paint.strong("Bearward demo"))?;
    let cast = [
        ("the application", world.application.clone()),
        ("its users sign in at", world.issuer.issuer()),
        ("behind a guard", format!("{}  {}", world.calendar.url(), world.documents.url())),
        ("of somebody else", world.partner.url()),
        ("metrics and health", format!("{}/metrics  /readyz", world.admin)),
    ];
    for (role, url) in cast {
        writeln!(out, "  {role:<22}{url}")?;
    }
    writeln!(out, "\n{}\n", paint.strong("What Bearward runs on:"))?;
    for text in world.config.lines() {
        writeln!(out, "  {}", paint.faint(text))?;
    }
    let open = format!("Open {} and sign in as {USER}, password {PASSWORD}.", world.application);
    writeln!(out, "\n{}", paint.strong(&open))?;
    writeln!(out, "{}", paint.faint("Events as they happen (Ctrl-C ends the demo):"))
}

/// One event as a line; `None` for those that nobody wants to follow live.
pub fn line(event: &Event, paint: Paint) -> Option<String> {
    Some(match event {
        Event::AuthVerified { subject, cached, took, .. } => {
            let how = if *cached { "remembered" } else { "verified" };
            format!("{} {subject} let in ({how} in {} µs)", paint.good("✓"), took.as_micros())
        }
        Event::AuthRejected { reason, .. } => format!("{} refused: {reason}", paint.bad("✗")),
        Event::HeaderAttached { provider } => {
            format!("{} own token attached for {provider}", paint.good("→"))
        }
        Event::TokenFetched { provider, failure: None, took, lifetime, .. } => {
            let life = lifetime.map_or(0, |l| l.as_secs());
            format!(
                "{} token for {provider} fetched in {} ms, good for {life} s",
                paint.good("⟳"),
                took.as_millis()
            )
        }
        Event::TokenFetched { provider, failure: Some(failure), .. } => {
            format!("{} no token for {provider}: {failure}", paint.bad("⟳"))
        }
        Event::Retry401 { provider } => {
            format!("{} {provider} refused our token; fetching another", paint.bad("↻"))
        }
        Event::RetrySuccess { provider } => format!("{} {provider} took the new token", paint.good("↻")),
        Event::SecretRotated { provider } => format!("{} {provider} took the new secret", paint.good("↻")),
        Event::QuotaSeen { provider, limit, left, is_low_now: true, .. } => {
            format!("{} {provider}: {left} requests {limit} are left", paint.bad("⟳"))
        }
        Event::BrokerExchanged { provider, failure: None } => {
            format!("{} token for {provider} from the session", paint.good("⟳"))
        }
        Event::BrokerRefreshed { provider, failure: None } => {
            format!("{} another token for {provider} from the session", paint.good("⟳"))
        }
        Event::BrokerExchanged { provider, failure: Some(failure) }
        | Event::BrokerRefreshed { provider, failure: Some(failure) } => {
            format!("{} the session gives no token for {provider}: {failure}", paint.bad("⟳"))
        }
        Event::GuardDenied { provider, reason } => {
            format!("{} {provider} does not get the login's token: {reason}", paint.bad("✗"))
        }
        Event::AuthAccepted { .. }
        | Event::TokenStoreHit { .. }
        | Event::FlightJoined { .. }
        | Event::QuotaSeen { .. }
        | Event::Proxied { .. } => return None,
    })
}
