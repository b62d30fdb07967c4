use std::collections::HashSet;

use bearward_token::SealingKey;
use proptest::prelude::*;

use super::*;
use crate::promises::{place, secret};
use crate::row::State;

fn key(byte: u8) -> SealingKey {
    SealingKey::new(hex::encode([byte; 32]))
}

fn keys(bytes: &[u8]) -> SealingKeys {
    let keys: Vec<_> = bytes.iter().map(|byte| key(*byte)).collect();
    SealingKeys::parse(&keys).unwrap()
}

fn row(number: u8, text: &str) -> Row {
    let state = State::Live { secret: secret(text), expires_at: Some(1_900_000_000) };
    Row { place: place(number), version: 42, state }
}

fn open(keys: &SealingKeys, number: u8, bytes: &[u8]) -> Result<Row, Damage> {
    keys.open(&place(number).id(), bytes).map(|opened| opened.row)
}

proptest! {
    // HARD 19
    #[test]
    fn what_is_sealed_opens_at_its_place(text in ".{0,200}", number in any::<u8>()) {
        let (keys, row) = (keys(&[1]), row(number, &text));
        prop_assert_eq!(open(&keys, number, &keys.seal(&row).unwrap()), Ok(row));
    }

    // HARD 19
    #[test]
    fn bytes_from_anywhere_are_damage(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&keys(&[1]), 1, &bytes).is_err());
    }
}

// HARD 19
#[test]
fn a_flipped_bit_is_a_typed_failure_wherever_it_is() {
    let keys = keys(&[1]);
    let sealed = keys.seal(&row(1, "tok-123")).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut altered = sealed.clone();
            altered[at] ^= 1 << bit;
            let damage = open(&keys, 1, &altered).unwrap_err();
            let expected = match at {
                0 => matches!(damage, Damage::UnknownFormat { .. }),
                1..9 => matches!(damage, Damage::UnknownKey { .. }),
                9..41 => matches!(damage, Damage::Misplaced { .. }),
                // A length that grew says that something is missing.
                49..53 => matches!(damage, Damage::Truncated { .. } | Damage::Altered),
                _ => damage == Damage::Altered,
            };
            assert!(expected, "byte {at}, bit {bit}: {damage:?}");
        }
    }
}

// HARD 19
#[test]
fn a_record_cut_anywhere_is_truncated_and_one_that_grew_is_altered() {
    let keys = keys(&[1]);
    let mut sealed = keys.seal(&row(1, "tok-123")).unwrap();
    for length in 0..sealed.len() {
        assert_eq!(open(&keys, 1, &sealed[..length]), Err(Damage::Truncated { bytes: length }));
    }
    sealed.push(0);
    assert_eq!(open(&keys, 1, &sealed), Err(Damage::Altered));
}

// HARD 19
#[test]
fn a_record_opens_at_no_other_place_also_when_its_label_is_forged() {
    let keys = keys(&[1]);
    let mut sealed = keys.seal(&row(1, "tok-123")).unwrap();
    assert_eq!(open(&keys, 2, &sealed), Err(Damage::Misplaced { belongs: place(1).id().to_string() }));
    sealed[9..41].copy_from_slice(place(2).id().as_bytes());
    assert_eq!(open(&keys, 2, &sealed), Err(Damage::Altered));
}

// HARD 19
#[test]
fn a_record_does_not_take_on_another_version() {
    let keys = keys(&[1]);
    let mut sealed = keys.seal(&row(1, "tok-123")).unwrap();
    sealed[41..49].copy_from_slice(&43_u64.to_be_bytes());
    assert_eq!(open(&keys, 1, &sealed), Err(Damage::Altered));
}

// HARD 19
#[test]
fn older_keys_open_the_newest_seals_and_an_unknown_one_is_named() {
    let sealed = keys(&[1]).seal(&row(1, "tok-123")).unwrap();
    let rotated = keys(&[2, 1]);
    let opened = rotated.open(&place(1).id(), &sealed).unwrap();
    assert!(!opened.is_newest_key);
    let anew = rotated.seal(&opened.row).unwrap();
    assert!(keys(&[2]).open(&place(1).id(), &anew).unwrap().is_newest_key);
    let key = hex::encode(&aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[1; 32]).as_ref()[..8]);
    assert_eq!(open(&keys(&[2]), 1, &sealed), Err(Damage::UnknownKey { key }));
}

#[test]
fn no_nonce_is_used_twice_and_no_secret_is_in_the_clear() {
    let keys = keys(&[1]);
    let mut nonces = HashSet::new();
    for _ in 0..1000 {
        let sealed = keys.seal(&row(1, "tok-123")).unwrap();
        assert!(nonces.insert(sealed[53..65].to_vec()));
        for clear in ["tok-123", "alice", "idp.example.com"] {
            assert!(!sealed.windows(clear.len()).any(|window| window == clear.as_bytes()));
        }
    }
}

#[test]
fn keys_are_read_in_every_form_that_people_have_them_in() {
    let bytes: Vec<u8> = (0xe0..=0xff).collect();
    let hex = hex::encode(&bytes);
    let url = "4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9_v8";
    let standard = "4OHi4+Tl5ufo6err7O3u7/Dx8vP09fb3+Pn6+/z9/v8=";
    let ids: HashSet<_> = [hex.as_str(), &hex.to_uppercase(), url, &format!("{url}="), standard]
        .into_iter()
        .map(|text| format!("{:?}", SealingKeys::parse([&SealingKey::new(text)]).unwrap()))
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let several =
        SealingKeys::parse([&SealingKey::new(format!("{url}\n{}, {}\n", "ab".repeat(32), "cd".repeat(32)))]);
    assert!(
        ids.iter().all(|id| format!("{:?}", several.as_ref().unwrap()).starts_with(id.trim_end_matches(']')))
    );
}

// HARD 20
#[test]
fn what_is_no_key_is_refused_without_showing_it() {
    let parse = |text: &str| SealingKeys::parse([&SealingKey::new(text)]).unwrap_err();
    assert_eq!(parse(" \n"), SealingKeyError::Missing);
    let good = "ab".repeat(32);
    for wrong in
        ["hunter2", &good[2..], &format!("{good}ab"), &"zz".repeat(32), &"A".repeat(42), &"ä".repeat(16)]
    {
        assert_eq!(parse(wrong), SealingKeyError::NotAKey { position: 1 }, "{wrong}");
    }
    let second = parse(&format!("{good},hunter2"));
    assert_eq!(
        second.to_string(),
        "sealing key number 2 is not 32 bytes in base64url or hexadecimal: make one with `bearward keygen`"
    );
    assert!(!format!("{:?}", keys(&[0xab])).contains("abab"));
}
