//! The open traces in a snapshot: their rows as flat bytes, because there are millions of them and the
//! stage stands still while they are written.
//!
//! A trace is a head of [`HEAD`] bytes and its rows of [`ROW`] bytes each, numbers with the lowest byte first.
//! Logs, which few traces have, stand beside them by the trace's place.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};

use model::id::TraceId;
use model::name::Name;
use model::time::{PaneWidth, Timestamp};

use super::rows::{Block, ROW_BYTES, Row};
use super::table::{EndedBy, Slot, TraceTable};
use super::trace::LogRow;
use super::words::{Shape, Words};

/// Id, start, end, by what that is known, rows. Unit: bytes.
const HEAD: usize = 16 + 8 + 8 + 1 + 2;

#[derive(Serialize)]
struct TableOut<'t> {
    width: PaneWidth,
    names: &'t [Name],
    shapes: &'t [Shape],
    open: &'t Bytes,
    logs: Vec<(u32, &'t [LogRow])>,
}

#[derive(Deserialize)]
struct TableIn {
    width: PaneWidth,
    names: Vec<Name>,
    shapes: Vec<Shape>,
    open: ByteBuf,
    logs: Vec<(u32, Vec<LogRow>)>,
}

impl Serialize for TraceTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut open = Vec::with_capacity(self.len() * HEAD + self.rows.used() * ROW_BYTES);
        let mut logs = Vec::new();
        let traces = self.slots.all().filter(|slot| slot.ended_by != EndedBy::Nothing);
        for (at, slot) in (0_u32..).zip(traces) {
            let rows = self.rows.get(slot.spans);
            open.extend_from_slice(&head(slot, rows.len()));
            for row in rows {
                open.extend_from_slice(&row.to_bytes());
            }
            let of_trace = self.logs.get(slot.logs);
            if !of_trace.is_empty() {
                logs.push((at, of_trace));
            }
        }
        let (names, shapes) = self.words.parts();
        let out = TableOut { width: self.width, names, shapes, open: Bytes::new(&open), logs };
        out.serialize(serializer)
    }
}

fn head(slot: &Slot, rows: usize) -> [u8; HEAD] {
    let mut bytes = [0; HEAD];
    let ended_by = match slot.ended_by {
        EndedBy::Nothing => 0,
        EndedBy::Logs => 1,
        EndedBy::Spans => 2,
    };
    let rows = u16::try_from(rows).unwrap_or(u16::MAX);
    let parts: [&[u8]; 5] = [
        &slot.id.0.to_le_bytes(),
        &slot.base.to_le_bytes(),
        &slot.end.0.to_le_bytes(),
        &[ended_by],
        &rows.to_le_bytes(),
    ];
    let places = bytes.iter_mut().zip(parts.into_iter().flatten());
    places.for_each(|(place, byte)| *place = *byte);
    bytes
}

/// Reads from the front of bytes.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, left) = self.0.split_first_chunk::<N>()?;
        self.0 = left;
        Some(*taken)
    }

    /// The next trace and how many rows follow.
    fn head(&mut self) -> Option<(Slot, u16)> {
        let id = TraceId(u128::from_le_bytes(self.take()?));
        let base = i64::from_le_bytes(self.take()?);
        let end = Timestamp(i64::from_le_bytes(self.take()?));
        let ended_by = match self.take()? {
            [1] => EndedBy::Logs,
            [2] => EndedBy::Spans,
            _ => return None,
        };
        let rows = u16::from_le_bytes(self.take()?);
        Some((Slot { id, base, end, ended_by, ..Slot::default() }, rows))
    }
}

