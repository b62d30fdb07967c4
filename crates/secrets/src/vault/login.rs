//! What a login shows to Vault, in memory that is wiped (HARD 20).

use bearward_token::ClientSecret;
use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{VaultAuth, setup};
use crate::SecretError;

/// In JSON a byte of a text takes six at most: `\u0000`.
const LONGEST_IN_JSON: usize = 6;
/// Names, quotes and braces.
const AROUND: usize = 64;

#[derive(Serialize)]
struct AppRole<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

#[derive(Serialize)]
struct Kubernetes<'a> {
    role: &'a str,
    jwt: &'a str,
}

/// Where the method is mounted, and what it is sent; `None` for a token, which needs no login.
pub(super) fn login<'a>(
    auth: &'a VaultAuth,
    secret: &ClientSecret,
) -> Result<Option<(&'a str, Bytes)>, SecretError> {
    let secret = secret.expose();
    Ok(match auth {
        VaultAuth::AppRole { mount, role_id, .. } => {
            Some((mount, body(&AppRole { role_id, secret_id: secret }, role_id, secret)?))
        }
        VaultAuth::Kubernetes { mount, role, .. } => {
            Some((mount, body(&Kubernetes { role, jwt: secret }, role, secret)?))
        }
        VaultAuth::Token(_) => None,
    })
}

/// All of the room is taken at once: a buffer that grows leaves copies behind.
fn body(login: &impl Serialize, role: &str, secret: &str) -> Result<Bytes, SecretError> {
    let room = AROUND + LONGEST_IN_JSON * (role.len() + secret.len());
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *body, login).map_err(|_| setup("its login cannot be written".into()))?;
    debug_assert!(body.len() <= room, "it grew");
    Ok(Bytes::from_owner(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretRef;

    #[test]
    fn a_login_says_role_and_secret_whatever_letters_they_have_and_its_buffer_never_grows() {
        let at = || SecretRef::Env("S".into());
        for secret in ["plain", "q\"\\\n", &"\u{1}".repeat(1000)] {
            let (mount, role) = ("m".to_owned(), secret.to_owned());
            let approle = VaultAuth::AppRole { mount: mount.clone(), role_id: role.clone(), secret_id: at() };
            let kubernetes = VaultAuth::Kubernetes { mount, role, token: at() };
            for (auth, names) in [(approle, ["role_id", "secret_id"]), (kubernetes, ["role", "jwt"])] {
                let (mount, body) = login(&auth, &ClientSecret::new(secret)).unwrap().unwrap();
                let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!((mount, names.map(|name| read[name].as_str())), ("m", [Some(secret); 2]));
            }
        }
        assert!(login(&VaultAuth::Token(at()), &ClientSecret::new("x")).unwrap().is_none());
    }
}
