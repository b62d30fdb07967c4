//! What each vendor's access tokens look like: where facts stand in them, and what they must say.
//!
//! A preset only fills in [`Expectations`]; no vendor has code of its own in the path of a request. What it fills in
//! are facts about the vendor, each of which makes a token *less* acceptable, never more, except where a vendor leaves
//! out what the standard asks for.

use crate::claim_path::ClaimPath;
use crate::claims::Expectations;
use crate::demand::{Demand, Pattern};
use crate::keys::Algorithm;

/// A vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// Any OpenID Connect or OAuth issuer that follows RFC 9068, or nearly.
    #[default]
    Oidc,
    /// Clerk: JWT templates, session tokens, OAuth access tokens.
    Clerk,
    /// Auth0.
    Auth0,
    /// Keycloak.
    Keycloak,
    /// Microsoft Entra ID, versions 1 and 2.
    Entra,
    /// Okta custom authorization servers.
    Okta,
}

/// What Clerk's header member `cat` says of tokens that are no plain session tokens: of templates, of machines.
const CLERK_NO_SESSION: [&str; 2] = ["cl_B7d4PD222AAA", "cl_B7d4PD333AAA"];

impl Preset {
    /// All of them, by the name that configurations use.
    pub const ALL: [(&'static str, Self); 6] = [
        ("oidc", Self::Oidc),
        ("clerk", Self::Clerk),
        ("auth0", Self::Auth0),
        ("keycloak", Self::Keycloak),
        ("entra", Self::Entra),
        ("okta", Self::Okta),
    ];

    /// What the vendor signs with when nobody configured anything else.
    pub fn algorithms(self) -> Vec<Algorithm> {
        match self {
            Self::Oidc => vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
            Self::Clerk => vec![Algorithm::RS256, Algorithm::RS384, Algorithm::RS512],
            Self::Auth0 => vec![Algorithm::RS256, Algorithm::PS256],
            Self::Keycloak => vec![Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA],
            Self::Entra | Self::Okta => vec![Algorithm::RS256],
        }
    }

    /// Expectations of this vendor's tokens for these audiences.
    pub fn expectations(self, audiences: Vec<String>) -> Expectations {
        let strict = Expectations::for_audiences(audiences);
        let member = ClaimPath::member;
        match self {
            Self::Oidc => strict,
            Self::Clerk => Expectations {
                // Version 1 of their claims, version 2, and a template's own.
                tenants: vec![member("org_id"), ClaimPath::pointer(&["o", "id"])],
                scopes: vec![member("scope"), member("scp"), ClaimPath::pointer(&["mcp", "scopes"])],
                roles: vec![member("org_role"), ClaimPath::pointer(&["o", "rol"])],
                ..strict
            },
            Self::Auth0 => Expectations {
                clients: vec![member("azp"), member("client_id")],
                // Role-based access control puts what a user may do beside what the client asked for.
                scopes: vec![member("scope"), member("permissions")],
                ..strict
            },
            Self::Keycloak => Expectations {
                clients: vec![member("azp"), member("client_id")],
                roles: vec![ClaimPath::pointer(&["realm_access", "roles"])],
                // ID and refresh tokens carry the same header; this claim tells them apart.
                demands: vec![Demand::claim(member("typ"), [Pattern::new("Bearer"), Pattern::new("DPoP")])],
                ..strict
            },
            Self::Entra => Expectations {
                clients: vec![member("azp"), member("appid")],
                tenants: vec![member("tid")],
                scopes: vec![member("scp")],
                roles: vec![member("roles")],
                // A tenant's tokens name it; what does not is no organization's.
                demands: vec![
                    Demand::claim(member("tid"), [Pattern::new("?*")]),
                    Demand::claim(member("ver"), [Pattern::new("1.0"), Pattern::new("2.0")]),
                ],
                demands_any: vec![
                    // An ID token names no client that acts.
                    vec![
                        Demand::claim(member("azp"), [Pattern::new("?*")]),
                        Demand::claim(member("appid"), [Pattern::new("?*")]),
                    ],
                    // Any program of the tenant gets a token for any resource; only these say that it was given rights.
                    vec![
                        Demand::claim(member("scp"), [Pattern::new("?*")]),
                        Demand::claim(member("roles"), [Pattern::new("?*")]),
                    ],
                ],
                ..strict
            },
            Self::Okta => Expectations {
                clients: vec![member("cid")],
                scopes: vec![member("scp")],
                roles: vec![member("groups")],
                // They have no `typ`; the id says what they are.
                may_lack_type: true,
                demands: vec![Demand::claim(member("jti"), [Pattern::new("AT.*")])],
                ..strict
            },
        }
    }
}

impl Expectations {
    /// Tokens of one of Clerk's JWT templates alone: a claim names it, in one of the places where templates put it, and
    /// plain session tokens are refused.
    pub fn demand_clerk_template(&mut self, name: &str) {
        let places = [
            ClaimPath::member("template"),
            ClaimPath::member("tpl"),
            ClaimPath::pointer(&["mcp", "template"]),
        ];
        self.demands.push(Demand::header_if_any("cat", &CLERK_NO_SESSION));
        self.demands_any.push(places.map(|place| Demand::claim(place, [Pattern::exact(name)])).into());
    }
}

#[cfg(test)]
mod tests;
