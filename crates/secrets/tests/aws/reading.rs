//! What is read, how it rotates, and what is said when it cannot be read.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::primitives::Blob;
use bearward_secrets::{AwsRef, AwsSettings, SecretError, SecretRef, Secrets, Store, StoreSettings};
use bearward_token::{ManualClock, SystemClock};

use crate::moto::{Moto, REFRESH};

/// Set in the process that a test starts of itself.
const ALONE: &str = "BEARWARD_TEST_ALONE";

fn at(id: &str, field: Option<&str>, stage: Option<&str>) -> SecretRef {
    SecretRef::Aws(AwsRef { id: id.into(), field: field.map(Into::into), stage: stage.map(Into::into) })
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix_ms(1_800_000_000_000))
}

async fn read(secrets: &Secrets, reference: &SecretRef) -> Result<String, SecretError> {
    secrets.read(reference).await.map(|secret| secret.expose().to_owned())
}

#[tokio::test]
async fn a_secret_rotates_through_its_stages_and_is_seen_once_what_was_known_is_old() {
    let test = "a_secret_rotates_through_its_stages_and_is_seen_once_what_was_known_is_old";
    let Some(moto) = Moto::start(test).await else { return };
    let clock = clock();
    let secrets = moto.secrets(clock.clone());
    let (current, pending, previous) = (
        at("prod/notes", None, None),
        at("prod/notes", None, Some("AWSPENDING")),
        at("prod/notes", None, Some("AWSPREVIOUS")),
    );
    let first = moto.admin.create_secret().name("prod/notes").secret_string("old").send().await.unwrap();
    assert_eq!(read(&secrets, &current).await.as_deref(), Ok("old"));
    let version = secrets.version(&current);
    // A rotation puts the new version beside the current one, and moves the stage when it has been tried.
    let put = moto.admin.put_secret_value().secret_id("prod/notes").secret_string("new");
    let put = put.version_stages("AWSPENDING").send().await.unwrap();
    clock.advance(REFRESH);
    assert_eq!(read(&secrets, &current).await.as_deref(), Ok("old"), "a pending version is not used");
    assert_eq!(read(&secrets, &pending).await.as_deref(), Ok("new"), "but by who asks for it");
    let stage = moto.admin.update_secret_version_stage().secret_id("prod/notes").version_stage("AWSCURRENT");
    let stage = stage.move_to_version_id(put.version_id().unwrap());
    stage.remove_from_version_id(first.version_id().unwrap()).send().await.unwrap();
    assert_eq!(read(&secrets, &current).await.as_deref(), Ok("old"), "what is known is still fresh");
    clock.advance(REFRESH);
    assert_eq!(read(&secrets, &current).await.as_deref(), Ok("new"));
    assert_eq!(read(&secrets, &previous).await.as_deref(), Ok("old"));
    assert!(secrets.version(&current) != version);
}

#[tokio::test]
async fn a_member_of_a_json_object_is_read_and_what_is_no_text_is_told() {
    let test = "a_member_of_a_json_object_is_read_and_what_is_no_text_is_told";
    let Some(moto) = Moto::start(test).await else { return };
    let secrets = moto.secrets(clock());
    let object = r#"{"client_id": "notes", "client_secret": "wonderland", "port": 5432}"#;
    for (name, text) in [("object", object), ("text", "wonderland")] {
        moto.admin.create_secret().name(name).secret_string(text).send().await.unwrap();
    }
    moto.admin.create_secret().name("bytes").secret_binary(Blob::new([0xff, 0])).send().await.unwrap();
    assert_eq!(read(&secrets, &at("object", Some("client_secret"), None)).await.as_deref(), Ok("wonderland"));
    assert_eq!(read(&secrets, &at("object", None, None)).await.as_deref(), Ok(object));
    let error = async |id: &str, field: Option<&str>| read(&secrets, &at(id, field, None)).await.unwrap_err();
    assert!(matches!(error("object", Some("password")).await, SecretError::NoField(_)));
    assert!(matches!(error("object", Some("port")).await, SecretError::NotText(_)));
    assert!(matches!(error("text", Some("client_secret")).await, SecretError::NoObject(_)));
    assert!(matches!(error("bytes", None).await, SecretError::Binary(_)));
}

