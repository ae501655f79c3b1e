//! What was: incidents, revisions, alerts, causes, changes and deliveries as Parquet files, answered
//! in SQL by the query engine DataFusion, and over the PostgreSQL protocol.
//!
//! In the order in which a fact walks through: [`rows`] makes it rows of the [`schema`]; the
//! [`recorder`] shows them at once and puts them into files ([`store`]); [`sql`] answers from both;
//! [`pg`] lets Grafana and `psql` ask.
//!
//! What is deliberately absent: reading topics (the pipeline hands over what it read), writing by
//! SQL, any decision about incidents.

pub mod error;
pub mod schema;
pub mod rows;
pub mod store;
mod tail;
pub mod snapshot;
pub mod recorder;
pub mod sql;
pub mod pg;
