//! One setting with who decided it, for `bearward config explain`.

use bearward_client::Level;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its key below the provider, levels parted by dots.
    pub name: String,
    /// What holds.
    pub value: String,
    /// Who decided it.
    pub level: Level,
    /// Where that stands: `line 12`, or a variable's name; `None` for what nobody said.
    pub at: Option<String>,
}
