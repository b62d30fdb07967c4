//! A sample notes API.
