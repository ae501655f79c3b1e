//! Rows of spans in blocks of memory that are used again: a trace has one block, whose size is a power
//! of two. So a new trace costs no allocation once as many were open before, and rows lie side by side.

use model::id::SpanId;

/// Rows of the smallest block.
const BLOCK_MIN: usize = 2;
/// Rows that are allocated at once, at least.
const PAGE_ROWS: usize = 1_024;
/// What a row takes, here and in a snapshot. Unit: bytes.
pub(crate) const ROW_BYTES: usize = 28;
/// The largest block. A trace cannot have more spans.
pub(crate) const ROWS_MAX: usize = 1 << 15;

/// A span in its trace. Four-byte parts, so that nothing is padded: [`ROW_BYTES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    span_id: [u32; 2],
    parent: [u32; 2],
    /// The lower half of the start, counted from the trace's first span. Unit: nanoseconds.
    pub(crate) start: u32,
    /// The lower half of the duration. Unit: nanoseconds.
    pub(crate) duration: u32,
    pub(crate) shape: u32,
}

impl Row {
    /// `parent`: 0 at a root.
    pub(crate) const fn new(span_id: SpanId, parent: u64, times: (u32, u32), shape: u32) -> Self {
        let (start, duration) = times;
        Self { span_id: halves(span_id.0), parent: halves(parent), start, duration, shape }
    }

    pub(crate) const fn span_id(&self) -> SpanId {
        SpanId(whole(self.span_id))
    }

    /// 0 at a root.
    pub(crate) const fn parent(&self) -> u64 {
        whole(self.parent)
    }

    /// All parts, each with its lowest byte first.
    pub(crate) fn to_bytes(self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        for (place, part) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(self.parts()) {
            *place = part.to_le_bytes();
        }
        bytes
    }

    /// The reverse of [`Self::to_bytes`].
    pub(crate) fn from_bytes(bytes: [u8; ROW_BYTES]) -> Self {
        let mut parts = [0; ROW_BYTES / 4];
        for (part, bytes) in parts.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *part = u32::from_le_bytes(*bytes);
        }
        let [span_high, span_low, parent_high, parent_low, start, duration, shape] = parts;
        let (span_id, parent) = ([span_high, span_low], [parent_high, parent_low]);
        Self { span_id, parent, start, duration, shape }
    }

    const fn parts(self) -> [u32; ROW_BYTES / 4] {
        let ([span_high, span_low], [parent_high, parent_low]) = (self.span_id, self.parent);
        [span_high, span_low, parent_high, parent_low, self.start, self.duration, self.shape]
    }
}

const fn halves(number: u64) -> [u32; 2] {
    [(number >> 32) as u32, number as u32]
}

const fn whole([high, low]: [u32; 2]) -> u64 {
    (high as u64) << 32 | low as u64
}

/// The rows of one trace. Of no rows it is no block at all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Block {
    number: u32,
    rows: u16,
    /// Its size is [`BLOCK_MIN`] times two to that power.
    class: u8,
}

impl Block {
    pub(crate) const fn len(self) -> usize {
        self.rows as usize
    }

    const fn size(self) -> usize {
        BLOCK_MIN << self.class
    }
}

/// Blocks of one size.
#[derive(Clone, Debug, Default)]
struct Class {
    pages: Vec<Box<[Row]>>,
    used: u32,
    free: Vec<u32>,
}

/// All blocks of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    classes: Vec<Class>,
}

impl Rows {
    /// The rows of a block.
    pub(crate) fn get(&self, block: Block) -> &[Row] {
        let (page, from) = place(block);
        let class = self.classes.get(usize::from(block.class));
        let page = class.and_then(|class| class.pages.get(page));
        page.and_then(|page| page.get(from..from + block.len())).unwrap_or(&[])
    }

    /// The rows of a block, to be changed.
    pub(crate) fn get_mut(&mut self, block: Block) -> &mut [Row] {
        let (page, from) = place(block);
        let class = self.classes.get_mut(usize::from(block.class));
        let page = class.and_then(|class| class.pages.get_mut(page));
        page.and_then(|page| page.get_mut(from..from + block.len())).unwrap_or(&mut [])
    }

    /// Inserts a row. A block that is full becomes a larger one; at [`ROWS_MAX`] it is not inserted.
    pub(crate) fn insert(&mut self, block: &mut Block, at: usize, row: Row) {
        if block.rows == 0 {
            *block = self.take(0);
        } else if block.len() == block.size() {
            if block.size() >= ROWS_MAX {
                return;
            }
            self.grow(block);
        }
        block.rows += 1;
        let rows = self.get_mut(*block);
        let last = rows.len().saturating_sub(1);
        rows.copy_within(at.min(last)..last, at.min(last) + 1);
        if let Some(slot) = rows.get_mut(at) {
            *slot = row;
        }
    }

