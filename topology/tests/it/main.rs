//! What the map does, seen from its door.

mod words;
mod binding;
mod reconcile;
mod laws;
mod twin;
mod kept;
