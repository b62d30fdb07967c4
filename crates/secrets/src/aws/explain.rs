//! What went wrong with AWS, in words that say what to do.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;

use super::{REQUEST_TIMEOUT, odd};
use crate::{SecretError, SecretRef, Store};

/// Codes that say that it is not known who asks.
const STRANGERS: [&str; 6] = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "ExpiredTokenException",
    "MissingAuthenticationTokenException",
];

pub(super) fn explain(reference: &SecretRef, error: &SdkError<GetSecretValueError>) -> SecretError {
    match error {
        SdkError::ServiceError(refusal) => {
            let status = refusal.raw().status().as_u16();
            refused(reference, refusal.err().code().unwrap_or_default(), status)
        }
        SdkError::TimeoutError(_) => SecretError::Timeout { store: Store::Aws, after: REQUEST_TIMEOUT },
        SdkError::ResponseError(_) => odd("it is not the JSON that AWS documents".into()),
        other => match credentials(other) {
            Some(CredentialsError::CredentialsNotLoaded(_)) => SecretError::NoCredentials,
            Some(error) => SecretError::Setup { store: Store::Aws, reason: root_cause(error) },
            None => SecretError::Unreachable { store: Store::Aws, reason: root_cause(other) },
        },
    }
}

/// The code is a word out of AWS's documentation; what is none is not repeated.
fn refused(reference: &SecretRef, code: &str, status: u16) -> SecretError {
    let reference = reference.clone();
    let denied = |advice: &str| SecretError::Denied {
        store: Store::Aws,
        reference: reference.clone(),
        advice: advice.into(),
    };
    match code {
        "ResourceNotFoundException" => {
            let advice = "check its name, the region, the account, and that a version has this stage";
            SecretError::NotFound { reference, advice }
        }
        "InvalidRequestException" => {
            SecretError::Deleted { reference, advice: "`aws secretsmanager restore-secret`, or name another" }
        }
        "AccessDeniedException" => denied("allow `secretsmanager:GetSecretValue` on it to this role"),
        "DecryptionFailure" => denied("allow `kms:Decrypt` with its key to this role"),
        stranger if STRANGERS.contains(&stranger) => SecretError::LoginRefused {
            store: Store::Aws,
            status,
            advice: "the credentials are unknown, wrong or have expired, or the clock is".into(),
        },
        word if !word.is_empty()
            && word.len() < 64
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            odd(format!("{word} ({status})"))
        }
        _ => odd(format!("HTTP status {status}")),
    }
}

fn credentials<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
