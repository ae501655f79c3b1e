//! Shares equal names between payloads: a bounded cache, never a source of truth.
//!
//! Names compare by content, so a name that found no room is as good as a shared one: it only
//! costs its own memory. That is why a flood of new names cannot make it grow or stop.

use model::name::Name;
use xxhash_rust::xxh3::xxh3_64;

use super::limits::{NAME_CHARS_MAX, cut};

const SLOTS_MIN: usize = 1_024;
const PROBES_MAX: usize = 16;

/// A bounded table of names with open addressing.
#[derive(Debug)]
pub struct Interner {
    slots: Vec<Option<(u64, Name)>>,
    used: usize,
    names_max: usize,
    overflow: u64,
}

impl Interner {
    /// A table that keeps at most `names_max` names.
    #[must_use]
    pub fn new(names_max: usize) -> Self {
        Self { slots: vec![None; SLOTS_MIN], used: 0, names_max, overflow: 0 }
    }

    /// The shared name of a text, cut at [`NAME_CHARS_MAX`] characters.
    pub fn name(&mut self, text: &str) -> Name {
        let text = cut(text, NAME_CHARS_MAX);
        if self.used * 2 >= self.slots.len() && self.used < self.names_max {
            self.grow();
        }
        let hash = xxh3_64(text.as_bytes());
        let mask = self.slots.len() - 1;
        for probe in 0..PROBES_MAX {
            let place = (hash as usize).wrapping_add(probe) & mask;
            match self.slots.get_mut(place) {
                Some(Some((known, name))) if *known == hash && name.as_str() == text => {
                    return name.clone();
                }
                Some(slot @ None) if self.used < self.names_max => {
                    let name = Name::from(text);
                    *slot = Some((hash, name.clone()));
                    self.used += 1;
                    return name;
                }
                _ => {}
            }
        }
        self.overflow += 1;
        Name::from(text)
    }

    /// How many names found no room and were not shared.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// How many names are shared.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether nothing is shared yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let old = std::mem::replace(&mut self.slots, vec![None; size]);
        self.used = 0;
        for (hash, name) in old.into_iter().flatten() {
            let free = (0..PROBES_MAX)
                .map(|probe| (hash as usize).wrapping_add(probe) & (size - 1))
                .find(|place| matches!(self.slots.get(*place), Some(None)));
            if let Some(slot) = free.and_then(|place| self.slots.get_mut(place)) {
                *slot = Some((hash, name));
                self.used += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_shared_and_a_flood_is_bounded_and_counted() {
        let mut interner = Interner::new(2_000);
        let first = interner.name("checkout");
        for i in 0..10_000 {
            assert_eq!(interner.name(&format!("n{i}")).as_str(), format!("n{i}"));
        }
        assert_eq!(interner.name("checkout"), first);
        assert!(interner.len() <= 2_000);
        assert!(interner.overflow() >= 8_000);
    }

    #[test]
    fn over_long_names_are_cut() {
        let mut interner = Interner::new(10);
        assert_eq!(interner.name(&"x".repeat(1_000)).len(), NAME_CHARS_MAX);
    }
}
