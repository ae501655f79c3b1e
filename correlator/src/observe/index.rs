//! An index over numbered things: from a key to their numbers, by open addressing.
//!
//! A part of the key's hash stands beside each number, so most of what is not meant is passed over
//! without a look at the thing itself. Keys come from outside and could be chosen to meet in one
//! place, so the hash has a seed that is made anew as the index grows, from all keys that were
//! inserted before: nobody who sends knows what others sent. Nothing that leaves depends on it.

/// Where nothing stands.
const EMPTY: u32 = u32::MAX;
const PLACES_MIN: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Place {
    number: u32,
    /// 32 bits of the hash: the last bits say where a search begins.
    tag: u32,
}

/// The index. Invariant: a fifth of the places is empty, so that a search ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// A power of two, or none.
    places: Vec<Place>,
    used: usize,
    seed: u64,
    next_seed: u64,
}

impl Index {
    /// The number under a key that `is` the one that is meant.
    pub(crate) fn find(&self, key: u128, is: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = tag_of(key, self.seed);
        let mut at = self.home(tag);
        // Without places there is nothing to be found; else a search ends at an empty one.
        while let Some(place) = self.places.get(at).filter(|place| place.number != EMPTY) {
            if place.tag == tag && is(place.number) {
                return Some(place.number);
            }
            at = self.after(at);
        }
        None
    }

    /// Adds a number that is not there yet. `key_of` gives the key of any number in the index.
    pub(crate) fn insert(&mut self, key: u128, number: u32, key_of: impl Fn(u32) -> u128) {
        self.next_seed = self.next_seed.rotate_left(23) ^ (key as u64) ^ (key >> 64) as u64;
        if (self.used + 1) * 5 > self.places.len() * 4 {
            self.grow(key_of);
        }
        let tag = tag_of(key, self.seed);
        self.put(Place { number, tag });
        self.used += 1;
    }

    /// Takes a number out. What was pushed on by it moves back, so no gap stops a search.
    pub(crate) fn remove(&mut self, key: u128, number: u32) {
        let mut gap = self.home(tag_of(key, self.seed));
        while let Some(place) = self.places.get(gap).filter(|place| place.number != EMPTY) {
            if place.number == number {
                self.close(gap);
                self.used -= 1;
                return;
            }
            gap = self.after(gap);
        }
    }

    fn close(&mut self, mut gap: usize) {
        let mut at = self.after(gap);
        while let Some(place) = self.places.get(at).copied().filter(|it| it.number != EMPTY) {
            let pushed_on = at.wrapping_sub(self.home(place.tag)) & self.mask();
            if pushed_on >= at.wrapping_sub(gap) & self.mask() {
                self.set(gap, place);
                gap = at;
            }
            at = self.after(at);
        }
        self.set(gap, Place { number: EMPTY, tag: 0 });
    }

    fn grow(&mut self, key_of: impl Fn(u32) -> u128) {
        let size = (self.places.len() * 2).max(PLACES_MIN);
        let old = std::mem::replace(&mut self.places, vec![Place { number: EMPTY, tag: 0 }; size]);
        self.seed = self.next_seed;
        for place in old.into_iter().filter(|place| place.number != EMPTY) {
            let tag = tag_of(key_of(place.number), self.seed);
            self.put(Place { tag, ..place });
        }
    }

    fn put(&mut self, new: Place) {
        let mut at = self.home(new.tag);
        while self.places.get(at).is_some_and(|place| place.number != EMPTY) {
            at = self.after(at);
        }
        self.set(at, new);
    }

    fn set(&mut self, at: usize, new: Place) {
        if let Some(place) = self.places.get_mut(at) {
            *place = new;
        }
    }

    const fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    const fn home(&self, tag: u32) -> usize {
        tag as usize & self.mask()
    }

    const fn after(&self, at: usize) -> usize {
        (at + 1) & self.mask()
    }
}

/// A seeded hash: products of 64 by 64 bits, both halves folded together (as wyhash does).
const fn tag_of(key: u128, seed: u64) -> u32 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xf39c_0c05_a1b5_e3d7;
    let (low, high) = (key as u64 ^ seed ^ A, (key >> 64) as u64 ^ seed.rotate_left(32) ^ B);
    fold(fold(low, high) ^ seed, A) as u32
}

const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    (product ^ (product >> 64)) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The key of a number: few, so that many meet.
    fn key(number: u32) -> u128 {
        u128::from(number % 7)
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_set(steps in prop::collection::vec((any::<bool>(), 0_u32..60), 0..300)) {
            let (mut index, mut twin) = (Index::default(), BTreeSet::new());
            for (add, number) in steps {
                if add && twin.insert(number) {
                    index.insert(key(number), number, key);
                } else if !add && twin.remove(&number) {
                    index.remove(key(number), number);
                }
                for known in 0..60 {
                    let found = index.find(key(known), |it| it == known).is_some();
                    prop_assert_eq!(found, twin.contains(&known));
                }
            }
        }
    }
}
