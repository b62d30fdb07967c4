//! How an entry begins.

use super::*;

/// What an entry is made of.
pub(crate) struct Founding {
    pub(crate) key: KeyDigest,
    pub(crate) is_ending: Arc<AtomicBool>,
    pub(crate) name: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Observer,
    pub(crate) grant: Arc<dyn Grant>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) upkeep: Upkeep,
    pub(crate) shelf: Option<Shelf>,
    pub(crate) random: fastrand::Rng,
}

impl Entry {
    pub(crate) fn new(founding: Founding) -> Self {
        let Founding { key, is_ending, name, clock, observer, grant, gate, upkeep, shelf, random } = founding;
        let state = State {
            is_fetching: false,
            is_tidying: false,
            failures: 0,
            failed: None,
            not_before: Duration::ZERO,
            last_forced: None,
            looked_at: None,
            keeper: None,
            worked_with: None,
            epoch: 0,
            is_logged_out: false,
            is_shelf_read: false,
            is_stopped: false,
            is_closed: false,
            random,
        };
        let looked = tokio::sync::watch::channel(shelf.is_none()).0;
        Self {
            key,
            name,
            clock,
            observer,
            grant,
            gate,
            is_kept_fresh: AtomicBool::new(upkeep == Upkeep::Always),
            shelf: shelf.map_or_else(OnceLock::new, OnceLock::from),
            current: Slot::empty(),
            settled: watch::channel(0).0,
            looked,
            tidied: watch::channel(0).0,
            is_forgotten: AtomicBool::new(false),
            wanted: Notify::new(),
            is_ending,
            state: Mutex::new(state),
        }
    }
}
