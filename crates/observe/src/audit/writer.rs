//! The thread that writes lines, and the queue before it.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::destination::{Destination, Sink};
use crate::metrics::Metrics;

/// Most lines that wait; more are dropped. With lines of at most some 2 KiB this bounds the memory.
const QUEUE: usize = 8192;
/// How long the end of the process waits for what is queued.
const FAREWELL: Duration = Duration::from_secs(2);

/// Hands lines to the thread. When it goes, the thread ends.
#[derive(Debug)]
pub(super) struct Writer {
    destination: Destination,
    /// `None` once it is going.
    lines: Option<SyncSender<Vec<u8>>>,
    /// Ends when the thread does.
    ended: Mutex<Receiver<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    metrics: Arc<Metrics>,
    /// Why the last line could not be written.
    failure: Mutex<Option<String>>,
}

impl Writer {
    pub(super) fn start(destination: Destination, metrics: Arc<Metrics>) -> io::Result<Self> {
        let sink = destination.open()?;
        Self::on(destination, sink, metrics)
    }

    pub(super) fn on(
        destination: Destination,
        sink: Box<dyn Sink>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE);
        let (ends, ended) = sync_channel(0);
        let shared = Arc::new(Shared { metrics, failure: Mutex::default() });
        let theirs = shared.clone();
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            write_all(&queue, sink, &theirs);
            drop(ends);
        })?;
        Ok(Self { destination, lines: Some(lines), ended: Mutex::new(ended), shared })
    }

    pub(super) fn send(&self, line: Vec<u8>) {
        let Some(lines) = &self.lines else { return };
        match lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.shared.metrics.count_audit("dropped");
                self.shared.failed("more decisions than can be written");
            }
            Err(TrySendError::Disconnected(_)) => {
                self.shared.metrics.count_audit("dropped");
                self.shared.failed("the writing thread has ended");
            }
        }
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines = None;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // A destination that does not take anything any more must not keep the process alive.
        if ended.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the end of the audit trail could not be written in time");
        }
    }
}

fn write_all(queue: &Receiver<Vec<u8>>, mut sink: Box<dyn Sink>, shared: &Shared) {
    while let Ok(line) = queue.recv() {
        match sink.write_line(&line) {
            Ok(()) => shared.written(),
            Err(error) => {
                shared.metrics.count_audit("failed");
                shared.failed(&error.to_string());
            }
        }
    }
}

impl Shared {
    fn written(&self) {
        self.metrics.count_audit("written");
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.take().is_some() {
            tracing::info!(
                "the audit trail is written again; what was lost meanwhile stands in audit_entries_total"
            );
        }
    }

    /// Said once, not for every line.
    fn failed(&self, reason: &str) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_deref() != Some(reason) {
            tracing::error!(reason, "the audit trail is not written; requests go on");
            *failure = Some(reason.to_owned());
        }
    }
}
