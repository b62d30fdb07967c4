//! Records as they are kept: JSON in one piece of memory, for what is secret in them must not stay behind in smaller ones.

use bearward_store::SecretBytes;
use serde::Serialize;

/// Beside the texts themselves: names of fields, numbers, quotes.
const AROUND: usize = 512;

/// Packs a record of texts and numbers, whose texts are this long together.
pub(crate) fn packed(record: &impl Serialize, texts: usize) -> SecretBytes {
    // A buffer that grows leaves copies behind (HARD 20). Escaped quotes make a text longer, and none is made of them.
    let mut bytes = Vec::with_capacity(2 * texts + AROUND);
    // Texts and numbers alone, into memory: this does not fail.
    let _ = serde_json::to_writer(&mut bytes, record);
    SecretBytes::new(bytes)
}
