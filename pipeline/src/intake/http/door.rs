//! Who may send: a bearer token where senders are configured, or the secret by which a forge that
//! cannot send one is known. A page of a web site can send nothing without a token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sinks::config::secret::Secret;

use super::signature;
use super::state::IntakeState;
use crate::auth::Keyring;
use crate::http::metrics::{Metric, Stage};

/// Where GitHub's webhooks come.
pub(super) const GITHUB: &str = "/webhooks/github";
/// Where GitLab's webhooks come.
pub(super) const GITLAB: &str = "/webhooks/gitlab";

/// Who may send.
#[derive(Clone, Debug, Default)]
pub struct Door {
    senders: Option<Keyring>,
    github: Option<Arc<Secret>>,
    gitlab: Option<Arc<Secret>>,
}

impl Door {
    /// Demands one of these tokens. An empty ring lets nobody in.
    #[must_use]
    pub fn with_senders(mut self, senders: Keyring) -> Self {
        self.senders = Some(senders);
        self
    }

    /// The tokens, where some are asked for.
    #[must_use]
    pub fn senders(&self) -> Option<&Keyring> {
        self.senders.as_ref()
    }

    /// Demands GitHub's `X-Hub-Signature-256` with this secret, instead of a token.
    #[must_use]
    pub fn with_github_secret(mut self, secret: Secret) -> Self {
        self.github = Some(secret.into());
        self
    }

    /// Demands GitLab's `X-Gitlab-Token`, instead of a token.
    #[must_use]
    pub fn with_gitlab_token(mut self, token: Secret) -> Self {
        self.gitlab = Some(token.into());
        self
    }

    /// Whether a body comes from GitHub, as far as that is asked.
    pub(super) fn knows_github(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        self.github.as_ref().is_none_or(|secret| {
            let signed = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
            signed.is_some_and(|signed| {
                signature::is_valid(secret.expose().as_bytes(), body, signed.trim())
            })
        })
    }

    /// Whether a request comes from GitLab, as far as that is asked.
    pub(super) fn knows_gitlab(&self, headers: &HeaderMap) -> bool {
        self.gitlab.as_ref().is_none_or(|token| {
            let sent = headers.get("x-gitlab-token").map(|value| value.as_bytes());
            sent.is_some_and(|sent| signature::same(token.expose().as_bytes(), sent))
        })
    }

    /// Whether the route itself knows its sender by a secret of their own.
    fn is_left_to_route(&self, path: &str) -> bool {
        (path == GITHUB && self.github.is_some()) || (path == GITLAB && self.gitlab.is_some())
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let Some(senders) = &self.senders else { return false };
        let offered = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let offered = offered.and_then(|value| value.split_once(' '));
        offered.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer")
                && senders.by_token(token.trim().as_bytes()).is_some()
        })
    }

    /// What somebody is told who may not send.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if self.knows_token(headers) {
            return None;
        }
        // A page of any site can make a browser send to a loopback address; it says so itself.
        if ["origin", "sec-fetch-site"].iter().any(|name| headers.contains_key(*name)) {
            let said = "nothing is taken from web pages without `Authorization: Bearer TOKEN`\n";
            return Some((StatusCode::FORBIDDEN, said).into_response());
        }
        if self.senders.is_none() || self.is_left_to_route(request.uri().path()) {
            return None;
        }
        let asked = [(header::WWW_AUTHENTICATE, "Bearer realm=\"faultline intake\"")];
        let said = "send the header `Authorization: Bearer TOKEN`\n";
        Some((StatusCode::UNAUTHORIZED, asked, said).into_response())
    }
}

/// The guard in front of every route and of what is no route.
pub(super) async fn guard(
    State(state): State<IntakeState>,
    request: Request,
    next: Next,
) -> Response {
    let answer = match state.door.refusal(&request) {
        None => next.run(request).await,
        Some(refusal) => refusal,
    };
    if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        state.metrics.add(Metric::RequestsRefused, Stage::Intake, 1);
    }
    answer
}
