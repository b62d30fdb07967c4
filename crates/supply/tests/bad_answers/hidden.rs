//! HARD 20: what must not be found in anything that people get to see.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{SECRET, Supply, World};

/// Stands in bodies and headers that bad answers have.
pub(crate) const PLANTED: &str = "Planted-Marker-4711";

/// Everything that is logged by this thread, down to the last detail.
pub(crate) struct Log {
    written: Written,
    _capturing: DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn capture() -> Self {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(written.clone())
            .finish();
        Self { written, _capturing: tracing::subscriber::set_default(subscriber) }
    }

    /// What was logged since the last time.
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.written.0.lock().unwrap());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl World {
    /// Nothing secret is in `shown`, in the log, or in what the manager tells.
    pub(crate) fn assert_hidden(&self, row: &str, mut shown: String, supply: Option<&mut Supply>) {
        use std::fmt::Write;
        let log = self.log.take();
        if let Some(supply) = supply {
            use bearward_observe::Probe;
            write!(shown, "{:?} {:?} {:?}", supply.manager, supply.handle, supply.handle.condition())
                .unwrap();
            assert!(log.contains("token not refreshed"), "{row}: nothing of it is logged");
            while let Ok(event) = supply.events.try_recv() {
                write!(shown, "{event:?}").unwrap();
            }
        }
        let header = STANDARD.encode(format!("basic:{}", urlencoded(SECRET)));
        // The client's secret stands first, the newest tokens last; those of rows before can show nowhere any more.
        let mut secrets = self.server.counts().secrets();
        secrets.drain(1..secrets.len().saturating_sub(20).max(1));
        secrets.extend([PLANTED.to_owned(), urlencoded(SECRET), header]);
        for secret in secrets {
            assert!(!shown.contains(&secret), "{row}: shows {secret}: {shown}");
            let line = || log.lines().find(|line| line.contains(&secret));
            assert!(!log.contains(&secret), "{row}: logs {secret}: {:?}", line());
        }
    }
}

fn urlencoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
