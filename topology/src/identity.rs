//! What the sources of the map call one service: a CMDB by its record's id, a catalogue by its entity's.
//!
//! Deliberately absent: any decision which node a name means (see `binding`).

use std::collections::BTreeMap;

use model::map::ItemIdentity;

use crate::binding::{Claim, Resolver};
use crate::names::Sym;

/// Sources that are told for one name.
const SOURCES_MAX: usize = 16;

/// The best of a source's items for a name, and whether another is as good.
struct Best {
    claim: Claim,
    item: Sym,
    is_shared: bool,
}

/// The identities of what `name` means; `bound` are the item that it is bound to and the service of that.
pub(crate) fn of(map: Resolver<'_>, name: &str, bound: [Option<Sym>; 2]) -> Vec<ItemIdentity> {
    let names = &map.declared.names;
    let source = |item: Sym| map.declared.item(item)?.source.map(|source| names.text(source));
    let mut best: BTreeMap<&str, Best> = BTreeMap::new();
    for (claim, item) in names.folded(name).flat_map(|word| map.candidates(word)) {
        let Some(source) = source(item) else { continue };
        let fresh = Best { claim, item, is_shared: false };
        match best.get_mut(source) {
            Some(known) if known.claim < claim => {}
            Some(known) if known.claim == claim => known.is_shared |= known.item != item,
            Some(known) => *known = fresh,
            None => {
                best.insert(source, fresh);
            }
        }
    }
    // A pod's own name says nothing of its service.
    for item in bound.into_iter().flatten() {
        if let (Some(source), Some(known)) = (source(item), map.declared.item(item)) {
            let claim = (true, false, 0, known.kind);
            best.entry(source).or_insert(Best { claim, item, is_shared: false });
        }
    }
    let clear = best.into_iter().filter(|(_, best)| !best.is_shared).take(SOURCES_MAX);
    clear
        .map(|(source, best)| (source, best.item))
        .map(|(source, item)| ItemIdentity { source: source.into(), id: names.text(item).into() })
        .collect()
}
