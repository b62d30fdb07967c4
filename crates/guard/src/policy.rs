//! What a caller needs for one call, in MCP's own terms: rules map methods and names to scopes and roles (SPEC RS-6).

use std::borrow::Cow;

use bearward_token::{Principal, ScopeSet};
use smallvec::SmallVec;

use crate::demand::Pattern;
use crate::message::Call;
use crate::spellings;

/// All rules of a guard. Every rule that fits a call counts, so an order cannot hide one.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    /// Those of [`LISTED`] that some rule is about, found once: every request asks.
    listed: Vec<&'static str>,
}

/// Methods that are applied to what lists show.
const LISTED: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The methods it is for, such as `tools/call`; empty: all.
    pub methods: Vec<Pattern>,
    /// The names of tools and prompts and the URIs of resources that it is for; empty: all.
    pub names: Vec<Pattern>,
    /// All of these are needed.
    pub scopes: ScopeSet,
    /// One of these is needed; empty: none.
    pub roles: Vec<String>,
}

/// What calls need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needed<'a> {
    /// All of these.
    pub scopes: Cow<'a, ScopeSet>,
    /// One of each list.
    pub roles: Vec<&'a [String]>,
}

impl Policy {
    /// A policy of these rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        let rules: Vec<_> = rules.into_iter().map(Rule::in_lower_case).collect();
        let listed = LISTED.into_iter().filter(|method| are_about(&rules, method)).collect();
        Self { rules, listed }
    }

    /// True when no call needs more than any other.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// True when some rule is about a method, whatever it is applied to: then lists of what it is applied to are cut
    /// to what a caller may use.
    pub fn has_rules_for(&self, method: &str) -> bool {
        if LISTED.contains(&method) { self.listed.contains(&method) } else { are_about(&self.rules, method) }
    }

    /// What all of these calls need together.
    pub fn needed<'a>(&'a self, calls: &[Call]) -> Needed<'a> {
        // Hardly ever more than one.
        let spellings: SmallVec<[_; 1]> = calls.iter().map(Spellings::of).collect();
        let mut needed = Needed::default();
        for rule in self.rules.iter().filter(|rule| spellings.iter().any(|call| rule.fits(call))) {
            match needed.scopes.is_empty() {
                true => needed.scopes = Cow::Borrowed(&rule.scopes),
                false => {
                    let all = needed.scopes.iter().chain(rule.scopes.iter());
                    needed.scopes = Cow::Owned(all.cloned().collect());
                }
            }
            if !rule.roles.is_empty() {
                needed.roles.push(&rule.roles);
            }
        }
        needed
    }
}

fn are_about(rules: &[Rule], method: &str) -> bool {
    let method = spellings::of(method);
    rules.iter().any(|rule| fits(&rule.methods, Some(&method)))
}

impl Rule {
    fn fits(&self, call: &Spellings<'_>) -> bool {
        fits(&self.methods, call.method.as_deref()) && fits(&self.names, call.name.as_deref())
    }

    /// As the spellings of what it is compared with are.
    fn in_lower_case(self) -> Self {
        let lower = |patterns: Vec<Pattern>| patterns.into_iter().map(Pattern::in_lower_case).collect();
        Self { methods: lower(self.methods), names: lower(self.names), ..self }
    }
}

impl Needed<'_> {
    /// Whether a caller has the roles.
    pub fn has_roles(&self, caller: &Principal) -> bool {
        self.roles.iter().all(|any| caller.roles.iter().any(|role| any.iter().any(|one| **one == **role)))
    }
}

/// The ways in which a call may be read, found once for all rules.
struct Spellings<'a> {
    method: Option<spellings::All<'a>>,
    name: Option<spellings::All<'a>>,
}

impl<'a> Spellings<'a> {
    fn of(call: &'a Call) -> Self {
        Self {
            method: call.method.as_deref().map(spellings::of),
            name: call.name.as_deref().map(spellings::of),
        }
    }
}

fn fits(patterns: &[Pattern], spellings: Option<&[Cow<'_, str>]>) -> bool {
    let fits_one = |spelling: &Cow<'_, str>| patterns.iter().any(|pattern| pattern.fits(spelling));
    patterns.is_empty() || spellings.is_some_and(|spellings| spellings.iter().any(fits_one))
}

#[cfg(test)]
mod tests;
