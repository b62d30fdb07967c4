//! `state`: where what must outlive the process is kept.

use std::path::PathBuf;

use super::reader::Section;
use super::settings::StateSettings;
use super::values::secrets;

const FILE: &str = "write `backend: file`, `path: ./state` and `key: {env: BEARWARD_STATE_KEY}`";

/// Reads it; absent: memory alone.
pub(crate) fn read(root: &Section<'_>) -> Option<StateSettings> {
    let section = root.section("state")?;
    let backend = section.text("backend").map_or("memory", |text| text.text);
    let settings = match backend {
        "memory" => {
            for key in ["path", "key"] {
                if let Some(node) = section.node(key) {
                    let message = format!("`state.{key}` is of no use to backend `memory`");
                    section.error(&node.at, message, FILE);
                }
            }
            None
        }
        "file" => {
            let path = section.required_text("path", "./state").map(|text| PathBuf::from(text.text));
            let keys = secrets(&section, "key");
            if !section.has("key") {
                section.missing("key", "{env: BEARWARD_STATE_KEY}");
            }
            path.map(|path| StateSettings { path, keys })
        }
        other => {
            if let Some(text) = section.text("backend") {
                let message = match other {
                    "redis" => "backend `redis` is known, but this version does not have it yet".to_owned(),
                    other => format!("`{other}` is no backend"),
                };
                section.error(text.at, message, FILE);
            }
            let _ = (section.node("path"), section.node("key"));
            None
        }
    };
    section.not_yet("url", "it belongs to backend `redis`");
    section.finish();
    settings
}
