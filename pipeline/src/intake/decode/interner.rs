//! Shares equal names between payloads: a bounded cache, never a source of truth.
//!
//! Names compare by content, so a name that found no room is as good as a shared one: it only
//! costs its own memory. That is why a flood of new names cannot make it grow or stop.

use model::name::Name;
use xxhash_rust::xxh3::xxh3_64;

use super::limits::{NAME_CHARS_MAX, cut};

const SLOTS_MIN: usize = 1_024;
const PROBES_MAX: usize = 16;
/// Texts that were seen once and are remembered as such, at most.
const STRANGERS: usize = 1 << 16;

/// A name, and where it stands in the batch that was made last with it.
#[derive(Clone, Debug)]
struct Known {
    hash: u64,
    name: Name,
    batch: u64,
    index: u32,
}

/// A bounded table of names with open addressing.
#[derive(Debug)]
pub struct Interner {
    slots: Vec<Option<Known>>,
    used: usize,
    names_max: usize,
    overflow: u64,
    /// The batch that is being made.
    batch: u64,
    /// Hashes of texts that were seen once, each at its place; empty until one was.
    strangers: Vec<u64>,
}

impl Interner {
    /// A table that keeps at most `names_max` names.
    #[must_use]
    pub fn new(names_max: usize) -> Self {
        Self {
            slots: vec![None; SLOTS_MIN],
            used: 0,
            names_max,
            overflow: 0,
            batch: 1,
            strangers: Vec::new(),
        }
    }

    /// Begins a batch: what stands in the names of an earlier one does not stand in its names yet.
    pub fn begin_batch(&mut self) {
        self.batch += 1;
    }

    /// The shared name of a text, cut at [`NAME_CHARS_MAX`] characters.
    pub fn name(&mut self, text: &str) -> Name {
        let text = cut(text, NAME_CHARS_MAX);
        match self.find(text.as_bytes()) {
            Ok(at) => match self.slots.get(at) {
                Some(Some(known)) => known.name.clone(),
                _ => Name::from(text),
            },
            Err(hash) => {
                let name = Name::from(text);
                self.keep(Known { hash, name: name.clone(), batch: 0, index: 0 });
                name
            }
        }
    }

    /// As [`Interner::name`], but shared only from the second time on: for values that mostly come once (an instance,
    /// a request), which would take the room of those that come again.
    pub fn familiar(&mut self, text: &str) -> Name {
        let text = cut(text, NAME_CHARS_MAX);
        let hash = match self.find(text.as_bytes()) {
            Ok(at) => {
                let known = self.slots.get(at).and_then(Option::as_ref);
                return known.map_or_else(|| Name::from(text), |known| known.name.clone());
            }
            Err(hash) => hash,
        };
        let name = Name::from(text);
        if self.is_stranger(hash) {
            return name;
        }
        self.keep(Known { hash, name: name.clone(), batch: 0, index: 0 });
        name
    }

    /// Whether a text comes for the first time; then it is remembered. Another text may have taken its place since:
    /// it only comes once more for the first time.
    fn is_stranger(&mut self, hash: u64) -> bool {
        if self.strangers.is_empty() {
            self.strangers = vec![0; STRANGERS];
        }
        // Not the bits that choose a slot.
        let place = (hash >> 48) as usize % STRANGERS;
        self.strangers.get_mut(place).is_some_and(|seen| std::mem::replace(seen, hash) != hash)
    }

