//! `telemetry.audit`: where decisions about callers are written down.

use bearward_observe::audit::{Destination, Field};

use super::reader::{Section, did_you_mean};
use super::settings::{AuditSettings, HiddenSettings};
use super::values::{Size, secret};

const PLACE: &str = "write `file: audit.jsonl` or `stdout: true`";
const FIELDS: [(&str, Field); 5] = [
    ("subject", Field::Subject),
    ("client", Field::Client),
    ("tenant", Field::Tenant),
    ("name", Field::Name),
    ("address", Field::Address),
];

/// Reads it; `None`: nothing is written down.
pub(crate) fn read(telemetry: &Section<'_>) -> Option<AuditSettings> {
    let section = telemetry.section("audit")?;
    let destination = destination(&section);
    let hidden = hidden(&section);
    section.finish();
    Some(AuditSettings { destination: destination?, hidden })
}

fn destination(section: &Section<'_>) -> Option<Destination> {
    let rotate_at = rotate_at(section);
    let keep = keep(section);
    match (section.text("file"), section.flag("stdout").unwrap_or(false)) {
        (Some(file), false) => Some(Destination::File { path: file.text.into(), rotate_at, keep }),
        (None, true) => {
            for name in ["rotateAt", "keep"] {
                if let Some(text) = section.text(name) {
                    let message = format!("`{}` is for a file", section.path_of(name));
                    section.error(
                        text.at,
                        message,
                        "remove it, or write `file: …` instead of `stdout: true`",
                    );
                }
            }
            Some(Destination::Stdout)
        }
        _ => {
            section.error(section.at(), "`telemetry.audit` must name exactly one place", PLACE);
            None
        }
    }
}

fn rotate_at(section: &Section<'_>) -> u64 {
    const USUAL: u64 = 100 * 1024 * 1024;
    let help = "write a size of at least `64KiB`, or leave it out: then it is 100MiB";
    let Some(Size(size)) = section.parsed("rotateAt", help) else { return USUAL };
    if size < 64 * 1024 {
        let at = section.text("rotateAt").map_or(section.at(), |text| text.at);
        section.error(at, format!("`{}` is too small", section.path_of("rotateAt")), help);
    }
    size as u64
}

fn keep(section: &Section<'_>) -> u32 {
    const USUAL: u32 = 10;
    let help = "write how many old files stay, from 1 to 1000, or leave it out: then it is 10";
    let Some(keep) = section.parsed("keep", help) else { return USUAL };
    if !(1..=1000).contains(&keep) {
        let at = section.text("keep").map_or(section.at(), |text| text.at);
        section.error(at, format!("`{}` cannot be {keep}", section.path_of("keep")), help);
    }
    keep
}

fn hidden(section: &Section<'_>) -> Option<HiddenSettings> {
    let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let all = format!("hide any of: {}", names.join(", "));
    let Some(texts) = section.some_texts("hash", &all) else {
        if let Some(node) = section.node("hashKey") {
            section.error(
                &node.at,
                "`hashKey` is for `hash`, and nothing is hashed",
                "add `hash: [subject]`, or remove it",
            );
        }
        return None;
    };
    let mut fields = Vec::new();
    for text in texts {
        match FIELDS.iter().find(|(name, _)| *name == text.text) {
            Some((_, field)) => fields.push(*field),
            None => {
                let help = did_you_mean(text.text, &names).unwrap_or_else(|| all.clone());
                section.error(text.at, format!("`{}` is not a field that can be hidden", text.text), help);
            }
        }
    }
    // Who knows the key can try names; without one anybody could.
    Some(HiddenSettings { fields, key: secret(section, "hashKey")? })
}
