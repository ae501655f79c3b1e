//! Sign-in at an OpenID issuer, as a browser goes through it: there, and back with a code.
//!
//! Who comes back gets a page that leads on, not a redirect: a redirect would still be the issuer's, and a
//! browser would not show our `Strict` cookie with it. What is deliberately absent: the protocol
//! (`crate::auth::oidc`), and any word from outside in a page.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::HttpState;
use super::console::{Next, html};
use super::metrics::{Metric, Stage};
use super::security::Security;
use crate::auth::oidc::{Callback, SignInError};
use crate::clock;

const SIGNED_IN: &str = include_str!("assets/signed_in.html");
const REFUSED: &str = include_str!("assets/sign_in_refused.html");
const NO_ROLE: &str = include_str!("assets/sign_in_no_role.html");
const AWAY: &str = include_str!("assets/sign_in_away.html");

pub(super) async fn begin(
    State(state): State<HttpState>,
    Query(next): Query<Next>,
    headers: HeaderMap,
) -> Response {
    let Some(issuer) = state.security.sign_in_issuer() else {
        return Redirect::to("/login").into_response();
    };
    let begun = match issuer.begin(next.page(), clock::now()).await {
        Ok(begun) => begun,
        Err(error) => return told(&state, &error),
    };
    match (state.security.begun(&begun.browser, &headers), HeaderValue::from_str(&begun.to)) {
        (Some(cookie), Ok(to)) => {
            let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, to)];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        _ => told(&state, &SignInError::Away("its page has no address".to_owned())),
    }
}

pub(super) async fn finish(
    State(state): State<HttpState>,
    Query(callback): Query<Callback>,
    headers: HeaderMap,
) -> Response {
    let Some(issuer) = state.security.sign_in_issuer() else {
        return Redirect::to("/login").into_response();
    };
    let browser = Security::begun_by(&headers).unwrap_or_default();
    let signed_in = match issuer.finish(&callback, browser, clock::now()).await {
        Ok(signed_in) => signed_in,
        Err(error) => return told(&state, &error),
    };
    // The page was looked at when it began: it is one of ours.
    let on = HeaderValue::from_str(&format!("0;url={}", signed_in.next));
    let session = &signed_in.session;
    match (state.security.session_cookie(session, signed_in.secs, &headers), on) {
        (Some(cookie), Ok(on)) => {
            let refresh = header::HeaderName::from_static("refresh");
            let headers = [(header::SET_COOKIE, cookie), (refresh, on)];
            (headers, html(StatusCode::OK, SIGNED_IN)).into_response()
        }
        _ => told(&state, &SignInError::Refused("no cookie can be made".to_owned())),
    }
}

/// What went wrong, in a page; the reason stands in our log, since a stranger may have brought it about.
fn told(state: &HttpState, error: &SignInError) -> Response {
    tracing::warn!(%error, "a sign-in at the issuer was not finished");
    state.metrics.add(Metric::RequestsRefused, Stage::Console, 1);
    match error {
        SignInError::Refused(_) => html(StatusCode::UNAUTHORIZED, REFUSED),
        SignInError::NoRole(_) => html(StatusCode::FORBIDDEN, NO_ROLE),
        SignInError::Away(_) => html(StatusCode::SERVICE_UNAVAILABLE, AWAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_of_tls_where_the_issuer_sends_people_back_by_tls() {
        use crate::auth::oidc::{Oidc, double::Double};
        let settings = Double::start(&[]).settings();
        for (back, is) in
            [("http://localhost/login/callback", false), ("https://f.example/x", true)]
        {
            let mut settings = settings.clone();
            settings.redirect_url = Some(back.to_owned());
            let security = Security::default().with_issuer(Oidc::new(settings));
            for cookie in [
                security.begun("x", &HeaderMap::new()).unwrap(),
                security.session_cookie("x", 60, &HeaderMap::new()).unwrap(),
            ] {
                assert_eq!(cookie.to_str().unwrap().contains("; Secure"), is, "{back}");
            }
        }
    }

    #[test]
    fn no_page_of_a_sign_in_holds_a_script_or_a_style() {
        for page in [SIGNED_IN, REFUSED, NO_ROLE, AWAY] {
            for word in ["style=", "<style", "<script", " on"] {
                assert!(!page.contains(word), "{word}: {page}");
            }
        }
    }
}
