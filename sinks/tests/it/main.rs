//! The sinks against doubles of their destinations, over real HTTP on loopback.
//!
//! The doubles enforce what the vendors document; they do not prove that vendors keep to it.

mod double;
mod fixture;
mod world;

mod outbox;
mod servicenow;
mod webhook;
mod injection;
mod laws;
mod docs;