#[tokio::test]
async fn what_is_missing_or_deleted_is_told_apart() {
    let test = "what_is_missing_or_deleted_is_told_apart";
    let Some(moto) = Moto::start(test).await else { return };
    let secrets = moto.secrets(clock());
    moto.admin.create_secret().name("gone").secret_string("x").send().await.unwrap();
    let error = async |reference: SecretRef| read(&secrets, &reference).await.unwrap_err();
    let missing = error(at("nobody", None, None)).await;
    let stage = error(at("gone", None, Some("AWSPENDING"))).await;
    for error in [&missing, &stage] {
        assert!(matches!(error, SecretError::NotFound { .. }), "{error:?}");
    }
    moto.admin.delete_secret().secret_id("gone").send().await.unwrap();
    let deleted = error(at("gone", None, None)).await;
    assert!(matches!(deleted, SecretError::Deleted { .. }), "{deleted:?}");
    insta::assert_snapshot!([missing, stage, deleted].map(|error| error.to_string()).join("\n"));
}

#[tokio::test]
async fn what_is_known_serves_when_the_service_is_gone() {
    let Some(moto) = Moto::start("what_is_known_serves_when_the_service_is_gone").await else { return };
    let clock = clock();
    let (secrets, reference) = (moto.secrets(clock.clone()), at("prod/notes", None, None));
    moto.admin.create_secret().name("prod/notes").secret_string("wonderland").send().await.unwrap();
    assert_eq!(read(&secrets, &reference).await.as_deref(), Ok("wonderland"));
    let stores = moto.stores();
    drop(moto);
    clock.advance(REFRESH);
    assert_eq!(read(&secrets, &reference).await.as_deref(), Ok("wonderland"));
    let environment = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let others = Secrets::with_stores(environment.into(), stores, clock);
    let error = read(&others, &reference).await.unwrap_err();
    assert!(matches!(error, SecretError::Unreachable { store: Store::Aws, .. }), "{error:?}");
}

/// The SDK looks at the process's own environment, which no test may change: the test is another process.
#[tokio::test]
async fn without_credentials_or_a_region_the_error_says_what_to_give() {
    let test = "reading::without_credentials_or_a_region_the_error_says_what_to_give";
    if std::env::var_os(ALONE).is_none() {
        let home = tempfile::tempdir().unwrap();
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", test, "--nocapture"]).env_clear().env(ALONE, "1").env("HOME", home.path());
        let output = again.env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let reference = at("prod/notes", None, None);
    let nowhere = Secrets::new([].into());
    assert_eq!(read(&nowhere, &reference).await, Err(SecretError::NoRegion));
    let aws = AwsSettings {
        region: Some("eu-central-1".into()),
        endpoint: Some("http://127.0.0.1:1".parse().unwrap()),
        refresh: Duration::from_secs(30),
    };
    let stores = StoreSettings { vault: None, aws };
    let nobody = Secrets::with_stores([].into(), stores, Arc::new(SystemClock::new()));
    assert_eq!(read(&nobody, &reference).await, Err(SecretError::NoCredentials));
}

#[tokio::test]
async fn no_secret_is_in_an_error_or_a_debug() {
    let Some(moto) = Moto::start("no_secret_is_in_an_error_or_a_debug").await else { return };
    let secrets = moto.secrets(clock());
    moto.admin.create_secret().name("object").secret_string(r#"{"a": "wonderland"}"#).send().await.unwrap();
    moto.admin.create_secret().name("text").secret_string("wonderland").send().await.unwrap();
    let mut said = format!("{secrets:?} {:?}", moto.stores());
    for (id, field) in [("object", Some("b")), ("text", Some("b")), ("text", None), ("nobody", None)] {
        said += &format!("{:?}", secrets.read(&at(id, field, None)).await);
    }
    assert!(!said.contains("wonderland") && !said.contains("key-of-bearward"), "{said}");
}
