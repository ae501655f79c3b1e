//! The relations of a few neighbouring items in one piece of memory: some three bytes each.
//!
//! A page holds `ROWS` rows, each behind its length in bytes. A row holds groups of legs that have
//! kind and life in common: (life, kind), count, then the ends in rising order, each as its
//! distance from the one before. Numbers are written in groups of seven bits, low ones first.

use model::map::RelationKind;

use crate::lives::LifeNumber;
use crate::names::Sym;

/// Rows of a page.
pub(crate) const ROWS: usize = 16;

/// A relation, seen from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) kind: RelationKind,
    pub(crate) to: Sym,
    pub(crate) life: LifeNumber,
}

/// Rows of legs. Without any bytes: `ROWS` empty rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    bytes: Box<[u8]>,
}

impl Page {
    /// The legs of a row, by kind and life, then by end.
    pub(crate) fn row(&self, row: usize) -> Legs<'_> {
        let (_, rest) = self.split(row);
        Legs { bytes: take_row(rest).0, group: (RelationKind::DependsOn, 0), left: 0, to: 0 }
    }

    /// What stands before a row, and from it on.
    fn split(&self, row: usize) -> (&[u8], &[u8]) {
        let mut rest = &*self.bytes;
        for _ in 0..row {
            rest = take_row(rest).1;
        }
        self.bytes.split_at(self.bytes.len() - rest.len())
    }

    /// Puts legs in place of those of a row. Cost: linear in the page.
    pub(crate) fn set_row(&mut self, row: usize, legs: Vec<Leg>) {
        if self.bytes.is_empty() {
            self.bytes = [0; ROWS].into();
        }
        let fresh = encode(legs);
        let (before, from) = self.split(row);
        let (_, after) = take_row(from);
        let length = 1 + fresh.len().checked_ilog2().unwrap_or_default() as usize / 7;
        let size = before.len() + length + fresh.len() + after.len();
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(before);
        write(&mut bytes, fresh.len() as u64);
        bytes.extend_from_slice(&fresh);
        bytes.extend_from_slice(after);
        self.bytes = bytes.into_boxed_slice();
    }
}

/// The legs of a row, decoded one by one.
#[derive(Clone, Debug)]
pub(crate) struct Legs<'a> {
    bytes: &'a [u8],
    /// Kind and life of the present group, how many legs of it are left, and the last end.
    group: (RelationKind, LifeNumber),
    left: u64,
    to: u64,
}

impl Iterator for Legs<'_> {
    type Item = Leg;

    fn next(&mut self) -> Option<Leg> {
        while self.left == 0 {
            let head = read(&mut self.bytes)?;
            self.group = (kind_of(head & 3), (head >> 2) as LifeNumber);
            (self.left, self.to) = (read(&mut self.bytes)?, 0);
        }
        self.left -= 1;
        self.to += read(&mut self.bytes)?;
        let (kind, life) = self.group;
        Some(Leg { kind, to: self.to as Sym, life })
    }
}

fn encode(mut legs: Vec<Leg>) -> Vec<u8> {
    legs.sort_unstable_by_key(|leg| (leg.kind, leg.life, leg.to));
    let mut bytes = Vec::with_capacity(legs.len() * 5 + 8);
    for group in legs.chunk_by(|a, b| (a.kind, a.life) == (b.kind, b.life)) {
        let Some(first) = group.first() else { continue };
        write(&mut bytes, (u64::from(first.life) << 2) | kind_number(first.kind));
        write(&mut bytes, group.len() as u64);
        let mut before = 0;
        for leg in group {
            write(&mut bytes, u64::from(leg.to - before));
            before = leg.to;
        }
    }
    bytes
}

/// The bytes of the first row, and what stands behind it.
fn take_row(mut bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = read(&mut bytes).unwrap_or_default() as usize;
    bytes.split_at_checked(length).unwrap_or_default()
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

fn kind_number(kind: RelationKind) -> u64 {
    match kind {
        RelationKind::DependsOn => 0,
        RelationKind::RunsOn => 1,
        RelationKind::PartOf => 2,
        RelationKind::Related => 3,
    }
}

fn kind_of(number: u64) -> RelationKind {
    match number {
        0 => RelationKind::DependsOn,
        1 => RelationKind::RunsOn,
        2 => RelationKind::PartOf,
        _ => RelationKind::Related,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leg() -> impl Strategy<Value = Leg> {
        let to = prop_oneof![0..200_u32, 0..u32::MAX / 2];
        let life = prop_oneof![0..3_u32, any::<u32>()];
        (0..4_u64, to, life).prop_map(|(kind, to, life)| Leg { kind: kind_of(kind), to, life })
    }

    proptest! {
        #[test]
        fn a_page_holds_what_rows_hold(
            steps in prop::collection::vec((0..ROWS, prop::collection::vec(leg(), 0..70)), 0..30),
        ) {
            let (mut page, mut rows) = (Page::default(), vec![Vec::new(); ROWS]);
            for (row, mut legs) in steps {
                legs.sort_by_key(|leg| (leg.kind, leg.life, leg.to));
                page.set_row(row, legs.iter().rev().copied().collect());
                rows[row] = legs;
                for (row, legs) in rows.iter().enumerate() {
                    prop_assert_eq!(&page.row(row).collect::<Vec<Leg>>(), legs);
                }
            }
        }
    }

    #[test]
    fn four_legs_of_one_document_take_sixteen_bytes_with_their_length() {
        let mut page = Page::default();
        let legs = [100_000, 200_000, 300_000, 400_000];
        let legs = legs.map(|to| Leg { kind: RelationKind::DependsOn, to, life: 100 });
        page.set_row(3, legs.to_vec());
        assert_eq!(page.bytes.len(), 16 + 15);
    }
}
