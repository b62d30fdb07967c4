//! How long a token is kept, when it is refreshed, and when it is not handed out any more.
//!
//! Authorization servers state lifetimes in odd ways (HARD 8); here they become one sound number.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Kept so long when neither the response nor the token says anything.
pub const DEFAULT: Duration = Duration::from_secs(300);
/// Kept at most so long, whatever is stated: nothing is kept for ever.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Kept so long when what is stated is zero, negative or no number.
pub const SHORTEST: Duration = Duration::from_secs(1);

/// Refreshed ahead at most so long before the end, and at most this share of the lifetime before it.
const LEAD: Duration = Duration::from_secs(300);
const LEAD_SHARE: u32 = 5; // a fifth
/// Not handed out any more so long before the end, for it would die on its way.
const FLOOR: Duration = Duration::from_secs(30);
const FLOOR_SHARE: u32 = 20; // a twentieth

/// The lifetime of a token, counted from when it was asked for.
///
/// What the response states counts when it is a positive number, also written as text; so does a JWT's own
/// `exp - iat`, and what is left of it at the moment that the answer bears, by the server's own clock: some hand out what
/// they have in store. Of all, the shortest. With none it is [`DEFAULT`] when nothing was stated and [`SHORTEST`] when it
/// was zero, negative or no number.
pub fn lifetime(stated: Option<&Value>, token: &str, dated: Option<u64>) -> Duration {
    let seconds = match stated {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let stated_soundly = seconds.filter(|seconds| *seconds > 0.0);
    let left = dated.and_then(|unix_seconds| left_of_jwt(token, unix_seconds));
    let left = left.map(|left| left.max(SHORTEST).as_secs_f64());
    let known = stated_soundly.into_iter().chain(jwt_lifetime(token)).chain(left).reduce(f64::min);
    let otherwise = if matches!(stated, None | Some(Value::Null)) { DEFAULT } else { SHORTEST };
    known
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(LONGEST.as_secs_f64())).ok())
        .unwrap_or(otherwise)
}

/// How long before its end a token is refreshed: the stated lead, and up to a fifth of it more, so that
/// many instances that started together do not refresh together. `jitter` is in `0.0..1.0`.
pub fn refresh_lead(lifetime: Duration, jitter: f64) -> Duration {
    let lead = LEAD.min(lifetime / LEAD_SHARE);
    lead + lead.mul_f64(jitter.clamp(0.0, 1.0) / 5.0)
}

/// How long before its end a token is not handed out any more.
pub fn floor(lifetime: Duration) -> Duration {
    FLOOR.min(lifetime / FLOOR_SHARE)
}

/// The least time left that a caller can ask for: half of the lifetime at most, so that a short token is
/// not fetched again on every call.
pub fn clamp_min_ttl(asked: Duration, lifetime: Duration) -> Duration {
    asked.min(lifetime / 2)
}

/// How long a JWT still lives by its own `exp`, which is not verified; zero when it is over, `None` for what is no
/// JWT or does not say. For tokens that come without a stated lifetime: ID tokens, and tokens that were given to us.
pub fn left_of_jwt(token: &str, unix_seconds: u64) -> Option<Duration> {
    #[derive(Deserialize)]
    struct End {
        exp: f64,
    }
    let End { exp } = jwt_claims(token)?;
    let end = Duration::try_from_secs_f64(exp.max(0.0)).ok()?;
    Some(end.saturating_sub(Duration::from_secs(unix_seconds)))
}

/// What a JWT says of itself. It is not verified: a wrong word here costs a refresh, nothing else.
fn jwt_lifetime(token: &str) -> Option<f64> {
    #[derive(Deserialize)]
    struct Times {
        exp: f64,
        iat: f64,
    }
    let times: Times = jwt_claims(token)?;
    Some(times.exp - times.iat).filter(|seconds| *seconds > 0.0)
}

/// What a JWT says of itself, unverified; `None` for what is none.
pub(crate) fn jwt_claims<T: DeserializeOwned>(token: &str) -> Option<T> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests;
