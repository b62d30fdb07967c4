//! `reuseAuthorizer` and `reuseAuthorizerMode`, and the two variables that beat them for a whole process.

use bearward_client::Choice;
use bearward_client::choice::BadVariable;

use super::problem::Problem;
use super::reader::{Problems, Section};
use super::tree::Place;

/// What a section says.
pub(crate) fn choice(section: &Section<'_>) -> Choice {
    let mode = section.parsed("reuseAuthorizerMode", "write `bearer_first` or `cookie_first`");
    Choice { reuse: section.flag("reuseAuthorizer"), mode }
}

/// What the environment says. A variable that says something else than it can is an error: a switch that is misspelt must
/// not silently be another.
pub(crate) fn of_environment(variables: &[(String, String)], problems: &Problems) -> Choice {
    let variable =
        |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
    Choice::of_environment(variable).unwrap_or_else(|error| {
        let BadVariable { name, text, help } = &error;
        let at = Place::Env((*name).to_owned());
        problems.add(Problem::error(
            &at,
            format!("environment variable `{name}` is `{text}`"),
            "",
            format!("write {help}, or unset it"),
        ));
        Choice::default()
    })
}
