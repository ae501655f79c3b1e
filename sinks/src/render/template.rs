//! Templates of people for what a sink says: MiniJinja, without files, includes or macros.
//!
//! What an incident says enters a template as data and leaves it through the encoder of the
//! target, whatever filters it passed; `safe` has no power. A template is checked by rendering it
//! with samples, it is bounded by fuel and length, and when it fails the built-in words are said.

use std::collections::BTreeSet;

use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, UndefinedBehavior};
use model::incident::Incident;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::{self, Facts, Later, VALUE_CHARS_MAX, facts, poor, rich};
use super::ticket::capped;
use super::told::Told;
use super::untrusted::Untrusted;

/// Longest template. Unit: bytes.
pub const TEMPLATE_BYTES_MAX: usize = 16 * 1024;
/// Work that one rendering may cost. Unit: instructions of MiniJinja.
const FUEL: u64 = 20_000;
/// Longest title. Unit: characters.
const TITLE_CHARS_MAX: usize = 150;
/// Longest body. Unit: lines and characters per line.
const BODY_LINES_MAX: usize = 100;
const LINE_CHARS_MAX: usize = 1_000;
/// What stands for the rest.
const ELLIPSIS: &str = "...";

/// What may be called in a template.
const FUNCTIONS: [&str; 4] = ["range", "dict", "debug", "namespace"];

const TITLE: &str = "title";
const BODY: &str = "body";
const UPDATE: &str = "update";
const RESOLVED: &str = "resolved";

/// The words of a sink that people shaped: `templates:` in its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TemplatesConfig {
    /// One line; the built-in title if not given.
    pub title: Option<String>,
    /// Several lines; the built-in text if not given.
    pub body: Option<String>,
    /// What a later revision adds: a work note, a comment, a message of the thread; our own words if
    /// not given.
    pub update: Option<String>,
    /// What is said at the end: close notes, the last comment; our own words if not given.
    pub resolved: Option<String>,
}

/// What the text is encoded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Text that nobody reads as markup: the template's own words are encoded, too.
    Plain,
    /// The same in a chat, where a mention is nothing that a spreadsheet would calculate.
    Chat,
    /// The same in a ticket's field, whose length is bounded.
    Ticket,
    /// Slack's mrkdwn: the template's own words may hold markup, what it prints does not.
    Mrkdwn,
}

/// Templates, ready to be used.
pub(crate) struct Templates {
    environment: Environment<'static>,
    target: Target,
}

impl Templates {
    /// Compiles, and renders two samples.
    ///
    /// # Errors
    /// Field and problem of each template that cannot be used.
    pub(crate) fn compile(
        config: &TemplatesConfig,
        target: Target,
    ) -> Result<Self, Vec<(&'static str, String)>> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(move |out, _, value| print(target, out, value));
        let mut templates = Self { environment, target };
        let mut errors = Vec::new();
        let sources = [
            (TITLE, &config.title),
            (BODY, &config.body),
            (UPDATE, &config.update),
            (RESOLVED, &config.resolved),
        ];
        for (name, source) in sources {
            if let Some(source) = source
                && let Err(problem) = templates.add(name, source)
            {
                errors.push((name, problem));
            }
        }
        if errors.is_empty() { Ok(templates) } else { Err(errors) }
    }

    fn add(&mut self, name: &'static str, source: &str) -> Result<(), String> {
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(format!("expected a template of at most {TEMPLATE_BYTES_MAX} bytes"));
        }
        self.environment.add_template_owned(name, source.to_owned()).map_err(|e| words(&e))?;
        for sample in [rich(), poor()] {
            self.render(name, &sample).transpose().map_err(|error| {
                let unknown = self.unknown_to(&error, name);
                unknown.unwrap_or_else(|| words(&error))
            })?;
        }
        Ok(())
    }

    /// Where a name is one that there is not: which, and which there are.
    fn unknown_to(&self, error: &Error, name: &str) -> Option<String> {
        if error.kind() != ErrorKind::UndefinedError {
            return None;
        }
        let used = self.environment.get_template(name).ok()?.undeclared_variables(false);
        let known = facts::names();
        let unknown: BTreeSet<&str> = used
            .iter()
            .map(String::as_str)
            .filter(|name| !known.contains(name) && !FUNCTIONS.contains(name))
            .collect();
        let first = Untrusted(unknown.first()?).line(40);
        let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        Some(format!("there is no variable {first}{line}; there are: {known}"))
    }

    /// The title: one line. `None` without a template.
    pub(crate) fn title(
        &self,
        incident: &Incident,
        told: &Told,
        url: Option<String>,
    ) -> Option<Result<String, String>> {
        self.say(TITLE, &facts(incident, told, url, None))
    }

    /// The body: several lines. `None` without a template.
    pub(crate) fn body(
        &self,
        incident: &Incident,
        told: &Told,
        url: Option<String>,
    ) -> Option<Result<String, String>> {
        self.say(BODY, &facts(incident, told, url, None))
    }

    /// What a later revision adds: several lines. `None` without a template.
    pub(crate) fn update(
        &self,
        incident: &Incident,
        told: &Told,
        url: Option<String>,
        later: Later<'_>,
    ) -> Option<Result<String, String>> {
        self.say(UPDATE, &facts(incident, told, url, Some(later)))
    }

    /// What is said at the end: several lines. `None` without a template.
    pub(crate) fn resolved(
        &self,
        incident: &Incident,
        told: &Told,
        url: Option<String>,
        later: Later<'_>,
    ) -> Option<Result<String, String>> {
        self.say(RESOLVED, &facts(incident, told, url, Some(later)))
    }

    fn say(&self, name: &'static str, facts: &Facts) -> Option<Result<String, String>> {
        self.render(name, facts).map(|text| text.map_err(|error| words(&error)))
    }

    fn render(&self, name: &'static str, facts: &Facts) -> Option<Result<String, Error>> {
        let template = self.environment.get_template(name).ok()?;
        Some(template.render(Serde(facts)).map(|text| self.finish(name, &text)))
    }

    /// The whole text once more: parts that are inert alone may not be so side by side.
    fn finish(&self, name: &str, text: &str) -> String {
        match (self.target, name == TITLE) {
            (Target::Plain | Target::Chat | Target::Ticket, true) => {
                Untrusted(text).line(TITLE_CHARS_MAX)
            }
            (Target::Plain | Target::Chat, false) => {
                Untrusted(text).block(BODY_LINES_MAX, LINE_CHARS_MAX)
            }
            (Target::Ticket, false) => {
                capped(&Untrusted(text).block(BODY_LINES_MAX, LINE_CHARS_MAX))
            }
            // A title is never markup.
            (Target::Mrkdwn, true) => Untrusted(&unescaped(text)).line(TITLE_CHARS_MAX),
            (Target::Mrkdwn, false) => whole_lines(text),
        }
    }
}

