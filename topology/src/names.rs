//! Text to small numbers and back: every id, name and alias is held once, in one piece of memory.
//!
//! One table serves exact and case-insensitive look-ups, because it is keyed by the lower-case
//! form. Numbers depend on the order of arrival: they must never reach an output or its order.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::texts::Texts;

/// The number of a text.
pub(crate) type Sym = u32;

/// A set of texts. Bound: 2^31 texts; beyond them `intern` says no.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    texts: Texts,
    /// Open addressing, linear probing, at most 85 % full. For each slot a byte of the
    /// hash, 0 for a free one: most texts that are not meant are passed by without being read.
    tags: Vec<u8>,
    /// The numbers in those slots.
    slots: Vec<Sym>,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The text of a number; empty for a number that was never given out.
    pub(crate) fn text(&self, sym: Sym) -> &str {
        self.texts.get(sym)
    }

    /// All texts by their numbers, as they are now: shared, not copied.
    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The number of exactly this text.
    pub(crate) fn get(&self, text: &str) -> Option<Sym> {
        self.probe(text).find(|&sym| self.texts.bytes(sym) == text.as_bytes())
    }

    /// The numbers of all texts that differ from this one at most in ASCII case, in no order that
    /// means anything.
    pub(crate) fn folded<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Sym> + 'a {
        let candidates = self.probe(text);
        let text = text.as_bytes();
        candidates.filter(move |&sym| self.texts.bytes(sym).eq_ignore_ascii_case(text))
    }

    /// The number of a text, new or known. `None` when the set is full.
    pub(crate) fn intern(&mut self, text: &str) -> Option<Sym> {
        if let Some(sym) = self.get(text) {
            return Some(sym);
        }
        let sym = u32::try_from(self.len()).ok().filter(|&sym| sym < u32::MAX / 2)?;
        self.texts.push(text);
        if self.len().saturating_mul(20) > self.slots.len().saturating_mul(17) {
            self.grow();
        } else {
            self.place(sym);
        }
        Some(sym)
    }

    /// What has the tag of a text between its home slot and the next free one.
    fn probe(&self, text: &str) -> impl Iterator<Item = Sym> {
        let (mut slot, tag) = self.home(text);
        std::iter::from_fn(move || {
            loop {
                let (at, found) = (slot, self.tags.get(slot).copied().unwrap_or(0));
                slot = self.next(slot);
                if found == 0 {
                    return None;
                }
                if found == tag {
                    return self.slots.get(at).copied();
                }
            }
        })
    }

    fn next(&self, slot: usize) -> usize {
        if slot + 1 < self.slots.len() { slot + 1 } else { 0 }
    }

    /// The slot at which the search for a text begins, and its tag.
    fn home(&self, text: &str) -> (usize, u8) {
        let hash = fold_hash(text);
        // Scales 32 bits of the hash to the number of slots, whatever that is.
        let home = ((hash >> 32) * self.slots.len() as u64) >> 32;
        (home as usize, (hash as u8).max(1))
    }

    fn place(&mut self, sym: Sym) {
        let (mut at, tag) = self.home(self.text(sym));
        while self.tags.get(at).is_some_and(|&found| found != 0) {
            at = self.next(at);
        }
        if let (Some(known), Some(slot)) = (self.tags.get_mut(at), self.slots.get_mut(at)) {
            (*known, *slot) = (tag, sym);
        }
    }

    /// A fifth more slots.
    fn grow(&mut self) {
        let size = (self.slots.len() + self.slots.len() / 5).max(16);
        (self.tags, self.slots) = (vec![0; size], vec![0; size]);
        for at in 0..self.len() {
            self.place(at as Sym);
        }
    }
}

/// FNV-1a over the ASCII lower-case form, then a mixing of all bits into the high and low ones.
fn fold_hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
    }
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Kept as the list of the texts.
impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.len()).map(|at| self.text(at as Sym)))
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Reader)
    }
}

/// Takes texts in one by one, so that they are never in memory twice.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Names, A::Error> {
        let mut names = Names::default();
        while let Some(text) = texts.next_element::<String>()? {
            names.intern(&text);
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_gets_one_number_and_keeps_it_while_the_set_grows() {
        let mut names = Names::default();
        let texts: Vec<String> = (0..5_000).map(|n| format!("service-{n}")).collect();
        let given: Vec<Sym> = texts.iter().filter_map(|text| names.intern(text)).collect();
        for (text, sym) in texts.iter().zip(&given) {
            assert_eq!(names.get(text), Some(*sym));
            assert_eq!(names.text(*sym), text);
            assert_eq!(names.intern(text), Some(*sym));
        }
        assert_eq!(names.len(), 5_000);
        assert_eq!(names.get("service-5000"), None);
    }

    #[test]
    fn case_variants_are_found_together_and_kept_apart() {
        let mut names = Names::default();
        let lower = names.intern("checkout").unwrap();
        let upper = names.intern("Checkout").unwrap();
        assert_ne!(lower, upper);
        let mut found: Vec<Sym> = names.folded("CHECKOUT").collect();
        found.sort_unstable();
        assert_eq!(found, [lower, upper]);
        assert_eq!(names.get("CHECKOUT"), None);
    }
}
