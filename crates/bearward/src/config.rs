//! The configuration: one YAML file, parsed once into types that cannot be wrong.
//!
//! ```text
//! file + .env + BEARWARD_… ─ tree (with places) ─ sections ─► Settings, warnings
//!                                                    └──────► ConfigErrors: all of them, each with its place
//! ```
//! Nothing else in the program reads the environment.

mod as_written;
mod audit;
mod blot;
mod broker;
mod defaults;
mod description;
mod expectations;
mod explain;
mod from_environment;
mod grants;
mod guards;
mod identity;
mod issuers;
mod jwks;
mod keeping;
mod limits;
mod load;
mod opaque;
mod overrides;
mod problem;
mod providers;
mod reader;
mod reuse;
mod revocation;
mod rules;
mod secret;
mod server;
mod session;
mod sessions;
pub mod settings;
mod state;
mod stores;
mod together;
mod tree;
mod values;

pub use load::{Environment, Loaded, load, load_environment, parse};
pub use problem::{ConfigErrors, Problem};
pub use settings::Settings;
pub use values::duration;