/// Lines as they are; a line that is too long is cut where no link and no escape is open.
fn whole_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().take(BODY_LINES_MAX).map(cut_outside).collect();
    lines.join("\n").trim_end().to_owned()
}

fn cut_outside(line: &str) -> String {
    if line.chars().count() <= LINE_CHARS_MAX {
        return line.to_owned();
    }
    let (mut end, mut open) = (0, None);
    for (at, c) in line.char_indices().take(LINE_CHARS_MAX - ELLIPSIS.len()) {
        if open.is_none() {
            end = at;
        }
        open = match (open, c) {
            (None, '<') => Some('>'),
            (None, '&') => Some(';'),
            (Some(close), c) if c == close => None,
            (open, _) => open,
        };
    }
    format!("{}{ELLIPSIS}", line.get(..end).unwrap_or_default())
}

fn print(target: Target, out: &mut Output<'_>, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::None | ValueKind::Undefined => return Ok(()),
        _ => value.to_string(),
    };
    let line = |signs: &[char]| no_formula(Untrusted(&text).line(VALUE_CHARS_MAX), signs);
    let text = match target {
        Target::Plain | Target::Ticket => line(&['=', '+', '-', '@']),
        Target::Mrkdwn if is_url(&text) => mrkdwn_url(&text),
        Target::Mrkdwn => mrkdwn(&line(&['=', '+', '-'])),
        Target::Chat => line(&['=', '+', '-']),
    };
    Ok(out.write_str(&text)?)
}

/// What people export may end in a spreadsheet: a value that one would calculate, by the sign that it begins
/// with, is quoted as such programs do it.
fn no_formula(line: String, signs: &[char]) -> String {
    if line.starts_with(signs) { format!("'{line}") } else { line }
}

