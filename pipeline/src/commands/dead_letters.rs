//! `faultline dead-letters`: what could not be decoded: listed, shown, produced again.
//!
//! Payloads, reasons and headers come from outside: they are cleaned before they reach a terminal.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::cli::{
    DeadLettersArgs, DeadLettersCommand, DeadLettersListArgs, DeadLettersReplayArgs,
    DeadLettersShowArgs,
};
use crate::dead_letter::{Letter, letters, replay};
use crate::failure;
use crate::progress::Progress;
use crate::tell::clean;

/// Longest reason in a list. Unit: characters.
const REASON_CHARS_MAX: usize = 120;

/// Lists, shows or replays.
///
/// # Errors
/// When the configuration is wrong, the log cannot be used, or there is no such letter.
pub fn dead_letters(args: &DeadLettersArgs) -> Result<()> {
    match &args.command {
        DeadLettersCommand::List(args) => list(args, &mut io::stdout().lock()),
        DeadLettersCommand::Show(args) => show(args, &mut io::stdout().lock()),
        DeadLettersCommand::Replay(args) => again(args, &mut io::stdout().lock()),
    }
}

fn list(args: &DeadLettersListArgs, out: &mut impl Write) -> Result<()> {
    let config = args.config.load()?;
    let log = config.open_log_to_read()?;
    let mut found = letters(&*log, &config.settings.own.dead_letters)?;
    found.retain(|letter| fits(letter, args.topic.as_deref(), args.reason.as_deref()));
    for letter in &found {
        if args.json {
            writeln!(out, "{}", as_json(letter))?;
        } else {
            writeln!(out, "{}", line(letter))?;
        }
    }
    if found.is_empty() && !args.json {
        eprintln!("no dead letters");
    }
    Ok(())
}

fn show(args: &DeadLettersShowArgs, out: &mut impl Write) -> Result<()> {
    let config = args.config.load()?;
    let log = config.open_log_to_read()?;
    let found = letters(&*log, &config.settings.own.dead_letters)?;
    let letter = named(&found, args.number)?;
    if args.raw {
        return Ok(out.write_all(letter.payload())?);
    }
    if args.json {
        writeln!(out, "{}", as_json(letter))?;
    } else {
        writeln!(out, "{:#}", as_json(letter))?;
    }
    Ok(())
}

fn again(args: &DeadLettersReplayArgs, out: &mut impl Write) -> Result<()> {
    let config = args.config.load()?;
    let log = config.open_log_to_read()?;
    let inputs = &config.settings.inputs;
    let reading = Progress::waiting("reading dead letters");
    let found = letters(&*log, &config.settings.own.dead_letters);
    reading.clear();
    let found = found?;
    let chosen: Vec<&Letter> = if args.all {
        let wanted = |letter: &&Letter| {
            inputs.kind_of(&letter.place.topic).is_some()
                && fits(letter, args.topic.as_deref(), args.reason.as_deref())
        };
        found.iter().filter(wanted).collect()
    } else {
        args.numbers.iter().map(|number| named(&found, *number)).collect::<Result<_>>()?
    };
    if args.dry_run {
        for letter in &chosen {
            let json = args.json.then(|| as_json(letter).to_string());
            writeln!(out, "{}", json.unwrap_or_else(|| line(letter)))?;
        }
        if !args.json {
            eprintln!("{} records would be produced again", chosen.len());
        }
        return Ok(());
    }
    let (mut done, mut failed) = (0_u64, 0_u64);
    let progress = Progress::bar("producing again", chosen.len() as u64);
    for letter in &chosen {
        // One that cannot be produced stops none of the others.
        match replay(&*log, inputs, letter) {
            Ok(()) => done += 1,
            Err(error) => {
                failed += 1;
                progress.line(&clean(&failure::told(&error, args.json)));
            }
        }
        progress.at(done + failed);
    }
    progress.clear();
    if args.json {
        writeln!(out, "{}", json!({"produced": done, "failed": failed}))?;
    } else {
        eprintln!("{done} records were produced again");
    }
    if failed > 0 {
        bail!("{failed} of {} letters could not be produced again", chosen.len());
    }
    Ok(())
}

