//! The PostgreSQL protocol, for Grafana's built-in data source, `psql` and every driver: on
//! loopback unless a password and TLS are configured, never in clear text beyond this machine.

pub mod settings;
pub mod tls;
pub mod door;
pub mod handler;
mod kept;
mod talk;
pub mod server;
