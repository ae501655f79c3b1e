//! The reference of the configuration for people, from its types: `docs/configuration.md`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::schema::{alternatives, joined, properties, schema};

const HEAD: &str = "\
# Configuration

One YAML file. `faultline check -c FILE` tells everything that is wrong with it at once; a key that
nobody knows is an error. Every key but `log` has a default. `--set KEY=VALUE` sets one key for one
run, over what the file says: `faultline run -c faultline.yaml --set incidents.resolve_after_s=300`.

Secrets stand in the file by reference only: `{env: NAME}` (an environment variable) or
`{file: PATH}`.

`deploy/faultline.example.yaml` is a file to begin with, `docs/config.schema.json` the JSON Schema for
editors (for the YAML language server, begin the file with
`# yaml-language-server: $schema=config.schema.json`). This page and the schema are generated from the
types: `faultline config`, `faultline config schema`.
";

/// The page.
#[must_use]
pub fn markdown() -> String {
    let root = schema();
    let mut page = Page { root: &root, text: HEAD.to_owned() };
    for one in alternatives(&root, &root) {
        page.section("", one);
    }
    page.text
}

struct Page<'a> {
    root: &'a Value,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        if self.text.write_fmt(what).is_ok() {
            self.text.push('\n');
        }
    }

    /// A table of the keys of one object, then a section for each key that holds keys itself.
    fn section(&mut self, path: &str, schema: &Map<String, Value>) {
        let keys: Vec<(&String, &Value)> =
            properties(schema).filter(|(_, below)| below.get("const").is_none()).collect();
        if !keys.is_empty() {
            self.line(format_args!("\n| key | value | default | meaning |"));
            self.line(format_args!("|---|---|---|---|"));
        }
        let required = schema.get("required").and_then(Value::as_array);
        for (name, below) in &keys {
            let must = required.is_some_and(|all| all.iter().any(|one| one == *name));
            self.row(&joined(path, name), below, must);
        }
        for (name, below) in keys {
            self.below(&joined(path, name), below);
        }
    }

    fn row(&mut self, key: &str, schema: &Value, must: bool) {
        let default = match schema.get("default") {
            Some(Value::Object(_)) => "see below".to_owned(),
            Some(Value::Null) => "none".to_owned(),
            Some(value) => format!("`{value}`"),
            None if must => "required".to_owned(),
            None => "none".to_owned(),
        };
        let what = self.kind(schema);
        let meaning = meaning(schema).replace('\n', " ").replace('|', "\\|");
        self.line(format_args!("| `{key}` | {what} | {default} | {meaning} |"));
    }

    /// The sections of whatever keys lie below a key.
    fn below(&mut self, path: &str, schema: &Value) {
        let all = alternatives(self.root, schema);
        let with_keys: Vec<_> =
            all.iter().filter(|one| properties(one).next().is_some()).copied().collect();
        let depth = "#".repeat(path.matches(['.', '[']).count().min(2) + 2);
        for one in &with_keys {
            let fixed = properties(one)
                .find_map(|(name, below)| below.get("const").map(|value| (name, value)));
            let which = match fixed {
                Some((name, value)) => {
                    format!(" with `{name}: {}`", value.as_str().unwrap_or_default())
                }
                None => String::new(),
            };
            self.line(format_args!("\n{depth} `{path}`{which}"));
            let words = match one.get("description") {
                Some(own) if with_keys.len() > 1 => own.as_str().unwrap_or_default().to_owned(),
                _ => meaning(schema),
            };
            if !words.is_empty() {
                self.line(format_args!("\n{words}"));
            }
            self.section(path, one);
        }
        for one in all {
            if let Some(items) = one.get("items") {
                self.below(&format!("{path}[]"), items);
            }
            if let Some(more) = one.get("additionalProperties").filter(|more| more.is_object()) {
                self.below(&joined(path, "NAME"), more);
            }
        }
    }

    /// What may stand there, in words.
    fn kind(&self, schema: &Value) -> String {
        let mut words: Vec<String> = Vec::new();
        for one in alternatives(self.root, schema) {
            let word = self.one_kind(one);
            if !word.is_empty() && !words.contains(&word) {
                words.push(word);
            }
        }
        if words.is_empty() { "any".to_owned() } else { words.join(" or ") }
    }

    fn one_kind(&self, one: &Map<String, Value>) -> String {
        if let Some(fixed) = one.get("const") {
            return format!("`{}`", fixed.as_str().unwrap_or_default());
        }
        if let Some(choices) = one.get("enum").and_then(Value::as_array) {
            let all: Vec<String> = choices
                .iter()
                .filter_map(Value::as_str)
                .map(|choice| format!("`{choice}`"))
                .collect();
            return all.join(", ");
        }
        let of = |key: &str| one.get(key).map_or_else(|| "any".to_owned(), |of| self.kind(of));
        let named: Vec<&str> = match one.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let words = named.into_iter().filter(|name| *name != "null").map(|name| match name {
            "string" => "text".to_owned(),
            "boolean" => "`true`, `false`".to_owned(),
            "array" => format!("list of {}", of("items")),
            "object" if properties(one).next().is_none() => {
                format!("map of names to {}", of("additionalProperties"))
            }
            "object" => "keys".to_owned(),
            other => other.to_owned(),
        });
        words.collect::<Vec<_>>().join(" or ")
    }
}

fn meaning(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}