fn named(found: &[Letter], number: u64) -> Result<&Letter> {
    found.iter().find(|letter| letter.number == number).with_context(|| {
        format!("there is no dead letter {number}; see `faultline dead-letters list`")
    })
}

fn fits(letter: &Letter, topic: Option<&str>, reason: Option<&str>) -> bool {
    topic.is_none_or(|topic| *letter.place.topic == *topic)
        && reason.is_none_or(|text| letter.reason.contains(text))
}

/// One line of the list.
fn line(letter: &Letter) -> String {
    let reason: String = letter.reason.chars().take(REASON_CHARS_MAX).collect();
    let copies = if letter.copies > 1 { format!(" x{}", letter.copies) } else { String::new() };
    clean(&format!(
        "{:>6} {} {}/{} at {}, {} bytes{copies}: {reason}",
        letter.number,
        Timestamp::from_millis(letter.record.timestamp_ms).to_rfc3339(),
        letter.place.topic,
        letter.place.partition,
        letter.offset,
        letter.bytes,
    ))
}

/// All of a letter. Text stands as text, JSON escapes what could move a cursor; other bytes as base64.
fn as_json(letter: &Letter) -> Value {
    let text = |bytes: &[u8]| clean(&String::from_utf8_lossy(bytes));
    let headers: serde_json::Map<String, Value> =
        letter.own_headers().map(|(name, value)| (clean(name), text(value).into())).collect();
    let mut shown = json!({
        "number": letter.number,
        "topic": &*letter.place.topic,
        "partition": letter.place.partition,
        "offset": letter.offset,
        "time": Timestamp::from_millis(letter.record.timestamp_ms).to_rfc3339(),
        "reason": clean(&letter.reason),
        "bytes": letter.bytes,
        "cut": letter.is_cut(),
        "copies": letter.copies,
        "key": letter.record.key.as_deref().map(text),
        "headers": headers,
    });
    let (name, payload) = match std::str::from_utf8(letter.payload()) {
        Ok(payload) => ("payload", clean(payload)),
        Err(_) => ("payload_base64", STANDARD.encode(letter.payload())),
    };
    if let Some(fields) = shown.as_object_mut() {
        fields.insert(name.to_owned(), payload.into());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Record, TopicPartition};

    fn letter(reason: &str, payload: &[u8]) -> Letter {
        let record = Record {
            partition: TopicPartition::new("faultline.dead-letters", 0),
            offset: 4,
            timestamp_ms: 1_000,
            key: None,
            headers: vec![("encoding".into(), b"otlp_proto".to_vec())],
            value: Some(payload.to_vec()),
        };
        Letter {
            number: 4,
            place: TopicPartition::new("otlp_spans", 2),
            offset: 17,
            reason: reason.to_owned(),
            bytes: payload.len(),
            copies: 2,
            record,
        }
    }

    #[test]
    fn a_line_tells_the_number_the_place_and_the_reason_and_moves_no_cursor() {
        assert_eq!(
            line(&letter("bad \u{1b}[2Jtag", b"abc")),
            "     4 1970-01-01T00:00:01.000Z otlp_spans/2 at 17, 3 bytes x2: bad  [2Jtag"
        );
    }

    #[test]
    fn text_is_shown_as_text_and_bytes_as_base64() {
        let shown = as_json(&letter("r", b"<html>"));
        assert_eq!(shown["payload"], "<html>");
        assert_eq!(shown["headers"]["encoding"], "otlp_proto");
        assert_eq!(as_json(&letter("r", &[0xff, 0]))["payload_base64"], "/wA=");
    }

    #[test]
    fn letters_are_chosen_by_topic_and_reason() {
        let letter = letter("truncated message", b"");
        assert!(fits(&letter, None, None) && fits(&letter, Some("otlp_spans"), Some("truncated")));
        assert!(!fits(&letter, Some("alerts"), None) && !fits(&letter, None, Some("nested")));
    }
}
