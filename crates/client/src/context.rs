//! The word of a single request: for all that a future does, or on the request itself.

use std::future::Future;

use crate::choice::Choice;
use crate::mode::Mode;

tokio::task_local! {
    static CONTEXT: Choice;
}

/// Runs `future` with reuse switched on or off for every request that it makes, whatever else says. What it spawns is
/// another task and does not inherit this.
pub async fn with_reuse_authorizer<F: Future>(reuse: bool, future: F) -> F::Output {
    within(Choice { reuse: Some(reuse), mode: None }, future).await
}

/// Runs `future` with this mode for every request that it makes.
pub async fn with_reuse_authorizer_mode<F: Future>(mode: Mode, future: F) -> F::Output {
    within(Choice { reuse: None, mode: Some(mode) }, future).await
}

/// The same on one request.
pub trait ReuseExt {
    /// Switches reuse on or off for it.
    #[must_use]
    fn with_reuse_authorizer(self, reuse: bool) -> Self;

    /// Sets the mode for it.
    #[must_use]
    fn with_reuse_authorizer_mode(self, mode: Mode) -> Self;
}

impl<B> ReuseExt for http::Request<B> {
    fn with_reuse_authorizer(mut self, reuse: bool) -> Self {
        add(self.extensions_mut(), Choice { reuse: Some(reuse), mode: None });
        self
    }

    fn with_reuse_authorizer_mode(mut self, mode: Mode) -> Self {
        add(self.extensions_mut(), Choice { reuse: None, mode: Some(mode) });
        self
    }
}

/// What the context says of a request with these extensions: the request itself before the future that sends it.
pub fn of(extensions: &http::Extensions) -> Choice {
    let around = CONTEXT.try_with(|choice| *choice).unwrap_or_default();
    extensions.get::<Choice>().copied().unwrap_or_default().or(around)
}

async fn within<F: Future>(inner: Choice, future: F) -> F::Output {
    let outer = CONTEXT.try_with(|choice| *choice).unwrap_or_default();
    CONTEXT.scope(inner.or(outer), future).await
}

fn add(extensions: &mut http::Extensions, choice: Choice) {
    let before = extensions.get::<Choice>().copied().unwrap_or_default();
    extensions.insert(choice.or(before));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Choice {
        of(&http::Extensions::new())
    }

    #[tokio::test]
    async fn the_innermost_word_is_heard_and_ends_with_its_future() {
        with_reuse_authorizer(true, async {
            let inner = with_reuse_authorizer_mode(Mode::CookieFirst, async {
                with_reuse_authorizer(false, async { said() }).await
            });
            assert_eq!(inner.await, Choice { reuse: Some(false), mode: Some(Mode::CookieFirst) });
            assert_eq!(said(), Choice { reuse: Some(true), mode: None });
        })
        .await;
        assert_eq!(said(), Choice::default());
    }

    #[tokio::test]
    async fn a_request_speaks_for_itself_before_the_future_around_it() {
        let request = http::Request::new(()).with_reuse_authorizer(false).with_reuse_authorizer(true);
        let heard = with_reuse_authorizer(false, async {
            with_reuse_authorizer_mode(Mode::CookieFirst, async { of(request.extensions()) }).await
        });
        assert_eq!(heard.await, Choice { reuse: Some(true), mode: Some(Mode::CookieFirst) });
    }

    #[tokio::test]
    async fn tasks_side_by_side_do_not_hear_each_other() {
        let (yes, no) = tokio::join!(
            with_reuse_authorizer(true, async {
                tokio::task::yield_now().await;
                said()
            }),
            with_reuse_authorizer(false, async {
                tokio::task::yield_now().await;
                said()
            }),
        );
        assert_eq!((yes.reuse, no.reuse), (Some(true), Some(false)));
    }
}
