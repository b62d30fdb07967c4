//! What a Vault does on its bad days.

/// Where a fault strikes, and what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the request of its name")]
pub enum Place {
    Login,
    Renewal,
    Revocation,
    Lookup,
    Read,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Another status, with Vault's form of an error.
    Status(u16),
    /// A redirect to another place, as a standby without forwarding sends it.
    Redirect(String),
    /// Status 200 with this body.
    Body(String),
    /// The connection closes without an answer.
    Reset,
    /// No answer, ever.
    Silence,
}
