//! What a signed token claims: for whom, until when, who, and which role that is here.
//!
//! A claim of the wrong type is wrong, never absent.

use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde_json::{Map, Value};

use super::settings::OidcSettings;
use crate::auth::Role;

/// By how much clocks may differ.
const LEEWAY: Nanos = Nanos::from_secs(30);
/// The longest name that a token may give. Unit: bytes.
const NAME_BYTES_MAX: usize = 200;

pub(super) type Claims = Map<String, Value>;

/// Why a token that was signed well is none for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("it is of another issuer")]
    Issuer,
    #[error("it is for somebody else")]
    Audience,
    #[error("it has ended")]
    Ended,
    #[error("it is not valid yet")]
    Early,
    #[error("it does not say whom it is about")]
    Subject,
    #[error("it was made for another sign-in")]
    Nonce,
}

/// Holds against whom it is from, whom it is for, and its times.
pub(super) fn check(
    claims: &Claims,
    issuer: &str,
    audience: &str,
    now: Timestamp,
) -> Result<(), Invalid> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(Invalid::Issuer);
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    };
    if !is_for_us {
        return Err(Invalid::Audience);
    }
    let until = claims.get("exp").and_then(moment).ok_or(Invalid::Ended)?;
    if now >= until + LEEWAY {
        return Err(Invalid::Ended);
    }
    if let Some(from) = claims.get("nbf") {
        let from = moment(from).ok_or(Invalid::Early)?;
        if now + LEEWAY < from {
            return Err(Invalid::Early);
        }
    }
    Ok(())
}

/// What a sign-in holds against besides: the nonce that it was begun with, and, where others may use the token
/// as well, that it was made for us.
pub(super) fn check_sign_in(claims: &Claims, client: &str, nonce: &str) -> Result<(), Invalid> {
    if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
        return Err(Invalid::Nonce);
    }
    let has_others = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    match claims.get("azp") {
        Some(party) if party.as_str() != Some(client) => Err(Invalid::Audience),
        None if has_others => Err(Invalid::Audience),
        _ => Ok(()),
    }
}

/// Whom it is about: by the claim that the configuration names; by the subject where that claim is absent. One
/// that is no name is wrong: whoever chose it would choose to be shown by another.
pub(super) fn name(claims: &Claims, settings: &OidcSettings) -> Result<Name, Invalid> {
    let value = claims.get(&settings.name_claim).or_else(|| claims.get("sub"));
    let text = value.and_then(Value::as_str).ok_or(Invalid::Subject)?.trim();
    let is_name = (1..=NAME_BYTES_MAX).contains(&text.len());
    if !is_name || text.chars().any(|c| c.is_control() || is_unseen(c)) {
        return Err(Invalid::Subject);
    }
    Ok(Name::from(text))
}

/// Characters that show nothing or turn the direction of what follows, by which one name looks as another.
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The greatest role that it gives; `None`: it gives none.
pub(super) fn role(claims: &Claims, settings: &OidcSettings) -> Option<Role> {
    let value = at(claims, &settings.roles_claim)?;
    let words: Vec<&str> = match value {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let is_said =
        |role: &Role| settings.words(*role).iter().any(|word| words.contains(&word.as_str()));
    Role::ALL.into_iter().rev().find(is_said)
}

/// A claim by its own name (which may have dots, or be a URL), else by a path through objects.
fn at<'c>(claims: &'c Claims, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    at(claims.get(first)?.as_object()?, rest)
}

/// A moment in seconds since 1970; other types and what is out of range are none.
fn moment(value: &Value) -> Option<Timestamp> {
    let number = value.as_number()?;
    let secs = number.as_i64().or_else(|| {
        let secs = number.as_f64()?;
        #[expect(clippy::cast_possible_truncation, reason = "the range is looked at first")]
        (secs.is_finite() && secs.abs() < 9.0e9).then_some(secs as i64)
    })?;
    (0..9_000_000_000).contains(&secs).then(|| Timestamp::from_millis(secs * 1000))
}
