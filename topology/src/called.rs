//! What a thing is called, without a text of its own: lent by the half of the map that holds it.

use model::name::Name;

use crate::names::Sym;

/// A name where it is held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Called<'a> {
    /// Among the texts of the declared half, under a number.
    Text(Sym, &'a str),
    /// Among what telemetry showed.
    Seen(&'a Name),
}

impl<'a> Called<'a> {
    pub(crate) fn as_str(self) -> &'a str {
        match self {
            Self::Text(_, text) => text,
            Self::Seen(name) => name,
        }
    }

    /// A name to keep: shared if telemetry showed it, else with a copy of the text.
    pub(crate) fn to_name(self) -> Name {
        match self {
            Self::Text(_, text) => text.into(),
            Self::Seen(name) => name.clone(),
        }
    }
}
