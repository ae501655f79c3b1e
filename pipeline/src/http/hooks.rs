//! `POST /hooks/{sink}`: what the destination of a sink sends of what people did there.
//!
//! Whoever sends is known by the sink's own secret, not by a token of this installation; so the route is open and
//! refuses for itself. A sink that asks its destination is told to do it at once ([`Bell`]); where nobody
//! asks, the acts go into the journal before the answer does. Each is served where it can be: the bell in the
//! process of `deliver`, the acts in one of `console`. What is deliberately absent: the reading of what was
//! sent ([`sinks::hook`]).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::command::Act;
use model::name::Name;
use serde_json::json;
use sinks::hook::{Hears, Hook, Letter, Said, Unheard};

use super::HttpState;
use super::error::ApiError;
use super::metrics::{Metric, Stage};
use crate::cli::Role;
use crate::clock;
use crate::control::check::Refusal;
use crate::control::desk::NotTaken;

/// When a sender that came too early may come again.
const RETRY_AFTER_SECS: &str = "5";

/// Tells a sink's thread that there is something to ask its destination for.
#[derive(Debug, Default)]
pub struct Bell(AtomicBool);

impl Bell {
    /// Rings. It stays rung until somebody looks.
    pub fn ring(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was rung since the last look.
    pub fn was_rung(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// Who serves a hook: a sink that asks its destination is in the process of `deliver`, and acts are taken by
/// `console`.
#[must_use]
pub const fn server(hears: Hears) -> Role {
    match hears {
        Hears::Ring => Role::Deliver,
        Hears::Acts => Role::Console,
    }
}

/// The hooks of a process.
#[derive(Default)]
pub struct Hooks {
    by_sink: BTreeMap<Name, Served>,
}

struct Served {
    hook: Hook,
    bell: Arc<Bell>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_sink.keys()).finish()
    }
}

impl Hooks {
    /// These hooks.
    #[must_use]
    pub fn new(hooks: impl IntoIterator<Item = Hook>) -> Self {
        let served = |hook: Hook| (hook.sink().clone(), Served { hook, bell: Arc::default() });
        Self { by_sink: hooks.into_iter().map(served).collect() }
    }

    /// The bell of a sink that asks its destination.
    #[must_use]
    pub fn bell(&self, sink: &str) -> Option<Arc<Bell>> {
        let served = self.by_sink.get(sink).filter(|served| served.hook.hears() == Hears::Ring);
        served.map(|served| Arc::clone(&served.bell))
    }
}

/// Hears what was sent.
pub(super) async fn hear(
    State(state): State<HttpState>,
    Path(sink): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let served = state.hooks.by_sink.get(sink.as_str());
    // A stranger does not learn which sinks there are.
    let served = served.ok_or_else(|| refused(&state, &Unheard::Unsigned))?;
    let is_whole = state.incidents.is_whole();
    match read(&state, &sink, &served.hook, &headers, &body) {
        Ok(Said::Echo(text)) => Ok(Json(json!({ "challenge": text })).into_response()),
        Ok(Said::Ring) => {
            served.bell.ring();
            tracing::debug!(sink, "rung by its destination");
            Ok(heard(&[]))
        }
        // Also if there is none: a reply belongs to an incident that may not be read yet.
        Ok(Said::Acts(_)) if !is_whole => Ok(too_early()),
        Ok(Said::Acts(acts)) => {
            let mut taken = Vec::new();
            for act in acts {
                let id = act.id.clone();
                if take(&state, act).await? {
                    taken.push(id);
                }
            }
            Ok(heard(&taken))
        }
        Err(unheard) => {
            tracing::warn!(sink, %unheard, "not heard what its destination sent");
            Err(refused(&state, &unheard))
        }
    }
}

fn read(
    state: &HttpState,
    sink: &str,
    hook: &Hook,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Said, Unheard> {
    hook.read(&Letter {
        header: &|name| headers.get(name).and_then(|value| value.to_str().ok()),
        body,
        at: clock::now(),
        incident_of: &|ticket| state.incidents.with_ticket(sink, ticket),
    })
}

/// 200 also where nothing was taken that never will be: a sender that is told anything else sends it again.
fn heard(taken: &[Name]) -> Response {
    Json(json!({ "acts": taken })).into_response()
}

fn refused(state: &HttpState, why: &Unheard) -> ApiError {
    let (status, code) = match why {
        Unheard::Unsigned | Unheard::Stale => {
            state.metrics.add(Metric::RequestsRefused, Stage::Console, 1);
            (StatusCode::UNAUTHORIZED, "unsigned")
        }
        Unheard::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable"),
    };
    let action = "docs/sinks.md#hooks says what each destination sends and how it signs; `faultline sinks \
                  list` names the hooks that there are";
    ApiError::new(status, code, why.to_string(), action)
}

/// Makes it durable in the journal of its incident's cell, on a thread that may wait. Tells whether the journal has it.
async fn take(state: &HttpState, act: Act) -> Result<bool, ApiError> {
    let (id, author, via) = (act.id.clone(), act.author.clone(), act.via.clone());
    let cell = act.decision.incident().and_then(|incident| state.incidents.cell_of(incident));
    let Some(cell) = cell else {
        // Of another faultline that speaks to the same destination.
        tracing::info!(%id, %via, "a person decided about an incident that is not here");
        return Ok(false);
    };
    let desk = Arc::clone(&state.desk);
    let now = desk.now(state.incidents.now());
    let taken = tokio::task::spawn_blocking(move || desk.relay(&cell, act, now)).await;
    match taken.unwrap_or(Err(NotTaken::NoJournal)) {
        Ok(is_repeat) => tracing::info!(%id, %author, %via, is_repeat, "a person decided there"),
        // It will be no other act when it is sent again.
        Err(NotTaken::Refused(Refusal { message: why, .. }) | NotTaken::Undone(why)) => {
            tracing::warn!(%id, %author, %via, why, "not taken");
            return Ok(false);
        }
        Err(NotTaken::IdTaken) => {
            tracing::warn!(%id, %author, %via, "not taken: another act has this id");
            let action = "send each act under an id of its own, and the same act as it was";
            let why = "another act has this id";
            return Err(ApiError::new(StatusCode::CONFLICT, "id_taken", why, action));
        }
        Err(other) => return Err(other.into()),
    }
    Ok(true)
}

/// Asked too early: which incidents there are, and where they belong, is not read yet.
fn too_early() -> Response {
    let action = "send it again in a few seconds; it will be the same act";
    let why = "the incidents are still being read";
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", why, action);
    ([(RETRY_AFTER, RETRY_AFTER_SECS)], error).into_response()
}
