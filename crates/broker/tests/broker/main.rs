//! A backend-for-frontend at a real issuer, with a program that plays the browser.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod breaking;
mod ends;
mod login;
mod mishaps;
mod page;
mod refused;
mod resources;
mod routes;
mod scene;
