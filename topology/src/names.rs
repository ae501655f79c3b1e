//! Text to small numbers and back: every id, name and alias is held once, in one piece of memory.
//!
//! One table serves exact and case-insensitive look-ups, because it is keyed by the lower-case
//! form. Numbers depend on the order of arrival: they must never reach an output or its order.

use serde::{Deserialize, Serialize};

/// The number of a text.
pub(crate) type Sym = u32;

/// A set of texts. Bound: 4 GiB of text, 2^31 texts; beyond them `intern` says no.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub(crate) struct Names {
    text: String,
    /// Where each text ends; it starts where its predecessor ends.
    ends: Vec<u32>,
    /// Open addressing, linear probing, a power of two long: 0 is free, else the number plus one.
    slots: Vec<u32>,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a number; empty for a number that was never given out.
    pub(crate) fn text(&self, sym: Sym) -> &str {
        let at = sym as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(at).copied().unwrap_or_default();
        self.text.get(start.unwrap_or_default() as usize..end as usize).unwrap_or_default()
    }

    /// The number of exactly this text.
    pub(crate) fn get(&self, text: &str) -> Option<Sym> {
        self.probe(text).find(|&sym| self.text(sym) == text)
    }

    /// The numbers of all texts that differ from this one at most in ASCII case, in no order that
    /// means anything.
    pub(crate) fn folded<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Sym> + 'a {
        self.probe(text).filter(move |&sym| self.text(sym).eq_ignore_ascii_case(text))
    }

    /// The number of a text, new or known. `None` when the set is full.
    pub(crate) fn intern(&mut self, text: &str) -> Option<Sym> {
        if let Some(sym) = self.get(text) {
            return Some(sym);
        }
        let end = u32::try_from(self.text.len().checked_add(text.len())?).ok()?;
        let sym = u32::try_from(self.ends.len()).ok().filter(|&sym| sym < u32::MAX / 2)?;
        self.text.push_str(text);
        self.ends.push(end);
        if self.ends.len().saturating_mul(4) > self.slots.len().saturating_mul(3) {
            self.grow();
        } else {
            self.place(sym);
        }
        Some(sym)
    }

    /// Everything that stands between the home slot of a text and the next free one.
    fn probe<'a>(&'a self, text: &str) -> impl Iterator<Item = Sym> + 'a {
        let mask = self.slots.len().wrapping_sub(1);
        let home = fold_hash(text) as usize;
        (0..self.slots.len())
            .map(move |step| self.slots.get(home.wrapping_add(step) & mask).copied().unwrap_or(0))
            .take_while(|&slot| slot != 0)
            .map(|slot| slot - 1)
    }

    fn place(&mut self, sym: Sym) {
        let mask = self.slots.len().wrapping_sub(1);
        let home = fold_hash(self.text(sym)) as usize;
        for step in 0..self.slots.len() {
            if let Some(slot) = self.slots.get_mut(home.wrapping_add(step) & mask)
                && *slot == 0
            {
                *slot = sym + 1;
                return;
            }
        }
    }

    fn grow(&mut self) {
        let size = self.slots.len().saturating_mul(2).max(16);
        self.slots.clear();
        self.slots.resize(size, 0);
        for at in 0..self.ends.len() {
            self.place(at as Sym);
        }
    }
}

/// FNV-1a over the ASCII lower-case form, then a mixing of the high bits into the low ones.
fn fold_hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ (hash >> 32)
}

impl From<Vec<String>> for Names {
    fn from(texts: Vec<String>) -> Self {
        let mut names = Self::default();
        for text in &texts {
            names.intern(text);
        }
        names
    }
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        (0..names.len()).map(|at| names.text(at as Sym).to_owned()).collect()
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
