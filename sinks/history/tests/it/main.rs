//! The history as a whole: what is recorded is what is asked for, over restarts, repeats and
//! compactions, by real clients and within bounds.

#[cfg(test)]
mod sample;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod psql;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod strangers;
