//! TLS that cannot be trusted or is none: no secret goes there, and a better address in the metadata is enough.

use std::net::TcpListener;

use bearward_testbed::authorization_server::{Fault, Place};
use bearward_testbed::tls::{BadTls, BadTlsPort};
use serde_json::json;

use crate::check::each;
use crate::row::{Row, UNREACHABLE};
use crate::world::World;

// HARD 7
#[tokio::test]
async fn a_place_without_good_tls_is_shown_no_secret_and_left_when_the_metadata_names_another() {
    let world = World::discovering().await;
    let self_signed = BadTlsPort::start(BadTls::SelfSigned).await.unwrap();
    let closing = BadTlsPort::start(BadTls::ClosesMidHandshake).await.unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let places = [
        ("a certificate that signed itself", self_signed.origin()),
        ("closed in the middle of the handshake", closing.origin()),
        ("plain HTTP where TLS should be", world.server.origin().replace("http:", "https:")),
        ("nobody listens", format!("https://{nobody}")),
    ];
    let row = |(name, origin): (&str, String)| Row {
        name: name.into(),
        place: Place::Metadata,
        fault: Fault::Body {
            body: json!({"issuer": world.server.issuer(), "token_endpoint": format!("{origin}/token")})
                .to_string(),
        },
        expected: UNREACHABLE,
    };
    each(&world, places.map(row).into()).await;
    assert!(self_signed.connections() > 0 && closing.connections() > 0);
    assert_eq!(self_signed.request_bytes(), 0, "the secret was sent to a stranger");
}
