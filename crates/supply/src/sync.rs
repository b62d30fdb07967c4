//! Locks, tasks, wake-ups and the slot of a token, under one name each.
//!
//! Outside of the model of the flights this is a list of `use` and nothing else. In the model (`model.rs`) each is one
//! that shuttle watches, and between any two uses of them it may let another task run.

#[cfg(not(all(test, feature = "shuttle")))]
mod real {
    pub(crate) use std::sync::{Mutex, MutexGuard};

    pub(crate) use arc_swap::ArcSwapOption as Slot;
    pub(crate) use tokio::spawn;
    pub(crate) use tokio::sync::{Notify, watch};
    pub(crate) use tokio::task::AbortHandle;
}

#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use real::*;

#[cfg(all(test, feature = "shuttle"))]
pub(crate) use crate::model::sync::*;
