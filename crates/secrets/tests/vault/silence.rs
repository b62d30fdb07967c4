//! Nothing secret is in an error, in a `Debug`, or in a log of any level (HARD 20).

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bearward_secrets::{SecretRef, VaultAuth};
use bearward_testbed::vault::{Fault, Place};

use crate::scene::{NOTES, Scene, at};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_and_no_token_is_ever_seen() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // While there is one subscriber alone, whichever thread comes by a line first decides for all whether it is logged:
    // another test's would say no.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut said = String::new();
    let jwt = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&jwt, "header.payload.signature-of-the-service-account").unwrap();
    let auth = VaultAuth::Kubernetes {
        mount: "kubernetes".into(),
        role: "bearward".into(),
        token: SecretRef::File(jwt.path().into()),
    };
    for auth in [None, Some(auth)] {
        let scene =
            Scene::with(|vault| vault, |settings| settings.auth = auth.unwrap_or(settings.auth.clone()))
                .await;
        scene.vault.kubernetes("bearward", "header.payload.signature-of-the-service-account", &[NOTES]);
        said += &format!("{:?}", scene.read().await.map(|_| ()));
        said += &format!(
            "{:?} {:?}",
            scene.secrets,
            scene.secrets.known(&at("kv", "notes/client", "client_secret"))
        );
        for path in ["payments", "notes/nobody"] {
            let error = scene.read_at("kv", path, "x").await.unwrap_err();
            said += &format!("{error} {error:?}");
        }
        for fault in [
            Fault::Status(400),
            Fault::Status(503),
            Fault::Body(r#"{"data":{"data":{"x":"wonderland"}}}"#.into()),
            Fault::Body(r#"{"data": "wonderland"}"#.into()),
            Fault::Reset,
        ] {
            for place in [Place::Login, Place::Read] {
                scene.vault.revoke_tokens();
                scene.vault.fault(place, fault.clone());
                scene.clock.advance(Duration::from_secs(60));
                let error = scene.read_at("kv", "notes/client", "x").await.unwrap_err();
                said += &format!("{error} {error:?}");
                scene.vault.mend();
            }
        }
        said += &String::from_utf8_lossy(&std::mem::take(&mut *log.0.lock().unwrap()));
        let secrets = scene.vault.secrets();
        assert!(secrets.len() > 5, "there was something to look for");
        for secret in secrets {
            assert!(!said.contains(&secret), "{secret} was seen");
        }
    }
    assert!(said.contains("cannot be read"), "there was a log to look in");
}
