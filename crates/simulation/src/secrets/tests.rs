use super::*;

#[test]
fn a_secret_that_came_late_is_not_forgotten_when_the_next_change_begins() {
    let change = |from, until, what| Spell { from: secs(from), until: secs(until), what: secs(what) };
    // The second is taken beside the first for ten minutes, and comes after two.
    let secrets = Secrets(vec![change(1000, 1000, 90), change(1100, 1700, 120)]);
    assert_eq!(secrets.good_for(secs(999)), Some(secs(999)));
    assert_eq!(secrets.good_for(secs(1050)), None);
    assert_eq!(secrets.good_for(secs(1110)), Some(secs(20)));
    assert_eq!(secrets.good_for(secs(1230)), Some(secs(10)));
}
