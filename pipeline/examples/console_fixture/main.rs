//! Serves the console with fixture incidents: for the browser tests and for work on the pages.
//!
//! `console_fixture [PORT]` (0, the default, takes a free one) prints `listening on URL` and stays
//! until it is ended. Every second the first incident gets a new revision; every fifth second a
//! new incident appears.
#![expect(clippy::print_stdout, reason = "the address is this program's output")]

mod night;
mod story;

use std::time::Duration;

use pipeline::http::health::Condition;
use pipeline::http::metrics::Stage;
use pipeline::http::{HttpState, router};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |text| text.parse())?;
    let state = HttpState::default();
    for condition in Condition::ALL {
        state.health.set(Stage::Console, condition, true);
    }
    for incident in story::all() {
        state.incidents.apply(&incident);
    }
    state.drift.set(story::drift());
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    tokio::spawn(go_on(state.clone()));
    axum::serve(listener, router(state)).await?;
    Ok(())
}

async fn go_on(state: HttpState) {
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    for second in 1_u32.. {
        beat.tick().await;
        state.incidents.apply(&night::night(1 + second));
        if second % 5 == 0 && second <= 100 {
            state.incidents.apply(&story::small(second));
        }
    }
}
