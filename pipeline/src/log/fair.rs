//! Fairness between the partitions of a reader: they take turns, and each turn is bounded.

/// Lets partitions take turns until a batch is full or none has more. `take(which, quota)` takes at
/// most `quota` records from one partition and returns how many it took; `turn` says whose turn it
/// is and is kept between batches, so that a small batch starts where the last one stopped.
pub(super) fn take_turns<E>(
    turn: &mut usize,
    partitions: usize,
    records_max: usize,
    mut take: impl FnMut(usize, usize) -> Result<usize, E>,
) -> Result<(), E> {
    let quota = records_max.div_ceil(partitions.max(1)).max(1);
    let mut room = records_max;
    let mut dry = 0;
    while room > 0 && dry < partitions {
        let which = *turn % partitions;
        *turn = (which + 1) % partitions;
        let taken = take(which, quota.min(room))?;
        dry = if taken == 0 { dry + 1 } else { 0 };
        room = room.saturating_sub(taken);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::take_turns;

    fn batch(turn: &mut usize, left: &mut [usize], records_max: usize) -> Vec<usize> {
        let mut taken = vec![0; left.len()];
        take_turns(turn, left.len(), records_max, |which, quota| {
            let n = quota.min(left[which]);
            left[which] -= n;
            taken[which] += n;
            Ok::<usize, ()>(n)
        })
        .expect("nothing fails here");
        taken
    }

    #[test]
    fn a_full_partition_does_not_starve_the_others() {
        let (mut turn, mut left) = (0, [1000, 3, 5]);
        assert_eq!(batch(&mut turn, &mut left, 30), [22, 3, 5]);
    }

    #[test]
    fn batches_of_one_go_round() {
        let (mut turn, mut left) = (0, [9, 9, 9]);
        let order: Vec<_> = (0..4).map(|_| batch(&mut turn, &mut left, 1)).collect();
        assert_eq!(order, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]);
    }

    #[test]
    fn no_partitions_and_no_room_end_at_once() {
        let mut turn = 0;
        assert_eq!(batch(&mut turn, &mut [], 10), Vec::<usize>::new());
        assert_eq!(batch(&mut turn, &mut [4], 0), [0]);
    }
}
