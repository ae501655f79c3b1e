//! What each command does. One file a command.

pub mod check;
pub mod corpus;
pub mod demo;
pub mod eval;
pub mod explain;
pub mod health;
pub mod incidents;
pub mod record;
pub mod remote;
pub mod replay;
pub mod run;
pub mod tap;
