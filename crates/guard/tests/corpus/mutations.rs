//! Ten thousand good tokens with something changed: none is let in, none panics.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::scene::{KINDS, Scene};

/// What is done to a token.
#[derive(Debug, Clone)]
enum Change {
    Replace(usize, u8),
    Remove(usize),
    Insert(usize, u8),
    Swap(usize, usize),
    Cut(usize),
    Flip(usize, u8),
}

impl Change {
    fn apply(&self, token: &mut Vec<u8>) {
        let length = token.len();
        match *self {
            Self::Replace(at, byte) => token[at % length] = byte,
            Self::Remove(at) => drop(token.remove(at % length)),
            Self::Insert(at, byte) => token.insert(at % length, byte),
            Self::Swap(one, two) => token.swap(one % length, two % length),
            Self::Cut(at) => token.truncate(at % length),
            Self::Flip(at, bit) => token[at % length] ^= 1 << (bit % 7),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    // Mostly what belongs into a token, so that the change is not seen too early.
    let letter = prop_oneof![
        8 => proptest::sample::select(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".to_vec()),
        1 => proptest::sample::select(b".=+/~ ".to_vec()),
        1 => any::<u8>().prop_filter("a header can carry it", |byte| (0x21..0x7f).contains(byte)),
    ];
    let at = any::<usize>();
    prop_oneof![
        (at, letter.clone()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        at.prop_map(Change::Remove),
        (at, letter).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (at, at).prop_map(|(one, two)| Change::Swap(one, two)),
        at.prop_map(Change::Cut),
        (at, any::<u8>()).prop_map(|(at, bit)| Change::Flip(at, bit)),
    ]
}

#[test]
fn no_token_that_differs_from_a_good_one_is_let_in() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scene = runtime.block_on(Scene::new());
    let tokens: Vec<_> = (0..KINDS.len()).map(|kind| scene.of(0, kind).build()).collect();
    let mut runner =
        TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let changes = (0..KINDS.len(), proptest::collection::vec(change(), 1..4));
    let outcome = runner.run(&changes, |(kind, changes)| {
        let good = &tokens[kind];
        let mut bent = good.clone().into_bytes();
        for change in &changes {
            if !bent.is_empty() {
                change.apply(&mut bent);
            }
        }
        let Ok(bent) = String::from_utf8(bent) else { return Ok(()) };
        // Any number of spaces may stand between the scheme and the token (RFC 6750 §2.1): the same token.
        if bent.trim_start_matches(' ') != good {
            let refused = runtime.block_on(scene.present(&bent));
            prop_assert!(refused.is_some(), "let in: {bent}");
        }
        Ok(())
    });
    outcome.unwrap();
}
