//! Declared items by the numbers of their ids: two numbers each, and what few items have (another
//! name than their id, aliases) aside.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::entity::Criticality;
use model::map::ItemKind;
use model::time::Timestamp;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lean;
use crate::life::Life;
use crate::lives::{LifeNumber, Lives};
use crate::names::Sym;

/// Content of an item. Names are numbers of `Declared::names`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub(crate) kind: ItemKind,
    pub(crate) name: Sym,
    pub(crate) owner: Option<Sym>,
    pub(crate) criticality: Option<Criticality>,
    pub(crate) aliases: &'a [Sym],
    /// Whose word it is: `None` in what was kept before sources were.
    pub(crate) source: Option<Sym>,
    /// The first word on it: from here on it is in the map. The last: it gave the content.
    pub(crate) life: Life,
}

/// What many items have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Make {
    owner: Option<Sym>,
    source: Option<Sym>,
    kind: ItemKind,
    criticality: Option<Criticality>,
    has_aliases: bool,
}

/// An item, or none.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// The number of its make, plus one; 0: no item.
    make: u32,
    life: LifeNumber,
}

/// Items by number of their id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Items {
    rows: Vec<Row>,
    /// All makes that ever were: as few as there are teams and kinds.
    makes: Vec<Make>,
    make_numbers: BTreeMap<Make, u32>,
    lives: Lives,
    /// By number of the id the name, plus one; 0: the id is the name. As long as the last item
    /// with a name of its own needs it.
    names: Vec<Sym>,
    aliases: BTreeMap<Sym, Box<[Sym]>>,
    count: usize,
}

impl Items {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    fn row(&self, id: Sym) -> Option<Row> {
        self.rows.get(id as usize).copied().filter(|row| row.make > 0)
    }

    /// First and last word on an item. Cheaper than all of it.
    pub(crate) fn life(&self, id: Sym) -> Option<Life> {
        self.lives.get(self.row(id)?.life)
    }

    pub(crate) fn get(&self, id: Sym) -> Option<Item<'_>> {
        let row = self.row(id)?;
        let make = self.makes.get(row.make as usize - 1)?;
        let name = self.names.get(id as usize).and_then(|name| name.checked_sub(1));
        let aliases = if make.has_aliases { self.aliases.get(&id) } else { None };
        Some(Item {
            kind: make.kind,
            name: name.unwrap_or(id),
            owner: make.owner,
            criticality: make.criticality,
            aliases: aliases.map(|aliases| &**aliases).unwrap_or_default(),
            source: make.source,
            life: self.lives.get(row.life)?,
        })
    }

    /// Puts an item in, in place of what was there.
    pub(crate) fn insert(&mut self, id: Sym, item: Item<'_>) {
        self.remove(id);
        let make = Make {
            owner: item.owner,
            source: item.source,
            kind: item.kind,
            criticality: item.criticality,
            has_aliases: !item.aliases.is_empty(),
        };
        let row = Row { make: self.make_number(make) + 1, life: self.lives.take(item.life) };
        lean::put(&mut self.rows, id as usize, row);
        if item.name != id {
            lean::put(&mut self.names, id as usize, item.name + 1);
        }
        if make.has_aliases {
            self.aliases.insert(id, item.aliases.into());
        }
        self.count += 1;
    }

    fn make_number(&mut self, make: Make) -> u32 {
        let Self { makes, make_numbers, .. } = self;
        *make_numbers.entry(make).or_insert_with(|| {
            makes.push(make);
            (makes.len() - 1) as u32
        })
    }

    /// Gives a known item another life.
    pub(crate) fn set_life(&mut self, id: Sym, life: Life) {
        if let Some(row) = self.rows.get_mut(id as usize).filter(|row| row.make > 0) {
            let old = std::mem::replace(&mut row.life, self.lives.take(life));
            self.lives.give_back(old);
        }
    }

    pub(crate) fn remove(&mut self, id: Sym) {
        let Some(row) = self.row(id) else { return };
        self.lives.give_back(row.life);
        self.aliases.remove(&id);
        if let Some(empty) = self.rows.get_mut(id as usize) {
            *empty = Row::default();
        }
        if let Some(name) = self.names.get_mut(id as usize) {
            *name = 0;
        }
        self.count -= 1;
    }

    /// All items, in the order of their numbers: it must not reach an output.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Sym, Item<'_>)> {
        (0..self.rows.len() as Sym).filter_map(|id| Some((id, self.get(id)?)))
    }
}

