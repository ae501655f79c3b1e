//! Draws a frame. At 80 columns everything that is needed to act is there; what does not fit is cut
//! at its end, and a wider terminal shows more of it.

use anyhow::Result;
use model::incident::Priority;
use model::time::Nanos;
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use ratatui::{Frame, Terminal};

use super::shown::{IncidentRow, Shown, StageRow};
use crate::span;

/// Event time so far behind the clock is no delay. Unit: seconds.
const FAR_S: u64 = 86_400;
/// Below this there is no table that could be read.
const COLUMNS_MIN: u16 = 40;
/// As above.
const LINES_MIN: u16 = 8;
/// Lines that a printed frame may have beyond those of its incidents.
const PRINTED_LINES: u16 = 17;

/// What is drawn.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The newest content; `None` before the first look.
    pub shown: Option<&'a Shown>,
    /// Why the last look failed, if it did.
    pub trouble: Option<&'a str>,
    /// Incidents above the first line of the list.
    pub scrolled: usize,
}

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, view: &View<'_>) {
    let area = frame.area();
    if area.width < COLUMNS_MIN || area.height < LINES_MIN {
        let say = format!("{COLUMNS_MIN}x{LINES_MIN} at least, please; q quits");
        frame.render_widget(Paragraph::new(say), area);
        return;
    }
    let stages = view.shown.map_or(0, |shown| shown.stages.len() + 1);
    // Incidents are what one acts on: in a low terminal the stages give way.
    let stages = if area.height < 16 { 0 } else { u16::try_from(stages).unwrap_or(0) + 1 };
    let is_owed = view.shown.is_some_and(|shown| shown.sinks.iter().any(|s| s.owed_count > 0));
    let owed = u16::from(is_owed);
    let parts = Layout::vertical([
        Constraint::Length(2 + owed),
        Constraint::Length(stages),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [head, middle, list, foot] = parts.areas(area);
    if let Some(shown) = view.shown {
        draw_head(frame, head, shown);
        if stages > 0 {
            draw_stages(frame, middle, shown);
        }
        draw_incidents(frame, list, shown, view.scrolled);
    }
    draw_foot(frame, foot, view);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, shown: &Shown) {
    let ready = if shown.ready {
        Span::styled("ready", Style::new().fg(Color::Green))
    } else {
        Span::styled(format!("not ready ({})", shown.failing.join(", ")), bad())
    };
    let first = Line::from(vec![
        Span::styled("faultline ", bold()),
        Span::raw(format!("{} at {}  ", shown.version, shown.url)),
        ready,
    ]);
    let time = match (shown.event_time, shown.behind_clock_s) {
        (Some(at), Some(behind)) => {
            let at: String = at.to_rfc3339().chars().take(19).collect();
            let why = if behind > FAR_S { " (a story, or a log from its start)" } else { "" };
            format!("event time {at}Z, {} behind now{why}", age(behind))
        }
        _ => "no event time yet".to_owned(),
    };
    let second = format!("{} open, {} suspected  {time}", shown.open_count, shown.suspected_count);
    frame.render_widget(Paragraph::new(vec![first, Line::raw(second), owed_line(shown)]), area);
}

/// Which sinks have not been told what they should have been by now.
fn owed_line(shown: &Shown) -> Line<'static> {
    let behind = shown.sinks.iter().filter(|sink| sink.owed_count > 0);
    let parts: Vec<Span<'static>> = behind
        .map(|sink| {
            let since = age(sink.oldest_s as u64);
            let words = format!("  {}: {} since {since}", sink.sink, sink.owed_count);
            let late = sink.oldest_s >= 60.0;
            if late { Span::styled(words, bad()) } else { Span::raw(words) }
        })
        .collect();
    let mut line = Line::from("not told yet");
    line.extend(parts);
    line
}

fn draw_stages(frame: &mut Frame<'_>, area: Rect, shown: &Shown) {
    let head =
        Row::new(["STAGE", "READ/S", "BYTES/S", "WRITTEN/S", "LAG", "LAG TIME", "LOST", "RETRIES"])
            .style(heading());
    let rows = shown.stages.iter().map(stage_row);
    let widths = [10, 9, 9, 10, 10, 12, 6, 8].map(Constraint::Length);
    frame.render_widget(Table::new(rows, widths).header(head).column_spacing(1), area);
}

