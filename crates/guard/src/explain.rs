//! Every check of a token, one by one, for a person who asks why a token is refused or what it opens.
//!
//! The decision itself is the guard's own ([`Guard::explain`] asks it as well): what stands here only tells its story,
//! and says so should the two ever differ.

use bearward_observe::{Condition, Rejection};
use bearward_token::Principal;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::bearer::Unverified;
use crate::claims::{Expectations, Kind};
use crate::guard::Guard;
use crate::jwt::Jwt;
use crate::verify::{TrustedIssuer, is_jwt_shaped};

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was looked at.
    pub check: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What was found. Holds claims of the token, never the token.
    pub found: String,
    /// The word for the event, when it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// All checks up to the first that does not hold, and what came of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The guard.
    pub resource: String,
    /// Whether the guard lets the token in.
    pub ok: bool,
    /// The checks, in order.
    pub steps: Vec<Step>,
}

type Found = Result<String, (Rejection, String)>;

impl Guard {
    /// Explains what this guard makes of a token. Counts nothing.
    pub async fn explain(&self, token: &str) -> Explanation {
        let token = Unverified::new(token);
        let decided = self.decide(token).await;
        let mut story = Story::default();
        let told = self.tell(token, &mut story).await;
        if let (Some(()), Ok(caller)) = (told, &decided) {
            self.tell_of_caller(caller, &mut story);
        }
        if let Err(reason) = &decided
            && story.steps.iter().all(|step| step.ok)
        {
            let found =
                "the guard refuses it for another reason than was found here: please report this".to_owned();
            story.tell("decision", Err((*reason, found)));
        }
        let resource = self.settings().resource.as_str().to_owned();
        Explanation {
            resource,
            ok: decided.is_ok() && story.steps.iter().all(|step| step.ok),
            steps: story.steps,
        }
    }

    /// Tells what comes before the caller is known; `None` when something does not hold.
    async fn tell(&self, token: Unverified<'_>, story: &mut Story) -> Option<()> {
        if !is_jwt_shaped(token) {
            return self.tell_opaque(token, story).await;
        }
        let jwt = story.hold(
            "form",
            Jwt::parse(token).map_err(|reason| (reason, "it is no JWT that can be read".into())),
        )?;
        story.tell(
            "form",
            Ok(format!(
                "a JWT: algorithm {:?}, key id {}, type {}",
                jwt.algorithm,
                shown(jwt.kid.as_deref()),
                shown(jwt.typ.as_deref())
            )),
        );
        let named = jwt.claims.get("iss").and_then(Value::as_str);
        let trusted = self
            .issuers()
            .iter()
            .find(|issuer| Some(issuer.issuer.as_str()) == named && issuer.keys.is_some());
        let issuer =
            story.hold("issuer", trusted.ok_or_else(|| (Rejection::Issuer, self.not_trusted(named))))?;
        story.tell("issuer", Ok(format!("{} is trusted", issuer.issuer)));
        let algorithms: Vec<_> = issuer.algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
        story.check(
            "algorithm",
            issuer.algorithms.contains(&jwt.algorithm),
            Rejection::Algorithm,
            format!("{:?}; {} are accepted", jwt.algorithm, algorithms.join(", ")),
        )?;
        story.hold(
            "type",
            issuer.expectations.check_type(jwt.typ.as_deref()).map_err(|reason| {
                (
                    reason,
                    format!(
                        "{}; {} are accepted",
                        shown(jwt.typ.as_deref()),
                        issuer.expectations.types.join(", ")
                    ),
                )
            }),
        )?;
        story.tell("type", Ok(shown(jwt.typ.as_deref())));
        let signed = crate::verify::signature_of(&jwt, issuer).await;
        story.hold(
            "signature",
            signed.map_err(|reason| (reason, signature_trouble(reason, jwt.kid.as_deref()))),
        )?;
        story.tell("signature", Ok(format!("by key {} of the issuer", shown(jwt.kid.as_deref()))));
        self.tell_claims(issuer, &jwt.header, &jwt.claims, Kind::Jwt, story)
    }

    async fn tell_opaque(&self, token: Unverified<'_>, story: &mut Story) -> Option<()> {
        let asked =
            self.issuers().iter().filter_map(|issuer| Some((issuer.opaque.as_ref()?.fits(token)?, issuer)));
        let found =
            asked.max_by_key(|(fit, _)| *fit).and_then(|(_, issuer)| Some((issuer, issuer.opaque.as_ref()?)));
        let (issuer, opaque) = story.hold(
            "form",
            found.ok_or_else(|| {
                (Rejection::Malformed, "it is no JWT, and no issuer is asked about such tokens".into())
            }),
        )?;
        story.tell("form", Ok(format!("an opaque token; {} is asked about it", issuer.issuer)));
        let described = opaque.claims(token).await;
        let trouble = || match opaque.condition() {
            Condition::Ready => "the issuer does not say that it is live".to_owned(),
            Condition::Degraded { reason } | Condition::Down { reason } => reason,
        };
        let claims = story.hold("introspection", described.map_err(|reason| (reason, trouble())))?;
        story.tell("introspection", Ok("the issuer says that it is live".into()));
        let mut claims = claims;
        claims.entry("exp").or_insert_with(|| (self.clock().unix_seconds() + 60).into());
        self.tell_claims(issuer, &Map::new(), &claims, Kind::Opaque, story)
    }

