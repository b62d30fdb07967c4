//! Reuse as middleware of `reqwest`.

use http::Extensions;
use http::header::AUTHORIZATION;
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Request, Response};
use reqwest_middleware::{ClientWithMiddleware, Middleware, Next};
use url::{Origin, Url};

use crate::context;
use crate::reuse::{Reuse, is_refusal};

/// So many redirects are followed, all of them to the same origin.
const MAX_REDIRECTS: usize = 10;

/// A client that carries the user's login to one provider. Its redirects stay with the origin that was asked: elsewhere
/// neither token nor cookie is of any business, and the answer is the redirect itself. It uses no proxy, whatever the
/// environment or `builder` says: what may go over plain HTTP to this machine's loopback must not go to a proxy so. An
/// `Authorization` among the builder's default headers gives way to the user's token.
///
/// # Errors
/// As [`ClientBuilder::build`].
pub fn client(reuse: Reuse, builder: ClientBuilder) -> Result<ClientWithMiddleware, reqwest::Error> {
    let client = at_home(builder).build()?;
    Ok(reqwest_middleware::ClientBuilder::new(client).with(ReuseMiddleware(reuse)).build())
}

/// Straight to the destination, and nowhere else.
pub(crate) fn at_home(builder: ClientBuilder) -> ClientBuilder {
    builder.no_proxy().redirect(Policy::custom(stay_at_home))
}

fn stay_at_home(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let first: Option<Origin> = attempt.previous().first().map(Url::origin);
    if attempt.previous().len() > MAX_REDIRECTS || first != Some(attempt.url().origin()) {
        return attempt.stop();
    }
    attempt.follow()
}

/// Never outside of [`client`]: what it is put before must not carry headers elsewhere.
struct ReuseMiddleware(Reuse);

#[async_trait::async_trait]
impl Middleware for ReuseMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        if request.headers().contains_key(AUTHORIZATION) {
            // The program speaks for itself.
            return next.run(request, extensions).await;
        }
        let (destination, said) = (request.url().clone(), context::of(extensions));
        let failed = reqwest_middleware::Error::middleware::<crate::ReuseError>;
        let carried = self.0.prepare(&destination, said).await.map_err(failed)?;
        let again = request.try_clone();
        carried.put_on(request.headers_mut());
        let answer = next.clone().run(request, extensions).await?;
        if !is_refusal(answer.status()) {
            return Ok(answer);
        }
        // Also for a body that cannot be sent again: the next request then has a token that works.
        let other = self.0.after_refusal(&destination, said, &carried).await;
        let (Some(other), Some(mut again)) = (other.filter(|other| !other.is_nothing()), again) else {
            return Ok(answer);
        };
        other.put_on(again.headers_mut());
        let answer = next.run(again, extensions).await?;
        self.0.settled(&carried, &other, is_refusal(answer.status()));
        Ok(answer)
    }
}