fn stage_row(stage: &StageRow) -> Row<'static> {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), amount);
    let alarm = |is: bool| if is { bad() } else { Style::new() };
    Row::new([
        Cell::from(stage.stage),
        Cell::from(rate(stage.read_per_s)),
        Cell::from(rate(stage.read_bytes_per_s)),
        Cell::from(rate(stage.written_per_s)),
        Cell::from(stage.lag_records.map_or("?".to_owned(), |lag| amount(lag as f64))),
        Cell::from(stage.lag_s.map_or("?".to_owned(), |lag| age(lag.max(0.0) as u64)))
            .style(alarm(stage.lag_s.is_none_or(|lag| lag >= 60.0))),
        Cell::from(amount(stage.lost as f64)).style(alarm(stage.lost > 0)),
        Cell::from(amount(stage.retries as f64)),
    ])
}

fn draw_incidents(frame: &mut Frame<'_>, area: Rect, shown: &Shown, scrolled: usize) {
    if shown.incidents.is_empty() {
        frame.render_widget(Paragraph::new("No incident is open.").style(bold()), area);
        return;
    }
    let head = Row::new(["ID", "P", "STATE", "AGE", "WHO", "WHAT, AND WHAT MOST LIKELY CAUSED IT"])
        .style(heading());
    let rows = shown.incidents.iter().skip(scrolled).map(incident_row);
    let widths = [
        Constraint::Length(8),
        Constraint::Length(2),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(13),
        Constraint::Min(20),
    ];
    frame.render_widget(Table::new(rows, widths).header(head).column_spacing(1), area);
}

fn incident_row(incident: &IncidentRow) -> Row<'static> {
    let style = match incident.priority {
        Priority::P1 => bad(),
        Priority::P2 => Style::new().fg(Color::Yellow),
        Priority::P3 | Priority::P4 => Style::new(),
    };
    let what = vec![
        Line::raw(incident.title.clone()),
        Line::raw(format!("  {}{}", incident.cause, incident.people))
            .style(Style::new().add_modifier(Modifier::DIM)),
    ];
    Row::new([
        Cell::from(incident.id.clone()),
        Cell::from(incident.priority.label()).style(style),
        Cell::from(incident.state),
        Cell::from(age(incident.age_s)),
        Cell::from(incident.who.clone().unwrap_or_else(|| "nobody".to_owned())),
        Cell::from(what),
    ])
    .height(2)
}

fn age(seconds: u64) -> String {
    span::show(Nanos::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000_000_000)))
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, view: &View<'_>) {
    let line = match (view.trouble, view.shown) {
        (Some(trouble), _) => Line::styled(trouble.to_owned(), bad()),
        (None, None) => Line::raw("looking ..."),
        (None, Some(shown)) => {
            let more = shown.matching.saturating_sub(shown.incidents.len());
            let more = if more > 0 { format!("; {more} more incidents") } else { String::new() };
            Line::raw(format!(
                "q quits, up and down scroll; `faultline explain ID` tells all{more}"
            ))
        }
    };
    frame.render_widget(Paragraph::new(line), area);
}

/// A number in at most six characters: `999`, `12.3k`, `4.5M`.
fn amount(number: f64) -> String {
    let (scaled, unit) = match number {
        n if n >= 1e9 => (n / 1e9, "G"),
        n if n >= 1e6 => (n / 1e6, "M"),
        n if n >= 1e4 => (n / 1e3, "k"),
        n => (n, ""),
    };
    if unit.is_empty() && (scaled >= 100.0 || scaled.fract() == 0.0) {
        format!("{scaled:.0}")
    } else {
        format!("{scaled:.1}{unit}")
    }
}

const fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

const fn heading() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

const fn bad() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

/// A frame as lines of text, without the keys that nobody can press, and high enough for all.
///
/// # Errors
/// Never in practice: it is drawn into memory.
pub fn printed(shown: &Shown, columns: u16) -> Result<String> {
    let rows = u16::try_from(shown.incidents.len().saturating_mul(2)).unwrap_or(u16::MAX / 2);
    let lines = rows.saturating_add(PRINTED_LINES).min(2_000);
    let mut terminal = Terminal::new(TestBackend::new(columns.max(60), lines))?;
    let view = View { shown: Some(shown), trouble: None, scrolled: 0 };
    terminal.draw(|frame| draw(frame, &view))?;
    let buffer = terminal.backend().buffer();
    let mut text = Vec::new();
    for y in 0..buffer.area.height.saturating_sub(1) {
        let line: String = (0..buffer.area.width)
            .filter_map(|x| buffer.cell((x, y)))
            .map(ratatui::buffer::Cell::symbol)
            .collect();
        text.push(line.trim_end().to_owned());
    }
    while text.last().is_some_and(String::is_empty) {
        text.pop();
    }
    Ok(text.join("\n") + "\n")
}
