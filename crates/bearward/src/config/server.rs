//! The `server` section: listeners.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::reader::{Problems, Section, Text};
use super::settings::{ListenAddress, ServerSettings};
use super::tree::{Kind, Node, Place};
use super::values::{Size, Span, allowed_origins, secret, secrets};

const ADDRESS: &str = "write an address such as `127.0.0.1:8080` or `[::1]:8080`";

/// Reads it; every key has a default.
pub(crate) fn read(root: &Section<'_>, problems: &Problems) -> ServerSettings {
    let nothing = Node { kind: Kind::Nothing, at: Place::File { offset: 0, len: 0 } };
    let section = root.section("server").unwrap_or_else(|| Section::new("server", &nothing, problems));
    section.not_yet("tls", "put a TLS terminator in front of it");
    let admin = address(&section, "admin", 9090);
    if let Some(text) = section.text("admin").filter(|_| !admin.ip().is_loopback()) {
        section.warn(
            text.at,
            "the admin listener can be reached from other machines",
            "it shows metrics and health without asking who reads; its API stays for this machine, or for who has `adminToken`",
        );
    }
    let (listen, egress) = (address(&section, "listen", 8080), egress(&section));
    one_address_each(&section, listen, admin, egress.as_ref());
    let settings = ServerSettings {
        listen,
        admin,
        admin_socket: admin_socket(&section, egress.as_ref()),
        admin_token: section.node("adminToken").and_then(|_| secret(&section, "adminToken")),
        egress,
        workers: count(&section, "workers", "threads", 1024),
        public_url: section
            .parsed("publicUrl", "write the URL that callers use, such as `https://mcp.example.com`"),
        allowed_hosts: section
            .texts("allowedHosts")
            .unwrap_or_default()
            .iter()
            .map(|host| host.text.to_owned())
            .collect(),
        allowed_origins: allowed_origins(&section),
        trusted_proxies: trusted_proxies(&section),
        max_header: max_header(&section),
        identity_keys: secrets(&section, "identityKeys"),
        max_connections: count(&section, "maxConnections", "connections", 1_000_000),
        drain: section
            .parsed::<Span>("drain", "write a duration such as `10s`")
            .map_or(Duration::from_secs(10), |span| span.0),
    };
    section.finish();
    settings
}

fn address(section: &Section<'_>, name: &'static str, port: u16) -> SocketAddr {
    section.parsed(name, ADDRESS).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
}

fn admin_socket(section: &Section<'_>, egress: Option<&ListenAddress>) -> Option<PathBuf> {
    let text = section.text("adminSocket")?;
    let path = PathBuf::from(text.text.strip_prefix("unix:").unwrap_or(text.text));
    let help = "write an absolute path such as `/run/bearward/admin.sock`";
    if !path.is_absolute() {
        section.error(text.at, format!("`{}` is no absolute path", text.text), help);
    }
    if egress == Some(&ListenAddress::Unix(path.clone())) {
        let message = "`server.adminSocket` and `server.egress` are the same socket";
        section.error(text.at, message, "give each a path of its own");
    }
    Some(path)
}

/// Two listeners cannot have one address; port 0 is another one each time.
fn one_address_each(
    section: &Section<'_>,
    listen: SocketAddr,
    admin: SocketAddr,
    egress: Option<&ListenAddress>,
) {
    let egress = match egress {
        Some(ListenAddress::Tcp(address)) => Some(*address),
        _ => None,
    };
    let listeners = [("listen", Some(listen)), ("admin", Some(admin)), ("egress", egress)];
    for (index, (name, address)) in listeners.iter().enumerate() {
        let earlier = listeners.iter().take(index).find(|(_, other)| other == address);
        let Some((other, Some(address))) = earlier.filter(|_| address.is_some_and(|a| a.port() != 0)) else {
            continue;
        };
        // One of the two may be a default that stands nowhere.
        let text = section.text(name).or_else(|| section.text(other));
        let message = format!("`server.{name}` and `server.{other}` are both {address}");
        section.error(text.map_or(section.at(), |text| text.at), message, "give each a port of its own");
    }
}

/// A whole number from 1 to `most`.
fn count(section: &Section<'_>, name: &'static str, of_what: &str, most: usize) -> Option<usize> {
    let help = format!("write a number of {of_what} from 1 to {most}, or leave it out");
    let count: usize = section.parsed(name, &help)?;
    if (1..=most).contains(&count) {
        return Some(count);
    }
    let at = section.text(name).map_or(section.at(), |text| text.at);
    section.error(at, format!("`{}` cannot be {count}", section.path_of(name)), help);
    None
}

/// Networks or single addresses.
fn trusted_proxies(section: &Section<'_>) -> Vec<IpNet> {
    let help = "write networks or addresses of proxies, such as `10.0.0.0/8` or `127.0.0.1`";
    let read = |text: Text<'_>| {
        let network = text.text.parse::<IpNet>().or_else(|_| text.text.parse::<IpAddr>().map(IpNet::from));
        if network.is_err() {
            section.error(text.at, format!("`{}` is no network", text.text), help);
        }
        network.ok()
    };
    section.some_texts("trustedProxies", help).unwrap_or_default().into_iter().filter_map(read).collect()
}

fn max_header(section: &Section<'_>) -> usize {
    let help = "write a size from `8KiB` to `1MiB`, or leave it out: then it is 64KiB";
    let Some(Size(size)) = section.parsed("maxHeader", help) else { return 64 * 1024 };
    if !(8 * 1024..=1024 * 1024).contains(&size) {
        let at = section.text("maxHeader").map_or(section.at(), |text| text.at);
        section.error(at, "`server.maxHeader` is out of bounds", help);
    }
    size
}

/// The sidecar lends its tokens to whoever can reach it, so another address than loopback must be asked
/// for in so many words.
fn egress(section: &Section<'_>) -> Option<ListenAddress> {
    let is_open = section.flag("egressOpenToOtherMachines").unwrap_or(false);
    let text = section.text("egress")?;
    let address: ListenAddress =
        section.parse("egress", text, "write `127.0.0.1:8090` or `unix:/run/bearward.sock`")?;
    if let ListenAddress::Tcp(tcp) = &address
        && !tcp.ip().is_loopback()
    {
        let message =
            "the egress listener would lend this machine's tokens to every machine that can reach it";
        let help =
            "listen on 127.0.0.1 or a unix socket; if you mean it, add `egressOpenToOtherMachines: true`";
        if is_open {
            section.warn(text.at, message, "make sure that only the machines you trust reach this port");
        } else {
            section.error(text.at, message, help);
        }
    }
    Some(address)
}
