//! `revocation`: where revocations are read from, and where those are kept that come in otherwise.

use std::path::PathBuf;

use super::reader::Section;
use super::settings::RevocationSettings;

pub(super) fn read(section: &Section<'_>) -> RevocationSettings {
    let file = path(section, "file", "revoked.jsonl");
    let journal = path(section, "journal", "revocations.jsonl");
    if !section.has("file") && !section.has("journal") {
        let help = "write `file: revoked.jsonl` to watch a file, `journal: revocations.jsonl` to keep what the admin \
                    API and issuers say over a restart, or both";
        section.error(section.at(), "`revocation` names neither `file` nor `journal`", help);
    }
    if file.is_some() && file == journal {
        let message = "`revocation.file` and `revocation.journal` are the same file";
        section.error(section.at(), message, "give the journal a file of its own: only Bearward writes it");
    }
    section.finish();
    RevocationSettings { file, journal }
}

fn path(section: &Section<'_>, name: &'static str, example: &str) -> Option<PathBuf> {
    // One that is there and null was meant to name something.
    if !section.has(name) {
        let _ = section.text(name);
        return None;
    }
    section.required_text(name, example).map(|text| PathBuf::from(text.text))
}
