use proptest::prelude::*;

use super::*;

fn a_place() -> impl Strategy<Value = Place> {
    let issuer = prop::sample::select(vec!["https://a.example", "https://a.example/", "https://b.example/x"]);
    let text = || prop::option::of(".{0,12}");
    let purpose = prop::sample::select(Purpose::ALL.to_vec());
    (text(), issuer, text(), ".{0,12}", purpose, any::<[u8; 32]>()).prop_map(
        |(tenant, issuer, subject, client, purpose, key)| Place {
            tenant,
            issuer: issuer.parse().unwrap(),
            subject,
            client,
            purpose,
            key,
        },
    )
}

proptest! {
    // HARD 4: what is read back from its writing shares that writing with nobody.
    #[test]
    fn a_place_is_read_back_from_its_own_writing(place in a_place()) {
        prop_assert_eq!(Place::decode(&place.encode()), Some(place));
    }

    // HARD 4
    #[test]
    fn different_places_have_different_ids(one in a_place(), other in a_place()) {
        prop_assert_eq!(one == other, one.id() == other.id());
        prop_assert_eq!(PlaceId::from_hex(&one.id().to_string()), Some(one.id()));
    }

    #[test]
    fn what_is_no_place_is_not_read_as_one(
        place in a_place(),
        cut in any::<prop::sample::Index>(),
        more in any::<u8>(),
    ) {
        let mut bytes = place.encode();
        prop_assert_eq!(Place::decode(&bytes[..cut.index(bytes.len())]), None);
        bytes.push(more);
        prop_assert_eq!(Place::decode(&bytes), None);
    }

    #[test]
    fn bytes_from_anywhere_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(place) = Place::decode(&bytes) {
            prop_assert_eq!(place.encode(), bytes);
        }
    }
}

// HARD 4
#[test]
fn parts_cannot_flow_into_each_other() {
    let place = |tenant: Option<&str>, subject: Option<&str>, client: &str| Place {
        tenant: tenant.map(Into::into),
        issuer: "https://as.example".parse().unwrap(),
        subject: subject.map(Into::into),
        client: client.into(),
        purpose: Purpose::Session,
        key: [0; 32],
    };
    assert_ne!(place(None, Some("a|b"), "c").id(), place(None, Some("a"), "b|c").id());
    assert_ne!(place(Some("a"), None, "c").id(), place(None, Some("a"), "c").id());
    assert_ne!(place(Some(""), None, "c").id(), place(None, None, "c").id());
}

#[test]
fn an_id_is_read_in_the_one_way_it_is_written() {
    let id = PlaceId::from_bytes([0xab; 32]);
    assert_eq!(PlaceId::from_hex(&id.to_string()), Some(id));
    for wrong in ["", "lock", &"AB".repeat(32), &"ab".repeat(31), &format!("{id}.tmp")] {
        assert_eq!(PlaceId::from_hex(wrong), None, "{wrong}");
    }
}
