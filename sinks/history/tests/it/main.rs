//! The history as a whole: what is recorded is what is asked for, over restarts, repeats and
//! compactions, by real clients and within bounds.

mod sample;
mod keeping;
mod asking;
mod psql;
