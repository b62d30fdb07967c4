//! Where things are in the repository.

use std::path::{Path, PathBuf};

/// The repository: the folder above this package.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// What is installed for tests, kept between runs, ignored by git.
pub(crate) fn test_tools() -> PathBuf {
    root().join(".test-tools")
}

/// The lists of what is to be installed.
pub(crate) fn tool_lists() -> PathBuf {
    root().join("tests/tools")
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    // As cargo takes it, which we start at the root.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
