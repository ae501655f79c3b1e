//! What is kept: files of rows and the manifest that says which of them count.

pub mod place;
pub mod manifest;
pub mod files;
pub mod compact;
