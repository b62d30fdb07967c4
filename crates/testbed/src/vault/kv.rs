//! A KV engine of version 2: every put is a new version, and what is deleted leaves its metadata.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::answers::{error, json_answer, wrapped};

/// When everything here was created.
const CREATED: &str = "2026-03-22T02:24:06.945319214Z";
const DELETED: &str = "2026-03-22T02:36:43.986212308Z";

/// One mount.
#[derive(Debug, Default)]
pub(super) struct Engine {
    /// Versions by path, the first one first.
    secrets: BTreeMap<String, Vec<Version>>,
}

#[derive(Debug)]
struct Version {
    fields: Map<String, Value>,
    is_deleted: bool,
}

impl Engine {
    pub(super) fn put(&mut self, path: &str, fields: Map<String, Value>) -> u64 {
        let versions = self.secrets.entry(path.into()).or_default();
        versions.push(Version { fields, is_deleted: false });
        versions.len() as u64
    }

    pub(super) fn delete(&mut self, path: &str) {
        if let Some(newest) = self.secrets.get_mut(path).and_then(|versions| versions.last_mut()) {
            newest.is_deleted = true;
        }
    }

    /// `version` 0 is the newest.
    pub(super) fn read(&self, path: &str, version: usize) -> Response<Body> {
        let versions = self.secrets.get(path).map(Vec::as_slice).unwrap_or_default();
        let number = if version == 0 { versions.len() } else { version };
        let Some(found) = number.checked_sub(1).and_then(|index| versions.get(index)) else {
            return error(StatusCode::NOT_FOUND, &[]);
        };
        let deleted = if found.is_deleted { DELETED } else { "" };
        let metadata = json!({
            "created_time": CREATED, "custom_metadata": null, "deletion_time": deleted, "destroyed": false,
            "version": number,
        });
        if found.is_deleted {
            let body = json!({
                "request_id": crate::random_id(), "lease_id": "", "renewable": false, "lease_duration": 0,
                "data": {"data": null, "metadata": metadata}, "wrap_info": null, "warnings": null, "auth": null,
            });
            return json_answer(StatusCode::NOT_FOUND, &body);
        }
        wrapped(&json!({"data": found.fields, "metadata": metadata}), &Value::Null)
    }
}
