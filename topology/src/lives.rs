//! First and last words, each pair of them once: a document speaks of thousands of items and
//! relations at one time, so that few pairs serve a whole map.

use std::collections::BTreeMap;

use crate::lean::make_room;
use crate::life::Life;

/// The number of a life.
pub(crate) type LifeNumber = u32;

/// Lives by number, with how many hold each. What nobody holds makes room for another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives {
    rows: Vec<(Life, u32)>,
    /// (first, last) to number, of those that are held.
    numbers: BTreeMap<Life, LifeNumber>,
    free: Vec<LifeNumber>,
    /// The one that was taken last: most likely the next one.
    recent: LifeNumber,
}

impl Lives {
    pub(crate) fn get(&self, number: LifeNumber) -> Option<Life> {
        self.rows.get(number as usize).map(|(life, _)| *life)
    }

    /// The number of a life, held once more.
    pub(crate) fn take(&mut self, life: Life) -> LifeNumber {
        let number = self.find(life).unwrap_or_else(|| self.add(life));
        if let Some((_, holders)) = self.rows.get_mut(number as usize) {
            *holders += 1;
        }
        self.recent = number;
        number
    }

    /// Holds a life once less.
    pub(crate) fn give_back(&mut self, number: LifeNumber) {
        let Some((life, holders)) = self.rows.get_mut(number as usize) else { return };
        *holders = holders.saturating_sub(1);
        if *holders == 0 {
            self.numbers.remove(life);
            self.free.push(number);
        }
    }

    fn find(&self, life: Life) -> Option<LifeNumber> {
        match self.rows.get(self.recent as usize) {
            Some((recent, holders)) if *holders > 0 && *recent == life => Some(self.recent),
            _ => self.numbers.get(&life).copied(),
        }
    }

    fn add(&mut self, life: Life) -> LifeNumber {
        let number = self.free.pop().unwrap_or(self.rows.len() as LifeNumber);
        match self.rows.get_mut(number as usize) {
            Some(row) => *row = (life, 0),
            None => {
                make_room(&mut self.rows, 1);
                self.rows.push((life, 0));
            }
        }
        self.numbers.insert(life, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn held_lives_keep_their_numbers_and_no_room_is_lost(
            steps in prop::collection::vec((0..5_i64, any::<bool>()), 0..80),
        ) {
            let mut lives = Lives::default();
            let mut held: Vec<(Life, LifeNumber)> = Vec::new();
            let mut most = 0;
            for (at, taken) in steps {
                let life = Life { first: Timestamp(at), last: Timestamp(2 * at) };
                let known = held.iter().position(|(held, _)| *held == life);
                if taken {
                    let number = lives.take(life);
                    prop_assert!(known.is_none_or(|known| held[known].1 == number));
                    held.push((life, number));
                } else if let Some(known) = known {
                    lives.give_back(held.remove(known).1);
                }
                for (life, number) in &held {
                    prop_assert_eq!(lives.get(*number), Some(*life));
                }
                let mut distinct: Vec<LifeNumber> = held.iter().map(|(_, number)| *number).collect();
                distinct.sort_unstable();
                distinct.dedup();
                most = most.max(distinct.len());
                prop_assert_eq!(lives.rows.len(), most);
                prop_assert_eq!(lives.numbers.len(), distinct.len());
            }
        }
    }
}