    fn tell_claims(
        &self,
        issuer: &TrustedIssuer,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
        kind: Kind,
        story: &mut Story,
    ) -> Option<()> {
        let expected: &Expectations = &issuer.expectations;
        let now = self.clock().unix_ms();
        let exp = claims.get("exp").and_then(Value::as_f64).unwrap_or(0.0);
        let left = exp - now as f64 / 1000.0;
        story.hold(
            "time",
            expected.check_time(claims, now).map_err(|reason| (reason, time_trouble(reason, left))),
        )?;
        story.tell("time", Ok(format!("{} s left, and {} s of skew", left.floor(), expected.skew.as_secs())));
        let audience = claims
            .get("aud")
            .or_else(|| claims.get("resource"))
            .map_or_else(|| "nothing".into(), ToString::to_string);
        story.check(
            "audience",
            expected.is_for_us(claims, kind),
            Rejection::Audience,
            format!("it is for {audience}; this guard opens to {}", expected.audiences.join(" or ")),
        )?;
        story.hold(
            "claims",
            expected
                .check(&issuer.issuer, header, claims.clone().into(), kind, now)
                .map_err(|reason| (reason, claims_trouble(reason).into())),
        )?;
        story.tell("claims", Ok("everything that is demanded is there".into()));
        Some(())
    }

    fn tell_of_caller(&self, caller: &Principal, story: &mut Story) {
        let client = caller.client.as_deref().unwrap_or("no client");
        let tenant = caller.tenant.as_deref().unwrap_or("no tenant");
        story.tell(
            "caller",
            Ok(format!("{} by {client}, for {tenant}; scopes: {}", caller.subject, caller.scopes)),
        );
        let is_revoked = self.settings().revocations.is_revoked(caller);
        if story
            .check(
                "revocation",
                !is_revoked,
                Rejection::Revoked,
                if is_revoked { "it is revoked" } else { "not revoked, as far as this process knows" }.into(),
            )
            .is_none()
        {
            return;
        }
        let missing = self.settings().scopes.missing(&caller.scopes);
        let found = missing
            .as_ref()
            .map_or_else(|| "all that every request needs".to_owned(), |needed| format!("needed: {needed}"));
        let _ = story.check("scopes", missing.is_none(), Rejection::Scope, found);
    }

    fn not_trusted(&self, named: Option<&str>) -> String {
        let is_known = self.issuers().iter().any(|issuer| Some(issuer.issuer.as_str()) == named);
        if is_known {
            return format!("{} is trusted for its opaque tokens alone (`tokens: [opaque]`)", shown(named));
        }
        let all: Vec<_> = self.issuers().iter().map(|issuer| issuer.issuer.as_str()).collect();
        format!(
            "{} is not trusted; {} {}",
            shown(named),
            all.join(", "),
            if all.len() == 1 { "is" } else { "are" }
        )
    }
}

#[derive(Default)]
struct Story {
    steps: Vec<Step>,
}

impl Story {
    fn tell(&mut self, check: &'static str, found: Found) {
        let (ok, found, reason) = match found {
            Ok(found) => (true, found, None),
            Err((reason, found)) => (false, found, Some(reason.as_str())),
        };
        self.steps.push(Step { check, ok, found, reason });
    }

    /// Goes on with what holds, or tells what does not.
    fn hold<T>(&mut self, check: &'static str, outcome: Result<T, (Rejection, String)>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(trouble) => {
                self.tell(check, Err(trouble));
                None
            }
        }
    }

    fn check(&mut self, check: &'static str, holds: bool, reason: Rejection, found: String) -> Option<()> {
        self.tell(check, if holds { Ok(found) } else { Err((reason, found)) });
        holds.then_some(())
    }
}

fn shown(text: Option<&str>) -> String {
    // Whatever stands in a token that is not verified: short, and nothing that could move a terminal's cursor.
    text.map_or_else(|| "(none)".into(), |text| text.chars().filter(|c| !c.is_control()).take(200).collect())
}

fn signature_trouble(reason: Rejection, kid: Option<&str>) -> String {
    match reason {
        Rejection::UnknownKey => format!("the issuer publishes no key {}", shown(kid)),
        Rejection::KeysUnavailable => "the issuer's keys cannot be fetched".into(),
        Rejection::Algorithm => format!("the issuer's key {} is of another kind", shown(kid)),
        _ => format!("key {} did not make it", shown(kid)),
    }
}

fn time_trouble(reason: Rejection, left: f64) -> String {
    match reason {
        Rejection::Expired => format!("it expired {} s ago", (-left).ceil()),
        Rejection::NotYetValid => "it is not valid yet, or was issued in the future".into(),
        _ => "`exp`, `nbf` or `iat` is missing or no date".into(),
    }
}

fn claims_trouble(reason: Rejection) -> &'static str {
    match reason {
        Rejection::TokenType => "it is an ID token, not an access token",
        Rejection::KeyBound => {
            "it is bound to a key (`cnf`), and a bearer proves none: turn off DPoP or mTLS binding for this client"
        }
        Rejection::AuthorizedParty => "its client is not among the authorized parties",
        Rejection::RequiredClaim => "a required claim is missing or has another value",
        Rejection::Subject => "its subject is not among the allowed ones",
        _ => "a claim is missing or of the wrong kind",
    }
}

#[cfg(test)]
mod tests;
