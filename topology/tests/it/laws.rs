//! Laws: order of arrival does not matter, nor does asking, nor a round through the bytes.

use model::map::{ItemKind, ObservedDependency, RelationKind, TopologyDocument};
use model::time::{Pane, Timestamp};
use proptest::prelude::*;
use topology::{MapParameters, NodeName, Snapshot, Topology};

use crate::words::{at, dep, doc, item, pane, relation};

const PANES: i64 = 12;
const WORDS: [&str; 8] = ["a", "b", "c", "d", "A", "b-7d9f8b6c5d-x2x4z", "e.shop", "f:80"];

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(WORDS.as_slice())
}

fn item_kind() -> impl Strategy<Value = ItemKind> {
    prop::sample::select(
        [
            ItemKind::Service,
            ItemKind::Database,
            ItemKind::Host,
            ItemKind::Instance,
            ItemKind::Workload,
            ItemKind::Other,
        ]
        .as_slice(),
    )
}

fn relation_kind() -> impl Strategy<Value = RelationKind> {
    prop::sample::select(
        [
            RelationKind::DependsOn,
            RelationKind::DependsOn,
            RelationKind::RunsOn,
            RelationKind::PartOf,
            RelationKind::Related,
        ]
        .as_slice(),
    )
}

fn document() -> impl Strategy<Value = (TopologyDocument, Timestamp)> {
    let items = prop::collection::vec((word(), item_kind(), word(), word()), 0..3);
    let relations = prop::collection::vec((word(), word(), relation_kind()), 0..4);
    let removed = prop::collection::vec(word(), 0..2);
    (items, relations, removed, 0..PANES).prop_map(|(items, relations, removed, index)| {
        let items = items
            .into_iter()
            .map(|(id, kind, name, alias)| item(id, kind, name, &[alias]))
            .collect();
        let relations =
            relations.into_iter().map(|(from, to, kind)| relation(from, to, kind)).collect();
        let mut doc = doc(items, relations);
        doc.removed = removed.into_iter().map(Into::into).collect();
        (doc, at(index))
    })
}

fn observations() -> impl Strategy<Value = Vec<ObservedDependency>> {
    let one = (word(), word(), 0..50_u64).prop_map(|(from, to, calls)| dep(from, to, calls));
    prop::collection::vec(one, 0..6)
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.nodes().map(NodeName::as_str).collect()
}

/// Everything that can be asked, without version numbers: they count arrivals.
pub(crate) fn answers(map: &Topology) -> String {
    let snapshot = map.snapshot();
    let mut text = format!("{:?} {:?}\n", names(&snapshot), snapshot.shape());
    for node in snapshot.nodes() {
        let (up, down) = (snapshot.callees(&node), snapshot.downstream(&node, 4));
        let kinds = (snapshot.kind(&node), map.kind(&node));
        text += &format!("{node} {kinds:?} {up:?} {down:?}\n");
    }
    for word in WORDS {
        let hosts = (map.hosts_of(word), map.services_on(word));
        text += &format!("{word}: {:?} {hosts:?}\n", map.bind(word));
    }
    for index in 0..PANES {
        let then = map.as_of(pane(index));
        text += &format!("{index}: {:?}\n", names(&then));
        for node in then.nodes() {
            text += &format!("{:?}\n", then.callees(&node));
        }
    }
    text + &format!("{:?}", map.drift(pane(PANES)))
}

fn replayed(docs: &[(TopologyDocument, Timestamp)], panes: &[Vec<ObservedDependency>]) -> Topology {
    // Short lives, so that decay and expiry take part.
    let parameters =
        MapParameters { half_life_ticks: 3, expiry_ticks: 4, ..MapParameters::default() };
    let mut map = Topology::new(parameters);
    for (doc, at) in docs {
        map.apply(doc, *at);
    }
    for (index, deps) in panes.iter().enumerate() {
        map.observe(Pane(index as i64), deps);
    }
    map
}

