//! Texts by number, in blocks that are shared: a snapshot keeps the texts of its time without a
//! copy of them, while new ones are added behind.

use std::sync::Arc;

/// Texts in one block. A power of two.
const BLOCK: usize = 256;

/// Texts in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// All of `BLOCK` texts but the last.
    blocks: Vec<Arc<Block>>,
}

#[derive(Clone, Debug, Default)]
struct Block {
    text: String,
    /// Where each text ends; it starts where its predecessor ends.
    ends: Vec<u32>,
}

impl Block {
    fn text(&self, at: usize) -> &str {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(at).copied().unwrap_or_default();
        self.text.get(start.unwrap_or_default() as usize..end as usize).unwrap_or_default()
    }
}

impl Texts {
    pub(crate) fn len(&self) -> usize {
        let last = self.blocks.last().map_or(BLOCK, |block| block.ends.len());
        (self.blocks.len() * BLOCK + last).saturating_sub(BLOCK)
    }

    /// The text of a number; empty for a number that was never given out.
    pub(crate) fn get(&self, number: u32) -> &str {
        let number = number as usize;
        self.blocks.get(number / BLOCK).map(|block| block.text(number % BLOCK)).unwrap_or_default()
    }

    /// Adds a text. `None` when its block has no room for it: beyond 4 GiB.
    pub(crate) fn push(&mut self, text: &str) -> Option<()> {
        if self.blocks.last().is_none_or(|block| block.ends.len() == BLOCK) {
            let ends = Vec::with_capacity(BLOCK);
            self.blocks.push(Arc::new(Block { text: String::new(), ends }));
        }
        // Copies the last block if a snapshot holds it: once per snapshot, and a small one.
        let block = Arc::make_mut(self.blocks.last_mut()?);
        let end = u32::try_from(block.text.len().checked_add(text.len())?).ok()?;
        block.text.push_str(text);
        block.ends.push(end);
        if block.ends.len() == BLOCK {
            block.text.shrink_to_fit();
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_stays_as_it_was_while_texts_are_added() {
        let (mut texts, mut plain, mut shared) = (Texts::default(), Vec::new(), Vec::new());
        for number in 0..1_000_u32 {
            if number % 100 == 0 {
                shared.push((texts.clone(), plain.clone()));
            }
            let text = "x".repeat(number as usize % 7);
            texts.push(&text).unwrap();
            plain.push(text);
        }
        shared.push((texts, plain));
        for (texts, plain) in shared {
            assert_eq!(texts.len(), plain.len());
            for (number, text) in plain.iter().enumerate() {
                assert_eq!(texts.get(number as u32), text);
            }
            assert_eq!(texts.get(plain.len() as u32), "");
        }
    }
}
