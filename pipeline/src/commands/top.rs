//! `faultline top`: a running system in the terminal, looked at again and again.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::cli::TopArgs;
use crate::clock::StopWatch;
use crate::remote::Remote;
use crate::run::stop::Stop;
use crate::tell::clean;
use crate::top::frame::{View, draw, printed};
use crate::top::look::Look;
use crate::top::shown::Shown;

/// Columns of a frame that is printed where there is no terminal to ask.
const PRINTED_COLUMNS: u16 = 120;
/// How long one answer may take: no key is heard meanwhile.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Shows it until somebody quits.
///
/// # Errors
/// When no running system answers at the beginning, or the terminal cannot show a frame.
pub fn top(args: &TopArgs) -> Result<()> {
    if args.once || args.json {
        return once(&Remote::new(&args.remote)?, args);
    }
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb" || term.is_empty());
    if dumb || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!(
            "top needs a terminal that can move its cursor; `faultline top --once` prints one frame \
             as plain text, `--json` as JSON"
        );
    }
    let remote = Remote::within(&args.remote, TIMEOUT)?;
    // Before the screen is taken: whoever mistyped the address reads why.
    let first = Look::take(&remote)?;
    // Restores the terminal also when something panics.
    let mut terminal = ratatui::try_init().context("cannot use this terminal")?;
    let ended = watch(&mut terminal, &remote, first, Duration::from_secs_f64(args.every));
    ratatui::restore();
    ended
}

fn once(remote: &Remote, args: &TopArgs) -> Result<()> {
    let before = Look::take(remote)?;
    // Rates need two looks.
    let _never_set = Stop::default().wait(Duration::from_secs_f64(args.every.min(1.0)));
    let look = Look::take(remote)?;
    let shown = Shown::new(remote.url(), &look, Some(&before));
    let text =
        if args.json { serde_json::to_string(&shown)? + "\n" } else { printed(&shown, columns())? };
    io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")
}

fn columns() -> u16 {
    let wide = ratatui::crossterm::terminal::size().map(|(columns, _)| columns);
    if io::stdout().is_terminal() { wide.unwrap_or(PRINTED_COLUMNS) } else { PRINTED_COLUMNS }
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    remote: &Remote,
    first: Look,
    every: Duration,
) -> Result<()> {
    let mut shown = Shown::new(remote.url(), &first, None);
    let (mut before, mut trouble, mut scrolled) = (first, None::<String>, 0_usize);
    let mut since = StopWatch::start();
    loop {
        let last = shown.incidents.len().saturating_sub(1);
        scrolled = scrolled.min(last);
        let view = View { shown: Some(&shown), trouble: trouble.as_deref(), scrolled };
        terminal.draw(|frame| draw(frame, &view)).context("cannot draw")?;
        let wait = every.saturating_sub(since.elapsed());
        if event::poll(wait).context("cannot read the keyboard")? {
            match pressed(&event::read().context("cannot read the keyboard")?) {
                Some(Pressed::Quit) => return Ok(()),
                Some(Pressed::Up(lines)) => scrolled = scrolled.saturating_sub(lines),
                Some(Pressed::Down(lines)) => scrolled = scrolled.saturating_add(lines),
                None => {}
            }
        }
        if since.elapsed() < every {
            continue;
        }
        since = StopWatch::start();
        match Look::take(remote) {
            Ok(look) => {
                shown = Shown::new(remote.url(), &look, Some(&before));
                (before, trouble) = (look, None);
            }
            // It may come back; what was seen last stays.
            Err(error) => trouble = Some(clean(&format!("{error:#}"))),
        }
    }
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressed {
    Quit,
    Up(usize),
    Down(usize),
}

fn pressed(event: &Event) -> Option<Pressed> {
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return None };
    if *kind == KeyEventKind::Release {
        return None;
    }
    match code {
        KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => {
            Some(Pressed::Quit)
        }
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => Some(Pressed::Quit),
        KeyCode::Up | KeyCode::Char('k') => Some(Pressed::Up(1)),
        KeyCode::Down | KeyCode::Char('j') => Some(Pressed::Down(1)),
        KeyCode::PageUp => Some(Pressed::Up(10)),
        KeyCode::PageDown => Some(Pressed::Down(10)),
        KeyCode::Home => Some(Pressed::Up(usize::MAX)),
        KeyCode::End => Some(Pressed::Down(usize::MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_escape_and_ctrl_c_quit() {
        let key = |code, modifiers| pressed(&Event::Key(KeyEvent::new(code, modifiers)));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Pressed::Quit));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Pressed::Quit));
        assert_eq!(key(KeyCode::Esc, KeyModifiers::NONE), Some(Pressed::Quit));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(key(KeyCode::PageDown, KeyModifiers::NONE), Some(Pressed::Down(10)));
    }
}