fn is_url(text: &str) -> bool {
    let has_scheme = text.starts_with("https://") || text.starts_with("http://");
    has_scheme && text.len() <= VALUE_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A URL inside of Slack's mrkdwn: it leads to the same place, and nothing begins or ends in it.
#[must_use]
pub(crate) fn mrkdwn_url(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' | '>' | '|' | '*' | '~' | '`' | '"' | '{' | '}' => {
                out.push_str(&format!("%{:02X}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

/// Text inside of Slack's mrkdwn: no mention, link, emphasis or quotation begins in it.
#[must_use]
pub(crate) fn mrkdwn(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '*' => out.push('\u{2217}'),
            '~' => out.push('\u{223c}'),
            '_' => out.push('\u{ff3f}'),
            _ => out.push(c),
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        .replace('\u{2217}', "*")
        .replace('\u{223c}', "~")
        .replace('\u{ff3f}', "_")
}

/// An error as one line: what, and in which line of the template.
fn words(error: &Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    Untrusted(&format!("expected a template that renders; {}{detail}{line}", error.kind()))
        .line(300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::testing::incident;

    fn body(source: &str, target: Target, incident: &Incident) -> String {
        let config =
            TemplatesConfig { body: Some(source.to_owned()), ..TemplatesConfig::default() };
        let templates = Templates::compile(&config, target).map_err(|e| format!("{e:?}")).unwrap();
        templates.body(incident, &Told::of(incident), None).unwrap().unwrap()
    }

    fn problem(source: &str) -> String {
        let config =
            TemplatesConfig { title: Some(source.to_owned()), ..TemplatesConfig::default() };
        match Templates::compile(&config, Target::Plain) {
            Ok(_) => panic!("{source} is taken"),
            Err(errors) => errors.into_iter().map(|(field, p)| format!("{field}: {p}")).collect(),
        }
    }

    #[test]
    fn a_template_shapes_what_is_said() {
        let source = "{% if cause %}{{ cause_service }} ({{ cause_percent }} %){% endif %}\n\
                      {% for service in services %}- {{ service|upper }}\n{% endfor %}\
                      {{ owner or 'nobody' }}{{ resolved }}";
        let text = body(source, Target::Plain, &incident(1));
        assert_eq!(text, "payment (81 %)\n- CHECKOUT\n- PAYMENT\nteam-payments");
    }

    #[test]
    fn what_cannot_be_rendered_is_found_before_anything_happens() {
        for (source, part) in [
            (
                "{{ titel }}",
                "title: there is no variable titel (line 1); there are: acknowledged_by, ",
            ),
            ("{{ title", "syntax error"),
            ("{% include 'x' %}", "expected"),
            ("{{ title|nope }}", "unknown filter"),
            ("{{ owner.name.first }}", "undefined"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
                "fuel",
            ),
        ] {
            let problem = problem(source);
            assert!(problem.contains(part), "{source}: {problem}");
        }
        assert!(problem(&"x".repeat(TEMPLATE_BYTES_MAX + 1)).contains("at most"));
    }

    #[test]
    fn nothing_from_outside_begins_a_formula_and_a_tickets_text_is_capped() {
        let mut hostile = incident(1);
        for formula in ["=HYPERLINK(\"http://evil\")", "+1", "-1", "@SUM(1)"] {
            hostile.title = formula.to_owned();
            for source in ["{{ title }}", "{{ title[0] }}{{ title[1:] }}", "{{ ' ' ~ title }}"] {
                for target in [Target::Ticket, Target::Plain] {
                    let text = body(source, target, &hostile);
                    assert!(text.starts_with('\''), "{source}: {text}");
                }
            }
            assert_eq!(body("- {{ id }}", Target::Ticket, &hostile), "- 00000000000000ab");
        }
        // A mention in a chat is broken up, and nothing is put before it.
        for (title, said) in [("@owner look", "@ owner look"), ("=SUM(1)", "'=SUM(1)")] {
            hostile.title = title.to_owned();
            for target in [Target::Mrkdwn, Target::Chat] {
                assert_eq!(body("{{ title }}", target, &hostile), said);
            }
        }
        let long = "{% for n in range(99) %}{{ narrative }}{{ narrative }}\n{% endfor %}";
        hostile.narrative = "word ".repeat(90);
        assert!(body(long, Target::Ticket, &hostile).chars().count() < 4_000);
    }

    #[test]
    fn links_of_a_template_lead_where_they_should() {
        let mut linked = incident(1);
        linked.tickets.push(model::incident::Ticket {
            sink: "itsm".into(),
            id: "1".into(),
            number: Some("INC_1".into()),
            url: Some("https://itsm.example/nav_to.do?a=1&sys_id=x|y".into()),
        });
        let source =
            "{% for ticket in tickets %}<{{ ticket.url }}|{{ ticket.number }}>{% endfor %}";
        assert_eq!(
            body(source, Target::Mrkdwn, &linked),
            "<https://itsm.example/nav_to.do?a=1&amp;sys_id=x%7Cy|INC\u{ff3f}1>"
        );
    }

    #[test]
    fn a_long_line_is_cut_outside_of_its_markup_and_not_left_out() {
        let mut long = incident(1);
        long.narrative = "a ".repeat(490);
        let source = "{{ narrative }} <https://faultline.example|{{ narrative }}>\nend";
        let text = body(source, Target::Mrkdwn, &long);
        let (first, rest) = text.split_once('\n').unwrap();
        assert!(first.starts_with("a a a") && first.ends_with("a ...") && !first.contains('<'));
        assert_eq!(rest, "end");
        long.narrative = "&".repeat(990);
        let text = body("{{ narrative }}", Target::Mrkdwn, &long);
        assert!(text.ends_with("&amp;..."), "{text}");
    }

    #[test]
    fn values_stay_inert_whatever_the_template_does_with_them() {
        let mut hostile = incident(1);
        hostile.title = String::from("<!channel> *bold* {{ 7*7 }} <https://evil|x> _i_ @here");
        for source in [
            "{{ title }}",
            "{{ title|safe }}",
            "{% autoescape false %}{{ title }}{% endautoescape %}",
        ] {
            let text = body(source, Target::Mrkdwn, &hostile);
            for part in ["<", ">", "*", "_", "{{", "@here"] {
                assert!(!text.contains(part), "{part} in {text}");
            }
        }
        let halves = "{{ title[0] }}{{ title[1:] }}";
        let text = body(halves, Target::Plain, &hostile);
        assert!(!text.contains("<!") && !text.contains("<h"), "{text}");
        assert_eq!(
            body("*{{ priority }}* <{{ id }}>", Target::Mrkdwn, &incident(1)),
            "*P2* <00000000000000ab>",
            "the template's own markup stays"
        );
    }
}
