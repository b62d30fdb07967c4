use super::*;

#[test]
fn every_way_in_which_a_disk_can_be_full_has_one_name() {
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
        let error = failed("writing", Path::new("/state/x"), &kind.into());
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    }
    let other = failed("writing", Path::new("/state/x"), &ErrorKind::PermissionDenied.into());
    assert_eq!(other.to_string(), "writing `/state/x` failed: permission denied");
}
