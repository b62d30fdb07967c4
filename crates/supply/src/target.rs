//! What a token is for: where it is used, and what may be done with it there.

use bearward_token::ScopeSet;
use serde::Deserialize;
use serde_json::Value;

use crate::lifetime::jwt_claims;

/// What a token is asked for. One login may serve several (RFC 8707 §2.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// `audience`, as Auth0 needs it.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), sent as given (SPEC CL-3).
    pub resource: Option<String>,
    /// `scope`; empty: what the server gives by itself.
    pub scopes: ScopeSet,
    /// Further parameters that some server wants.
    pub extra: Vec<(String, String)>,
}

impl Target {
    /// Whether a token was given for `own` where this was asked for: servers that do not know of resources give what the
    /// login is for. Only a JWT says so, and only one that names the other and not this.
    pub(crate) fn is_passed_over(&self, own: &Self, token: &str) -> bool {
        #[derive(Deserialize)]
        struct For {
            aud: Value,
        }
        let Some(For { aud }) = jwt_claims(token) else { return false };
        let names = |target: &Self| {
            let wanted = [&target.audience, &target.resource].into_iter().flatten();
            wanted.into_iter().any(|wanted| match &aud {
                Value::String(one) => one == wanted,
                Value::Array(several) => several.iter().any(|one| one == wanted),
                _ => false,
            })
        };
        names(own) && !names(self)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    // HARD 31
    #[test]
    fn a_token_for_the_login_itself_is_none_for_another_target_and_what_says_nothing_is_believed() {
        let own = Target { resource: Some("https://own".into()), ..Target::default() };
        let asked = Target { resource: Some("https://asked".into()), ..Target::default() };
        let jwt =
            |aud: Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(json!({"aud": aud}).to_string()));
        for (aud, is_passed_over) in [
            (json!("https://own"), true),
            (json!(["https://own", "https://third"]), true),
            (json!("https://asked"), false),
            (json!(["https://own", "https://asked"]), false),
            // Some issuers name a resource in a way of their own.
            (json!("0a1b2c"), false),
        ] {
            assert_eq!(asked.is_passed_over(&own, &jwt(aud.clone())), is_passed_over, "{aud}");
        }
        assert!(!asked.is_passed_over(&own, "opaque"));
        assert!(!asked.is_passed_over(&asked, &jwt(json!("https://asked"))));
    }
}
