//! Serves the console with fixture incidents: for the browser tests and for work on the pages.
//!
//! `console_fixture [PORT [ISSUER]]` (0, the default, takes a free one) prints `listening on URL`, then `guarded on
//! URL` for the same console behind tokens, one of each role (`the-token-of-the-viewer` ...), and with the
//! address of an OpenID issuer `issuer on URL` behind that alone and `either on URL` behind both, and stays
//! until it is ended. Every second the first incident gets a new revision; every fifth second a
//! new incident appears.
#![expect(clippy::print_stdout, reason = "the address is this program's output")]

mod night;
mod people;
mod story;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use model::command::Decision;
use model::matcher::{MatchOp, Matcher};
use pipeline::auth::oidc::{Oidc, OidcSettings};
use pipeline::auth::{Keyring, Role, Token};
use pipeline::control::desk::{ActClock, Counted, Desk, Draft};
use pipeline::http::health::Condition;
use pipeline::http::metrics::Stage;
use pipeline::http::security::Security;
use pipeline::http::{HttpState, router};
use pipeline::outbound::Reach;
use sinks::config::secret::Secret;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |text| text.parse())?;
    let issuer = std::env::args().nth(2);
    let world = Arc::new(people::World::new());
    let desk = Arc::new(Desk::new(world.clone(), ActClock::Story));
    let state = HttpState { desk, ..HttpState::default() };
    for condition in Condition::ALL {
        state.health.set(Stage::Console, condition, true);
    }
    for incident in story::all() {
        world.tell(&state.incidents, incident);
    }
    stand(&state);
    state.drift.set(story::drift());
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let guarded = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("guarded on http://{}", guarded.local_addr()?);
    tokio::spawn(go_on(state.clone(), world));
    let mut consoles = JoinSet::new();
    consoles.spawn(axum::serve(guarded, behind(&state, security()?)).into_future());
    for (word, tokens) in [("issuer", Security::default()), ("either", security()?)] {
        let Some(issuer) = &issuer else { break };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let here = format!("http://{}", listener.local_addr()?);
        println!("{word} on {here}");
        let security = tokens.with_issuer(Oidc::new(account(issuer, &here)));
        consoles.spawn(axum::serve(listener, behind(&state, security)).into_future());
    }
    consoles.spawn(axum::serve(listener, router(state)).into_future());
    while let Some(ended) = consoles.join_next().await {
        ended??;
    }
    Ok(())
}

/// The same console behind a door.
fn behind(state: &HttpState, security: Security) -> Router {
    router(HttpState { security: Arc::new(security), ..state.clone() })
}

/// How the issuer of the browser tests (`tests/browser/issuer.js`) knows the console that is here.
fn account(issuer: &str, here: &str) -> OidcSettings {
    let host = || ["127.0.0.1".to_owned()];
    OidcSettings {
        issuer: issuer.to_owned(),
        client_id: "faultline".to_owned(),
        client_secret: None,
        audience: "faultline".to_owned(),
        redirect_url: Some(format!("{here}/login/callback")),
        roles_claim: "groups".to_owned(),
        roles: [vec!["staff".to_owned()], vec!["ops".to_owned()], Vec::new()],
        name_claim: "preferred_username".to_owned(),
        scope: "openid".to_owned(),
        reach: Reach::new(host(), host()),
        session_secs: 3_600,
    }
}

/// One token of each role; its name is the role's word.
fn security() -> anyhow::Result<Security> {
    let tokens = Role::ALL.map(|role| Token {
        name: Some(role.word().into()),
        role,
        secret: Secret::new(&format!("the-token-of-the-{role}")),
        file: None,
    });
    Ok(Security::default().with_tokens(Keyring::new(&tokens)?))
}

/// A silence and a maintenance window that stand from the beginning.
fn stand(state: &HttpState) {
    let matcher =
        |label: &str, op, value: &str| Matcher { label: label.into(), op, value: value.to_owned() };
    let matchers = vec![
        matcher("service", MatchOp::Equal, "catalog-db"),
        matcher("alertname", MatchOp::Regex, "Disk.*|<script>alert(5)</script>"),
    ];
    let draft = |id: &str, reason: &str, decision| Draft {
        id: Some(id.to_owned()),
        author: "ann".to_owned(),
        via: "cli",
        reason: reason.to_owned(),
        decision,
        counted: Counted::Nothing,
    };
    let (now, later) = (story::at(60), story::at(7_200));
    let silence = Decision::Silence { matchers, starts_at: now, ends_at: later };
    let services = vec!["payment".into(), "cart".into()];
    let window = Decision::Maintenance { services, starts_at: later, ends_at: story::at(9_000) };
    for draft in [
        draft("silence-1", "disk is being swapped", silence),
        draft("window-1", "database upgrade", window),
    ] {
        drop(state.desk.take(&[], draft, now));
    }
}

async fn go_on(state: HttpState, world: Arc<people::World>) {
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    for second in 1_u32.. {
        beat.tick().await;
        world.fold(&state.incidents);
        world.tell(&state.incidents, night::night(1 + second));
        if second % 5 == 0 && second <= 100 {
            world.tell(&state.incidents, story::small(second));
        }
    }
}