    /// Rows that all blocks in use have room for.
    pub(crate) fn used(&self) -> usize {
        let room = |(class, it): (usize, &Class)| {
            (it.used as usize - it.free.len()) * (BLOCK_MIN << class)
        };
        self.classes.iter().enumerate().map(room).sum()
    }

    /// Keeps the first rows of a block, at least one.
    pub(crate) fn truncate(block: &mut Block, rows: usize) {
        block.rows = block.rows.min(u16::try_from(rows.max(1)).unwrap_or(u16::MAX));
    }

    /// Gives a block back.
    pub(crate) fn release(&mut self, block: Block) {
        if block.rows > 0
            && let Some(class) = self.classes.get_mut(usize::from(block.class))
        {
            class.free.push(block.number);
        }
    }

    fn grow(&mut self, block: &mut Block) {
        let mut larger = self.take(block.class + 1);
        larger.rows = block.rows;
        let (small, large) = self.classes.split_at_mut(usize::from(larger.class));
        let ((from_page, from), (to_page, to)) = (place(*block), place(larger));
        let old = small.last().and_then(|class| class.pages.get(from_page));
        let new = large.first_mut().and_then(|class| class.pages.get_mut(to_page));
        let old = old.and_then(|page| page.get(from..from + block.len()));
        let new = new.and_then(|page| page.get_mut(to..to + block.len()));
        if let (Some(old), Some(new)) = (old, new) {
            new.copy_from_slice(old);
        }
        self.release(*block);
        *block = larger;
    }

    fn take(&mut self, class: u8) -> Block {
        let at = usize::from(class);
        if self.classes.len() <= at {
            self.classes.resize_with(at + 1, Class::default);
        }
        let mut block = Block { number: 0, rows: 0, class };
        let Some(class) = self.classes.get_mut(at) else { return block };
        block.number = class.free.pop().unwrap_or(class.used);
        class.used = class.used.max(block.number + 1);
        if place(block).0 >= class.pages.len() {
            class.pages.push(vec![Row::default(); PAGE_ROWS.max(block.size())].into());
        }
        block
    }
}

/// Page and first row of a block.
const fn place(block: Block) -> (usize, usize) {
    let size = block.size();
    let blocks_a_page = if size > PAGE_ROWS { 1 } else { PAGE_ROWS / size };
    (block.number as usize / blocks_a_page, block.number as usize % blocks_a_page * size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(number: u64) -> Row {
        Row::new(SpanId(number), number ^ 1, (number as u32, 2), 3)
    }

    proptest! {
        #[test]
        fn blocks_agree_with_vectors(
            steps in prop::collection::vec((0_usize..6, any::<prop::sample::Index>(), 0_u8..20), 0..600)
        ) {
            let mut rows = Rows::default();
            let mut blocks = [Block::default(); 6];
            let mut twins: [Vec<Row>; 6] = Default::default();
            for (number, (which, at, action)) in steps.into_iter().enumerate() {
                let (block, twin) = (&mut blocks[which], &mut twins[which]);
                match action {
                    0 => {
                        rows.release(*block);
                        (*block, *twin) = (Block::default(), Vec::new());
                    }
                    1 if !twin.is_empty() => {
                        let keep = at.index(twin.len()) + 1;
                        Rows::truncate(block, keep);
                        twin.truncate(keep);
                    }
                    _ => {
                        let at = at.index(twin.len() + 1);
                        rows.insert(block, at, row(number as u64));
                        twin.insert(at, row(number as u64));
                    }
                }
                for (block, twin) in blocks.iter().zip(&twins) {
                    prop_assert_eq!(rows.get(*block), &twin[..]);
                }
            }
        }
    }

    #[test]
    fn a_row_is_small_and_what_is_given_back_is_used_again() {
        assert_eq!(size_of::<Row>(), ROW_BYTES);
        let mut rows = Rows::default();
        for _ in 0..100 {
            let mut block = Block::default();
            for number in 0..3_000 {
                rows.insert(&mut block, number, row(number as u64));
            }
            assert_eq!(rows.get(block).len(), 3_000);
            assert_eq!(rows.get(block)[2_999].span_id(), SpanId(2_999));
            rows.release(block);
        }
        assert!(rows.classes.iter().all(|class| class.pages.len() == 1));
    }
}
