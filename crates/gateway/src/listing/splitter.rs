//! Takes an event stream apart into its events, as it comes (HTML standard §9.2.6, "Interpreting an event stream").
//!
//! Every byte is looked at once, however small the pieces are in which a large event comes.

use bytes::{Buf, Bytes, BytesMut};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A stream's bytes up to the end of its next event.
#[derive(Debug)]
pub(super) struct Splitter {
    /// From the beginning of an event whose end has not come, or has not been looked for.
    open: BytesMut,
    /// How much of it has been looked at.
    scanned: usize,
    is_line_empty: bool,
    /// A LF that comes next ends no other line.
    is_after_cr: bool,
    is_at_start: bool,
}

impl Splitter {
    pub(super) fn new() -> Self {
        let open = BytesMut::new();
        Self { open, scanned: 0, is_line_empty: true, is_after_cr: false, is_at_start: true }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.open.extend_from_slice(data);
    }

    /// The next event, its blank line included. Lines end with LF, CR LF or CR; a CR ends its line at once, since
    /// nobody knows how long a LF may take that belongs to it.
    pub(super) fn next_event(&mut self) -> Option<Bytes> {
        while let Some(&byte) = self.open.get(self.scanned) {
            self.scanned += 1;
            let is_after_cr = std::mem::replace(&mut self.is_after_cr, byte == b'\r');
            match byte {
                b'\n' if is_after_cr => {
                    if self.scanned == 1 {
                        // Its CR has left with the event before.
                        self.drop_first();
                    }
                }
                b'\n' | b'\r' if self.is_line_empty => return Some(self.split_off()),
                b'\n' | b'\r' => self.is_line_empty = true,
                _ => self.is_line_empty = false,
            }
        }
        None
    }

    /// How many bytes wait for the end of their event.
    pub(super) fn waiting(&self) -> usize {
        self.open.len()
    }

    /// The event that ends where we stand, with the LF of its last CR if that is at hand.
    fn split_off(&mut self) -> Bytes {
        if self.is_after_cr && self.open.get(self.scanned) == Some(&b'\n') {
            self.scanned += 1;
            self.is_after_cr = false;
        }
        let mut event = self.open.split_to(self.scanned).freeze();
        self.scanned = 0;
        if std::mem::take(&mut self.is_at_start) && event.starts_with(BYTE_ORDER_MARK) {
            event.advance(BYTE_ORDER_MARK.len());
        }
        event
    }

    fn drop_first(&mut self) {
        self.open.advance(1);
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests;
