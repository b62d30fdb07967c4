use proptest::prelude::*;

use super::*;
use crate::promises::place;

fn a_row() -> impl Strategy<Value = Row> {
    let live = (prop::collection::vec(any::<u8>(), 0..40), any::<Option<u64>>())
        .prop_map(|(bytes, expires_at)| State::Live { secret: SecretBytes::new(bytes), expires_at });
    let tombstone = any::<u64>().prop_map(|until| State::Tombstone { until });
    (any::<u64>(), any::<u8>(), prop_oneof![live, tombstone]).prop_map(|(version, number, state)| Row {
        place: place(number),
        version,
        state,
    })
}

proptest! {
    #[test]
    fn a_row_is_read_back_from_its_own_writing(row in a_row()) {
        prop_assert_eq!(Row::decode(row.version, &row.encode(0)), Some(row));
    }

    #[test]
    fn bytes_from_anywhere_do_no_harm(row in a_row(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = row.encode(0);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Some(read) = Row::decode(row.version, &bytes) {
            prop_assert_eq!(read.encode(0), bytes);
        }
    }
}

// HARD 20
#[test]
fn the_buffer_that_holds_the_secret_does_not_grow() {
    let secret = SecretBytes::new(vec![7; 1000]);
    let row = Row { place: place(1), version: 1, state: State::Live { secret, expires_at: None } };
    let encoded = row.encode(16);
    assert_eq!(encoded.capacity(), encoded.len() + 16);
}
