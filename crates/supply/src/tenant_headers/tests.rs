use super::*;

const NOW: u64 = 1_800_000_000_000;

fn signer(secret: &str) -> TenantSigner {
    TenantSigner::new("X-TB", &ClientSecret::new(secret)).unwrap()
}

fn signed(tenant: &str, at: u64) -> HeaderMap {
    signer("s3cret").sign(tenant, at).unwrap().into_iter().collect()
}

#[test]
fn the_headers_are_the_ones_that_the_api_knows() {
    let headers = signed("acme", 1_700_000_000_000);
    let shown: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    // Made with: printf %s acme:1700000000000 | openssl dgst -sha256 -hmac s3cret
    let expected = "x-tb-signature: b61688eef455367eb0ab2973cb16955e2fabbdfb12f8a94cc5612ae1121d96dd";
    assert_eq!(shown[..2], ["x-tb-tenant-id: acme", "x-tb-timestamp: 1700000000000"]);
    assert_eq!(shown[2], expected);
}

#[test]
fn a_signature_holds_for_its_own_tenant_and_moment_alone() {
    let verify = |headers: &HeaderMap, now| signer("s3cret").verify(headers, now).map(str::to_owned);
    assert_eq!(verify(&signed("acme", NOW), NOW), Ok("acme".into()));
    assert_eq!(verify(&signed("acme", NOW), NOW + 300_000), Ok("acme".into()));
    assert_eq!(verify(&signed("acme", NOW), NOW - 300_000), Ok("acme".into()));
    assert_eq!(verify(&signed("acme", NOW), NOW + 300_001), Err(TenantError::Stale));
    assert_eq!(verify(&signed("acme", NOW), NOW - 300_001), Err(TenantError::Stale));
    assert_eq!(signer("other").verify(&signed("acme", NOW), NOW), Err(TenantError::Signature));

    let mut swapped = signed("acme", NOW);
    swapped.insert("x-tb-tenant-id", "evil".parse().unwrap());
    assert_eq!(verify(&swapped, NOW), Err(TenantError::Signature));
    let mut moved = signed("acme", NOW);
    moved.insert("x-tb-timestamp", (NOW + 1).into());
    assert_eq!(verify(&moved, NOW), Err(TenantError::Signature));
    let mut doubled = signed("acme", NOW);
    doubled.append("x-tb-tenant-id", "evil".parse().unwrap());
    assert_eq!(verify(&doubled, NOW), Err(TenantError::Malformed));
    assert_eq!(verify(&HeaderMap::new(), NOW), Err(TenantError::Malformed));
}

#[test]
fn a_tenant_that_no_header_can_carry_is_not_signed() {
    for tenant in ["", "a b", "a\nb", "ä", &"x".repeat(257)] {
        assert!(signer("s").sign(tenant, NOW).is_none(), "{tenant:?}");
    }
    assert!(TenantSigner::new("X TB", &ClientSecret::new("s")).is_err());
    assert!(TenantSigner::new("", &ClientSecret::new("s")).is_err());
}
