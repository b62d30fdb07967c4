//! Attempts to sign in, until the issuer's answer comes: each is taken up once, in the browser that began it (SPEC CL-5).
//!
//! In memory alone, and bounded: anybody may begin one. When there are too many, the oldest are forgotten
//! (docs/adr/0017).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bearward_token::{Clock, Fingerprint};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::attempt::{Attempt, LIFE};
use crate::problem::{Problem, ProblemKind};
use crate::random::Secret;

/// Room for all of them, in bytes; some 100,000 of the usual size.
const ROOM: u64 = 64 * 1024 * 1024;
/// Of one attempt, without where it goes afterwards.
const SIZE: u32 = 512;
/// What is over is remembered a while longer, so that who comes back late is told so.
const REMEMBERED: Duration = LIFE.saturating_mul(3);

/// All attempts of one application.
pub struct Attempts {
    kept: Cache<Fingerprint, Arc<Kept>>,
    clock: Arc<dyn Clock>,
}

struct Kept {
    attempt: Attempt,
    /// Hash of the cookie of the browser that began it.
    browser: Fingerprint,
    began: Duration,
}

impl Attempts {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let size = |_: &Fingerprint, kept: &Arc<Kept>| {
            let path = kept.attempt.return_to.as_str().len();
            SIZE.saturating_add(u32::try_from(path).unwrap_or(u32::MAX))
        };
        let kept = Cache::builder().max_capacity(ROOM).weigher(size).time_to_live(REMEMBERED);
        Self { kept: kept.eviction_policy(EvictionPolicy::lru()).build(), clock }
    }

    /// Keeps one that a browser with this cookie has begun.
    pub fn keep(&self, attempt: Attempt, browser: &Secret) {
        let (state, began) = (attempt.state.fingerprint(), self.clock.monotonic());
        self.kept.insert(state, Arc::new(Kept { attempt, browser: browser.fingerprint(), began }));
    }

    /// Takes up the attempt that `state` belongs to, once and never again.
    ///
    /// # Errors
    /// When this browser began none with it, or it was taken up before, or too long ago.
    pub fn take(&self, state: &str, browser: &Secret) -> Result<Attempt, Problem> {
        let mismatch = || Problem::new(ProblemKind::StateMismatch);
        let state = Secret::parse(state).ok_or_else(mismatch)?.fingerprint();
        let kept = self.kept.get(&state).ok_or_else(mismatch)?;
        if kept.browser != browser.fingerprint() {
            // Left for who began it: a stranger's answer must not end a login.
            return Err(mismatch());
        }
        // Of several requests one removes it.
        let kept = self.kept.remove(&state).ok_or_else(mismatch)?;
        if self.clock.monotonic().saturating_sub(kept.began) >= LIFE {
            return Err(Problem::new(ProblemKind::StateExpired));
        }
        Ok(kept.attempt.clone())
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempts({} under way)", self.kept.entry_count())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use bearward_token::ManualClock;

    use super::*;
    use crate::return_to::ReturnTo;

    struct Scene {
        clock: Arc<ManualClock>,
        attempts: Attempts,
        attempt: Attempt,
        browser: Secret,
    }

    fn attempt() -> Attempt {
        let to: ReturnTo = "/notes?id=1".parse().unwrap();
        Attempt::begin("https://idp.example".parse().unwrap(), to).unwrap()
    }

    impl Scene {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
            let (attempts, attempt) = (Attempts::new(clock.clone()), attempt());
            let browser = Secret::new().unwrap();
            attempts.keep(attempt.clone(), &browser);
            Self { clock, attempts, attempt, browser }
        }

        fn take(&self, state: &str, browser: &Secret) -> Result<Attempt, ProblemKind> {
            self.attempts.take(state, browser).map_err(|problem| problem.kind)
        }
    }

    // SPEC CL-5
    #[test]
    fn an_attempt_is_taken_up_once_by_the_browser_that_began_it() {
        let scene = Scene::new();
        let state = scene.attempt.state.expose();
        let stranger = Secret::new().unwrap();
        assert_eq!(scene.take(state, &stranger), Err(ProblemKind::StateMismatch));
        assert_eq!(scene.take(state, &scene.browser), Ok(scene.attempt.clone()));
        assert_eq!(scene.take(state, &scene.browser), Err(ProblemKind::StateMismatch), "replayed");
    }

    // SPEC CL-5
    #[test]
    fn a_state_that_nobody_was_given_takes_up_nothing() {
        let scene = Scene::new();
        for state in ["", "x", Secret::new().unwrap().expose()] {
            assert_eq!(scene.take(state, &scene.browser), Err(ProblemKind::StateMismatch), "{state}");
        }
    }

    // SPEC CL-5
    #[test]
    fn of_many_answers_at_once_one_is_taken_up() {
        let scene = Scene::new();
        let state = scene.attempt.state.expose();
        let taken = std::thread::scope(|scope| {
            let takers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| scene.take(state, &scene.browser).is_ok())).collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).filter(|is_ok| *is_ok).count()
        });
        assert_eq!(taken, 1);
    }

    #[test]
    fn a_login_that_takes_too_long_is_told_so() {
        let scene = Scene::new();
        scene.clock.advance(LIFE - Duration::from_millis(1));
        let other = attempt();
        scene.attempts.keep(other.clone(), &scene.browser);
        assert!(scene.take(scene.attempt.state.expose(), &scene.browser).is_ok());
        scene.clock.advance(LIFE);
        assert_eq!(scene.take(other.state.expose(), &scene.browser), Err(ProblemKind::StateExpired));
    }

    #[test]
    fn when_there_are_too_many_the_newest_are_kept_and_memory_is_bounded() {
        let scene = Scene::new();
        let many = ROOM / u64::from(SIZE) + 10_000;
        let mut last = attempt();
        for _ in 0..many {
            last.state = Secret::new().unwrap();
            scene.attempts.keep(last.clone(), &scene.browser);
        }
        scene.attempts.kept.run_pending_tasks();
        assert!(scene.attempts.kept.weighted_size() <= ROOM);
        assert!(scene.take(last.state.expose(), &scene.browser).is_ok(), "who begins now can sign in");
    }

    // HARD 20
    #[test]
    fn nothing_of_an_attempt_is_shown() {
        let scene = Scene::new();
        let shown = format!("{:?} {:?}", scene.attempts, scene.attempt);
        let secrets = [&scene.attempt.state, &scene.attempt.nonce, &scene.attempt.verifier, &scene.browser];
        assert!(secrets.iter().all(|secret| !shown.contains(secret.expose())), "{shown}");
    }
}
