//! What a connection keeps from message to message: statements and portals that have a name. The
//! library keeps any number of them, so they are counted here.

use std::collections::BTreeMap;

use pgwire::api::store::PortalStore;
use pgwire::error::PgWireError;
use pgwire::messages::PgWireFrontendMessage;

use super::door::fatal;

/// Named statements and portals of one connection.
const NAMES_MAX: usize = 1_000;
/// Their texts and values together. Unit: bytes.
const BYTES_MAX: usize = 16 << 20;

/// A named thing of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// A prepared statement.
    Statement(String),
    /// One with its values.
    Portal(String),
}

impl Named {
    /// What a message makes or takes away, and how large it is; `None`: nothing that has a name.
    pub(super) fn of(message: &PgWireFrontendMessage) -> Option<(Self, usize)> {
        let named = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        match message {
            PgWireFrontendMessage::Parse(parse) => {
                let name = named(&parse.name)?;
                let bytes = name.len() + parse.query.len() + 4 * parse.type_oids.len();
                Some((Self::Statement(name), bytes))
            }
            PgWireFrontendMessage::Bind(bind) => {
                let name = named(&bind.portal_name)?;
                let values: usize = bind.parameters.iter().flatten().map(|value| value.len()).sum();
                let bytes = name.len() + values + 32 * bind.parameters.len();
                Some((Self::Portal(name), bytes))
            }
            PgWireFrontendMessage::Close(close) => {
                let name = named(&close.name)?;
                let of_a_portal = close.target_type == b'P';
                Some((if of_a_portal { Self::Portal(name) } else { Self::Statement(name) }, 0))
            }
            _ => None,
        }
    }

    /// Whether it is kept.
    pub(super) fn is_in(&self, store: &impl PortalStore) -> bool {
        match self {
            Self::Statement(name) => store.get_statement(name).is_some(),
            Self::Portal(name) => store.get_portal(name).is_some(),
        }
    }
}

/// The names of one connection, with the size of each.
#[derive(Debug, Default)]
pub(super) struct Kept {
    names: BTreeMap<Named, usize>,
    bytes: usize,
}

impl Kept {
    /// Whether one more may be kept, or another one under its name.
    ///
    /// # Errors
    /// Code 53400, after which the connection ends.
    pub(super) fn room_for(&self, named: &Named, bytes: usize) -> Result<(), PgWireError> {
        let known = self.names.get(named);
        let names = self.names.len() + usize::from(known.is_none());
        let all = self.bytes - known.copied().unwrap_or(0) + bytes;
        if bytes > 0 && (names > NAMES_MAX || all > BYTES_MAX) {
            return Err(fatal(
                "53400",
                &format!(
                    "too many prepared statements: a connection keeps {NAMES_MAX} names and \
                     {BYTES_MAX} bytes; close some, or connect anew"
                ),
            ));
        }
        Ok(())
    }

    /// It is kept now, in place of what had its name.
    pub(super) fn add(&mut self, named: Named, bytes: usize) {
        self.bytes += bytes;
        self.bytes -= self.names.insert(named, bytes).unwrap_or(0);
    }

    /// It is not kept any more.
    pub(super) fn remove(&mut self, named: &Named) {
        self.bytes -= self.names.remove(named).unwrap_or(0);
    }

    /// The names of all statements.
    pub(super) fn statements(&self) -> Vec<String> {
        let name = |named: &Named| match named {
            Named::Statement(name) => Some(name.clone()),
            Named::Portal(_) => None,
        };
        self.names.keys().filter_map(name).collect()
    }
}
