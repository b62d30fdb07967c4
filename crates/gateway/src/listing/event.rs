//! One event of a stream, with the lists in its data cut (HTML standard §9.2.6).
//!
//! An event that a reader could split into other lines than the next one, or that has lines which only some readers
//! know, is written anew: in it stands then what we have read, for everybody.

use std::borrow::Cow;

use bytes::Bytes;

use crate::listing::messages::Unclear;

/// The event, its blank line included, with `cut` done to its data. It stays as it came where nothing was cut and all
/// read the same in it.
///
/// # Errors
/// [`Unclear`] for data that is no JSON, unless no object can stand in it: a URL, a word, nothing.
pub(super) fn cut(
    event: Bytes,
    cut: impl FnOnce(&[u8]) -> Result<Option<String>, Unclear>,
) -> Result<Bytes, Unclear> {
    let decoded = String::from_utf8_lossy(&event);
    let fields = Fields::of(&decoded);
    let data = fields.data.join("\n");
    let new = match cut(data.as_bytes()) {
        Ok(new) => new,
        Err(_) if !data.contains('{') => None,
        Err(unclear) => return Err(unclear),
    };
    if new.is_none() && fields.are_plain && matches!(decoded, Cow::Borrowed(_)) {
        return Ok(event);
    }
    let data = match &new {
        Some(new) => new.split('\n').collect(),
        None => fields.data,
    };
    let others = fields.others.iter().map(|line| format!("{line}\n"));
    let data = data.iter().map(|line| format!("data: {line}\n"));
    Ok(Bytes::from(others.chain(data).chain(["\n".to_owned()]).collect::<String>()))
}

/// An event's lines, sorted.
struct Fields<'a> {
    /// What each `data` line says; the standard joins them with LF.
    data: Vec<&'a str>,
    /// The other lines that mean something, comments included.
    others: Vec<&'a str>,
    /// No line that a reader might split or take otherwise.
    are_plain: bool,
}

impl<'a> Fields<'a> {
    fn of(event: &'a str) -> Self {
        let mut fields = Self { data: Vec::new(), others: Vec::new(), are_plain: true };
        for (line, end) in lines(event) {
            fields.are_plain &= end != "\r";
            if line.is_empty() {
                continue;
            }
            match line.split_once(':').unwrap_or((line, "")) {
                ("data", value) => fields.data.push(value.strip_prefix(' ').unwrap_or(value)),
                ("" | "event" | "id" | "retry", _) => fields.others.push(line),
                _ => fields.are_plain = false,
            }
        }
        fields
    }
}

/// Lines and what ends them: LF, CR LF or CR.
fn lines(mut text: &str) -> impl Iterator<Item = (&str, &str)> {
    std::iter::from_fn(move || {
        let (line, rest) = text.split_at(text.find(['\r', '\n'])?);
        let (end, rest) = rest.split_at(if rest.starts_with("\r\n") { 2 } else { 1 });
        text = rest;
        Some((line, end))
    })
}

#[cfg(test)]
mod tests;
