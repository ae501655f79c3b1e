//! The integration tests, one binary.
mod casebook_decode;