    /// The place of a text in the names of the batch, where it is put if it is not there yet. Bytes that
    /// are known need no look at what they are; others are `None` unless they are UTF-8.
    pub fn index(&mut self, text: &[u8], names: &mut Vec<Name>) -> Option<u32> {
        let text =
            if text.len() <= NAME_CHARS_MAX { text } else { cut_bytes(text, NAME_CHARS_MAX)? };
        let batch = self.batch;
        let next = u32::try_from(names.len()).ok()?;
        match self.find(text) {
            Ok(at) => {
                let known = self.slots.get_mut(at)?.as_mut()?;
                if known.batch != batch {
                    names.push(known.name.clone());
                    (known.batch, known.index) = (batch, next);
                }
                Some(known.index)
            }
            Err(hash) => {
                let name = Name::from(std::str::from_utf8(text).ok()?);
                names.push(name.clone());
                self.keep(Known { hash, name, batch, index: next });
                Some(next)
            }
        }
    }

    /// Where a text is kept, or its hash.
    fn find(&self, text: &[u8]) -> Result<usize, u64> {
        let hash = xxh3_64(text);
        for place in self.places(hash) {
            match self.slots.get(place) {
                Some(Some(known)) if known.hash == hash && known.name.as_bytes() == text => {
                    return Ok(place);
                }
                Some(Some(_)) => {}
                Some(None) | None => break,
            }
        }
        Err(hash)
    }

    /// Keeps a name that is not kept yet, if there is room.
    fn keep(&mut self, known: Known) {
        if self.used < self.names_max {
            if self.used * 2 >= self.slots.len() {
                self.grow();
            }
            if self.put(known) {
                return;
            }
        }
        self.overflow += 1;
    }

    fn put(&mut self, known: Known) -> bool {
        let free =
            self.places(known.hash).find(|place| matches!(self.slots.get(*place), Some(None)));
        let slot = free.and_then(|place| self.slots.get_mut(place));
        self.used += usize::from(slot.is_some());
        slot.map(|slot| *slot = Some(known)).is_some()
    }

    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len() - 1;
        (0..PROBES_MAX).map(move |probe| (hash as usize).wrapping_add(probe) & mask)
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
        for known in old.into_iter().flatten() {
            self.put(known);
        }
    }
}

/// The text, cut after so many characters; `None` if it is none.
fn cut_bytes(text: &[u8], chars_max: usize) -> Option<&[u8]> {
    std::str::from_utf8(text).ok().map(|text| cut(text, chars_max).as_bytes())
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
    fn what_comes_once_takes_no_room_and_what_comes_again_is_shared() {
        let mut interner = Interner::new(100);
        for i in 0..10_000 {
            assert_eq!(interner.familiar(&format!("n{i}")).as_str(), format!("n{i}"));
        }
        assert!(interner.is_empty());
        let shared = [0; 3].map(|_| interner.familiar("checkout"));
        assert_eq!((interner.len(), interner.overflow()), (1, 0));
        assert_eq!(shared[1].as_str().as_ptr(), shared[2].as_str().as_ptr());
        assert_eq!(interner.name("checkout").as_str().as_ptr(), shared[1].as_str().as_ptr());
    }

    #[test]
    fn a_batch_holds_each_of_its_names_once() {
        let mut interner = Interner::new(2);
        for _ in 0..2 {
            interner.begin_batch();
            let mut names = Vec::new();
            let mut index = |text: &[u8]| interner.index(text, &mut names);
            assert_eq!((index(b"a"), index(b"b"), index(b"a")), (Some(0), Some(1), Some(0)));
            // No room: a name of its own each time.
            assert_eq!((index(b"c"), index(b"c"), index(b"a")), (Some(2), Some(3), Some(0)));
            assert_eq!(index(b"\xff"), None, "no text");
            assert_eq!(names, ["a", "b", "c", "c"].map(Name::from));
        }
    }

    #[test]
    fn over_long_names_are_cut() {
        let mut interner = Interner::new(10);
        assert_eq!(interner.name(&"x".repeat(1_000)).len(), NAME_CHARS_MAX);
        let mut names = Vec::new();
        assert_eq!(interner.index("\u{e9}".repeat(1_000).as_bytes(), &mut names), Some(0));
        assert_eq!(names, ["\u{e9}".repeat(NAME_CHARS_MAX).into()]);
    }
}