/// An item as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    kind: ItemKind,
    name: Sym,
    owner: Option<Sym>,
    criticality: Option<Criticality>,
    aliases: Cow<'a, [Sym]>,
    #[serde(default)]
    source: Option<Sym>,
    first: Timestamp,
    last: Timestamp,
}

impl<'a> From<Item<'a>> for Kept<'a> {
    fn from(item: Item<'a>) -> Self {
        Self {
            kind: item.kind,
            name: item.name,
            owner: item.owner,
            criticality: item.criticality,
            aliases: Cow::Borrowed(item.aliases),
            source: item.source,
            first: item.life.first,
            last: item.life.last,
        }
    }
}

impl Kept<'_> {
    fn item(&self) -> Item<'_> {
        Item {
            kind: self.kind,
            name: self.name,
            owner: self.owner,
            criticality: self.criticality,
            aliases: &self.aliases,
            source: self.source,
            life: Life { first: self.first, last: self.last },
        }
    }
}

/// Kept as the list of (number of the id, item).
impl Serialize for Items {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.count))?;
        for (id, item) in self.iter() {
            list.serialize_element(&(id, Kept::from(item)))?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut items = Self::default();
        for (id, kept) in Vec::<(Sym, Kept<'_>)>::deserialize(deserializer)? {
            items.insert(id, kept.item());
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(Sym, Owned),
        SetLife(Sym, Life),
        Remove(Sym),
    }

    /// An item that owns its aliases.
    #[derive(Clone, Debug)]
    struct Owned {
        item: Item<'static>,
        aliases: Vec<Sym>,
    }

    impl Owned {
        fn item(&self) -> Item<'_> {
            Item { aliases: &self.aliases, ..self.item }
        }
    }

    fn life() -> impl Strategy<Value = Life> {
        (0..4_i64, 0..4_i64).prop_map(|(a, b)| Life { first: Timestamp(a), last: Timestamp(b) })
    }

    fn owned() -> impl Strategy<Value = Owned> {
        const KINDS: [ItemKind; 3] = [ItemKind::Service, ItemKind::Host, ItemKind::Other];
        const LEVELS: [Option<Criticality>; 3] =
            [None, Some(Criticality::Low), Some(Criticality::Critical)];
        let fields = (
            prop::sample::select(KINDS.as_slice()),
            0..12_u32,
            prop::option::of(0..3_u32),
            prop::sample::select(LEVELS.as_slice()),
            prop::collection::vec(0..12_u32, 0..3),
            prop::option::of(0..2_u32),
            life(),
        );
        fields.prop_map(|(kind, name, owner, criticality, aliases, source, life)| {
            let item = Item { kind, name, owner, criticality, aliases: &[], source, life };
            Owned { item, aliases }
        })
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..12_u32, owned()).prop_map(|(id, item)| Step::Insert(id, item)),
            1 => (0..12_u32, life()).prop_map(|(id, life)| Step::SetLife(id, life)),
            1 => (0..12_u32).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec(step(), 0..60)) {
            let (mut items, mut plain) = (Items::default(), BTreeMap::<Sym, Owned>::new());
            for step in steps {
                match step {
                    Step::Insert(id, owned) => {
                        items.insert(id, owned.item());
                        plain.insert(id, owned);
                    }
                    Step::SetLife(id, life) => {
                        items.set_life(id, life);
                        if let Some(owned) = plain.get_mut(&id) {
                            owned.item.life = life;
                        }
                    }
                    Step::Remove(id) => {
                        items.remove(id);
                        plain.remove(&id);
                    }
                }
                let bytes = rmp_serde::to_vec_named(&items).unwrap();
                let restored: Items = rmp_serde::from_slice(&bytes).unwrap();
                for items in [&items, &restored] {
                    prop_assert_eq!(items.len(), plain.len());
                    for id in 0..13 {
                        let expected = plain.get(&id).map(Owned::item);
                        prop_assert_eq!(items.get(id), expected);
                        prop_assert_eq!(items.life(id), expected.map(|item| item.life));
                    }
                    let all: Vec<(Sym, Item<'_>)> = items.iter().collect();
                    let expected: Vec<(Sym, Item<'_>)> =
                        plain.iter().map(|(id, owned)| (*id, owned.item())).collect();
                    prop_assert_eq!(all, expected);
                }
            }
        }
    }
}