impl<'de> Deserialize<'de> for TraceTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = TableIn::deserialize(deserializer)?;
        let cut = || serde::de::Error::custom("the open traces are cut off or of another version");
        let mut out = Self::new(table.width);
        out.words = Words::from_parts(&table.names, &table.shapes);
        let mut bytes = Reader(&table.open);
        let mut logs = table.logs.into_iter().peekable();
        let mut at = 0;
        while !bytes.0.is_empty() {
            let (mut slot, rows) = bytes.head().ok_or_else(cut)?;
            let mut block = Block::default();
            for row in 0..usize::from(rows) {
                let row_bytes = bytes.take().ok_or_else(cut)?;
                out.rows.insert(&mut block, row, Row::from_bytes(row_bytes));
            }
            slot.spans = block;
            if let Some((_, of_trace)) = logs.next_if(|(of, _)| *of == at)
                && let Some(place) = out.logs.make(&mut slot.logs)
            {
                *place = of_trace;
            }
            at += 1;
            out.put(slot);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use model::entity::EntityKind;
    use model::id::{SpanId, TemplateId};
    use model::signal::{LogSeverity, SpanKind};
    use model::time::Pane;
    use proptest::prelude::*;

    use super::*;
    use crate::observe::table::Offered;
    use crate::observe::trace::Outcome;
    use crate::observe::words::NOBODY;

    fn log_row(at: i64) -> LogRow {
        LogRow {
            time: Timestamp(at),
            template: TemplateId(7),
            severity: LogSeverity::Warn,
            span_id: None,
            owner: (EntityKind::Service, "cart".into()),
            skeleton: "took <n> ms".into(),
            of_platform: false,
        }
    }

    fn offered(table: &mut TraceTable, span: u64, at: i64) -> Offered {
        let names = &mut table.words.names;
        let shape = Shape {
            service: names.number(&"cart".into()),
            version: NOBODY,
            operation: names.number(&format!("op {}", span % 3).as_str().into()),
            callee: NOBODY,
            callee_kind: EntityKind::Service,
            kind: SpanKind::Server,
            outcome: Outcome::Ok,
            start_high: 0,
            duration_high: 0,
        };
        let (start, end) = (Timestamp(at), Timestamp(at + 9_000_000_000));
        Offered { span_id: SpanId(span), parent: Some(SpanId(span / 2)), start, end, shape }
    }

    /// Joins what the steps say: a trace, a span or (0) a log, and when.
    fn table(steps: &[(u128, u64, i64)]) -> TraceTable {
        let mut table = TraceTable::default();
        for &(id, span, at) in steps {
            let id = TraceId(id);
            let number = table.find(id).or_else(|| table.make(id)).unwrap();
            if span == 0 {
                table.join_log(number, log_row(at), 100).unwrap();
            } else {
                let offered = offered(&mut table, span, at);
                table.join_span(number, &offered, 100).unwrap();
            }
        }
        table
    }

    /// All that a table says, pane by pane.
    fn told(table: &TraceTable) -> Vec<String> {
        let mut told = Vec::new();
        for pane in table.panes_through(Pane(i64::MAX)) {
            table.each_of_pane(pane, |id, spans, logs| {
                told.push(format!("{pane:?} {id:?} {spans:?} {logs:?}"));
            });
        }
        told
    }

    fn there_and_back(table: &TraceTable) -> TraceTable {
        rmp_serde::from_slice(&rmp_serde::to_vec_named(table).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn a_table_comes_back_as_it_was(
            steps in prop::collection::vec((1_u128..20, 0_u64..9, 0_i64..80_000_000_000), 0..200),
            gone in 0_i64..8,
        ) {
            let mut before = table(&steps);
            before.forget_through(Pane(gone));
            let mut after = there_and_back(&before);
            prop_assert_eq!(told(&after), told(&before));
            prop_assert_eq!(after.len(), before.len());
            // And goes on as the other does.
            for table in [&mut before, &mut after] {
                let number = table.find(TraceId(3)).or_else(|| table.make(TraceId(3))).unwrap();
                let offered = offered(table, 11, 1_000);
                table.join_span(number, &offered, 100).unwrap();
                table.forget_through(Pane(gone + 1));
            }
            prop_assert_eq!(told(&after), told(&before));
        }
    }

    #[test]
    fn what_is_cut_off_is_told_and_nothing_of_it_read() {
        let whole = table(&[(1, 1, 5), (1, 2, 9), (2, 0, 7), (2, 4, 8)]);
        let (names, shapes) = whole.words.parts();
        let mut open = Vec::new();
        for slot in whole.slots.all() {
            let rows = whole.rows.get(slot.spans);
            open.extend(head(slot, rows.len()));
            open.extend(rows.iter().flat_map(|row| row.to_bytes()));
        }
        let read = |open: &[u8]| {
            let logs = Vec::new();
            let out = TableOut { width: whole.width, names, shapes, open: Bytes::new(open), logs };
            rmp_serde::from_slice::<TraceTable>(&rmp_serde::to_vec_named(&out).unwrap())
        };
        let traces = |open: &[u8]| read(open).map(|table| table.len()).ok();
        let second = HEAD + 2 * ROW_BYTES;
        for cut in 0..=open.len() {
            let whole_traces = [0, second, open.len()].iter().position(|end| *end == cut);
            assert_eq!(traces(&open[..cut]), whole_traces, "cut at {cut}");
        }
    }
}
