#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::*;

/// What each of the six levels that can be set says, out of one number: digit `n` of base 3 is nothing, no or yes.
fn levels(mut number: usize) -> (Levels, Vec<Option<bool>>) {
    let mut said = Vec::new();
    for _ in 0..6 {
        said.push([None, Some(false), Some(true)][number % 3]);
        number /= 3;
    }
    let choice = |at: usize| Choice {
        reuse: said[at],
        mode: said[at].map(|yes| if yes { Mode::CookieFirst } else { Mode::BearerFirst }),
    };
    let levels = Levels {
        context: choice(0),
        client: choice(1),
        cli: choice(2),
        env: choice(3),
        provider: choice(4),
        global: choice(5),
    };
    (levels, said)
}

#[test]
fn of_all_combinations_of_all_levels_the_most_particular_decides_the_switch_and_the_mode() {
    for number in 0..3_usize.pow(6) {
        let (levels, said) = levels(number);
        let first = said.iter().position(Option::is_some);
        let level = first.map_or(Level::BuiltIn, |at| Level::ALL[at]);
        let yes = first.and_then(|at| said[at]).unwrap_or(false);
        assert_eq!(levels.reuse(), Decided { value: yes, level }, "{said:?}");
        let mode = if yes { Mode::CookieFirst } else { Mode::BearerFirst };
        assert_eq!(levels.mode(), Decided { value: mode, level }, "{said:?}");
    }
}

#[test]
fn the_switch_and_the_mode_are_decided_apart_at_any_two_levels() {
    for reuse_at in 0..7 {
        for mode_at in 0..7 {
            let choice = |at| Choice {
                reuse: (at == reuse_at).then_some(true),
                mode: (at == mode_at).then_some(Mode::CookieFirst),
            };
            let levels = Levels {
                context: choice(0),
                client: choice(1),
                cli: choice(2),
                env: choice(3),
                provider: choice(4),
                global: choice(5),
            };
            assert_eq!(levels.reuse(), Decided { value: reuse_at < 6, level: Level::ALL[reuse_at] });
            let mode = if mode_at < 6 { Mode::CookieFirst } else { Mode::BearerFirst };
            assert_eq!(levels.mode(), Decided { value: mode, level: Level::ALL[mode_at] });
        }
    }
}

const UNSET: &str = "(unset)";

fn environment(reuse: &str, mode: &str) -> Result<Choice, BadVariable> {
    Choice::of_environment(|name| match name {
        "MCP_REUSE_AUTHORIZER" => Some(reuse.into()).filter(|text: &String| text != UNSET),
        "MCP_REUSE_AUTHORIZER_MODE" => Some(mode.into()).filter(|text: &String| text != UNSET),
        _ => None,
    })
}

#[test]
fn variables_say_it_in_any_case_and_with_either_stroke() {
    for (text, reuse) in
        [("true", true), ("TRUE", true), ("1", true), ("false", false), ("False", false), ("0", false)]
    {
        assert_eq!(environment(text, UNSET).unwrap(), Choice { reuse: Some(reuse), mode: None });
    }
    for text in ["cookie_first", "Cookie-First", "COOKIE_FIRST"] {
        assert_eq!(environment(UNSET, text).unwrap(), Choice { reuse: None, mode: Some(Mode::CookieFirst) });
    }
    assert_eq!(environment(UNSET, "bearer-first").unwrap().mode, Some(Mode::BearerFirst));
    assert_eq!(Choice::of_environment(|_| None).unwrap(), Choice::default());
}

#[test]
fn what_is_neither_yes_nor_no_is_an_error_and_no_default() {
    for text in ["yes", "on", "2", " true", "tru", "truefalse"] {
        let error = environment(text, "bearer_first").unwrap_err();
        assert_eq!(error.name, "MCP_REUSE_AUTHORIZER");
        assert!(error.to_string().contains("`true` or `false`"), "{error}");
    }
    for text in ["bearer", "bearer first", "cookiefirst", "first_bearer"] {
        let error = environment("true", text).unwrap_err();
        assert!(error.to_string().contains("`bearer_first` or `cookie_first`"), "{error}");
    }
}
