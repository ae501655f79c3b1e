//! What each command does. One file a command.

pub mod check;
pub mod completions;
pub mod control;
pub mod corpus;
pub mod dead_letters;
pub mod demo;
pub mod eval;
pub mod explain;
pub mod health;
pub mod incidents;
pub mod man;
pub mod record;
pub mod reference;
pub mod replay;
pub mod run;
pub mod sql;
pub mod sinks;
pub mod tap;
pub mod top;
pub mod what_if;
