//! Why a part of an end-to-end test could not do its work.

/// Short for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong; a test shows it and fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A process ended or was not ready in time; `output` is what it had printed.
    #[error("{what}: {why}\n{output}")]
    Process {
        /// Which process.
        what: String,
        /// What happened.
        why: String,
        /// Its output so far.
        output: String,
    },
    /// Reading, writing, binding.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// An HTTP exchange of the test itself.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// What should have been JSON of a known shape was not.
    #[error("{what}: {source}")]
    Json {
        /// What was read.
        what: String,
        /// Why it does not fit.
        source: serde_json::Error,
    },
}
