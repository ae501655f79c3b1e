//! The sinks against doubles of their destinations, over real HTTP on loopback.
//!
//! The doubles enforce what the vendors document; they do not prove that vendors keep to it.

mod double;
mod fixture;
mod world;

mod contract;
mod outbox;
mod servicenow;
mod servicenow_heard;
mod servicenow_events;
mod servicenow_references;
mod rt;
mod real_rt;
mod jira;
mod jsm_ops;
mod jsm_ops_heard;
mod webhook;
mod pagerduty;
mod pagerduty_heard;
mod slack;
mod teams;
mod otlp;
mod kafka;
mod cdevents;
mod hooks;
mod merged;
mod refused;
mod injection;
mod laws;
mod docs;
