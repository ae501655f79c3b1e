//! The name of a node of a snapshot, read when somebody looks at it: most who walk the map look at
//! few of the names that they reach, and each is a read from memory far away.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use model::name::Name;

use crate::called::Called;
use crate::node_names::NodeNames;

/// The name of a node, lent by its snapshot. Compares and prints as its text.
#[derive(Clone, Copy)]
pub struct NodeName<'a> {
    names: &'a NodeNames,
    node: u32,
}

impl<'a> NodeName<'a> {
    /// Invariant: the node is one of the names'.
    pub(crate) fn new(names: &'a NodeNames, node: u32) -> Self {
        Self { names, node }
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.names.get(self.node).map(Called::as_str).unwrap_or_default()
    }

    /// A name to keep: shared if telemetry showed it, else with a copy of the text.
    #[must_use]
    pub fn to_name(self) -> Name {
        self.names.get(self.node).map(Called::to_name).unwrap_or_default()
    }
}

impl Deref for NodeName<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for NodeName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for NodeName<'_> {}

impl PartialOrd for NodeName<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NodeName<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Debug for NodeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for NodeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