proptest! {
    #[test]
    fn documents_may_arrive_in_any_order(
        docs in prop::collection::vec(document(), 0..8),
        panes in prop::collection::vec(observations(), 0..8),
        order in prop::collection::vec(any::<u32>(), 8),
    ) {
        let mut keyed: Vec<_> = docs.iter().cloned().zip(order).collect();
        keyed.sort_by_key(|(_, key)| *key);
        let shuffled: Vec<_> = keyed.into_iter().map(|(doc, _)| doc).collect();
        prop_assert_eq!(answers(&replayed(&docs, &panes)), answers(&replayed(&shuffled, &panes)));
    }

    #[test]
    fn a_document_may_arrive_twice(docs in prop::collection::vec(document(), 1..6)) {
        let twice: Vec<_> = docs.iter().chain(&docs).cloned().collect();
        prop_assert_eq!(answers(&replayed(&docs, &[])), answers(&replayed(&twice, &[])));
    }

    #[test]
    fn documents_and_observations_may_arrive_in_turn(
        docs in prop::collection::vec(document(), 0..8),
        panes in prop::collection::vec(observations(), 0..8),
    ) {
        let mut map = replayed(&[], &[]);
        for index in 0..docs.len().max(panes.len()) {
            if let Some(deps) = panes.get(index) {
                map.observe(pane(index as i64), deps);
            }
            if let Some((doc, at)) = docs.get(index) {
                map.apply(doc, *at);
            }
        }
        prop_assert_eq!(answers(&replayed(&docs, &panes)), answers(&map));
    }

    #[test]
    fn observations_of_a_pane_may_arrive_in_any_order_and_in_parts(
        before in prop::collection::vec(observations(), 0..8),
        deps in observations(),
        split in 0..6_usize,
    ) {
        let mut whole = replayed(&[], &before);
        let mut parts = whole.clone();
        let now = pane(before.len() as i64);
        whole.observe(now, &deps);
        let (left, right) = deps.split_at(split.min(deps.len()));
        parts.observe(now, &right.iter().rev().cloned().collect::<Vec<_>>());
        parts.observe(now, left);
        prop_assert_eq!(answers(&whole), answers(&parts));
    }

    #[test]
    fn a_round_through_the_bytes_changes_no_answer_now_or_later(
        docs in prop::collection::vec(document(), 0..6),
        panes in prop::collection::vec(observations(), 0..8),
        (next_doc, next_at) in document(),
        next in observations(),
    ) {
        let mut map = replayed(&docs, &panes);
        let bytes = rmp_serde::to_vec_named(&map).unwrap();
        let mut restored: Topology = rmp_serde::from_slice(&bytes).unwrap();
        prop_assert_eq!(&rmp_serde::to_vec_named(&restored).unwrap(), &bytes);
        prop_assert_eq!(answers(&map), answers(&restored));
        for map in [&mut map, &mut restored] {
            map.apply(&next_doc, next_at);
            map.observe(pane(panes.len() as i64), &next);
        }
        prop_assert_eq!(answers(&map), answers(&restored));
    }

    #[test]
    fn asking_in_between_changes_no_answer(
        docs in prop::collection::vec(document(), 0..6),
        panes in prop::collection::vec(observations(), 0..12),
    ) {
        let mut asked = replayed(&[], &[]);
        for (doc, at) in &docs {
            asked.apply(doc, *at);
            let _ = answers(&asked);
        }
        for (index, deps) in panes.iter().enumerate() {
            asked.observe(pane(index as i64), deps);
            let _ = answers(&asked);
        }
        prop_assert_eq!(answers(&replayed(&docs, &panes)), answers(&asked));
    }

    #[test]
    fn a_clone_goes_its_own_way(
        docs in prop::collection::vec(document(), 0..6),
        panes in prop::collection::vec(observations(), 0..6),
        (next_doc, next_at) in document(),
        next in observations(),
    ) {
        let map = replayed(&docs, &panes);
        let before = answers(&map);
        let mut clone = map.clone();
        clone.apply(&next_doc, next_at);
        clone.observe(pane(panes.len() as i64), &next);
        prop_assert_eq!(answers(&map), before);
    }

    #[test]
    fn every_node_binds_to_itself(
        docs in prop::collection::vec(document(), 0..8),
        panes in prop::collection::vec(observations(), 0..8),
    ) {
        let map = replayed(&docs, &panes);
        for node in map.snapshot().nodes() {
            prop_assert_eq!(map.bind(&node), Some(node.to_name()));
        }
    }
}
