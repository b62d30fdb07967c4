//! Prints to stdout. A reader that has seen enough (`| head`) is no error.

use std::io::{self, ErrorKind, Write};

use super::exit::Exit;

/// Prints a text as it is; the exit code is that of a command that has nothing else to do.
pub(crate) fn print(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            // Stderr may be gone as well; then there is nobody left to tell.
            let _ = writeln!(io::stderr(), "cannot print: {error}");
            Exit::Outside
        }
    }
}
