//! From the export request to its items: the same way for spans and logs.

use super::Cursor;
use super::spans::Seen;
use crate::intake::decode::limits::DecodeLimits;
use crate::intake::decode::otlp_json::requests::any_resource;
use crate::intake::decode::resources::Written;
use crate::intake::decode::rows::batch::BatchBuilder;
use crate::intake::decode::rows::resource::ResourceFields;
use crate::intake::decode::sniff::OtlpEncoding;

/// Nesting that the walk may meet: ten levels down to an attribute's value, and what is skipped there.
const LEVELS_MAX: usize = 32;

/// How the parts of a request are called.
pub(in crate::intake::decode::otlp_json) struct Names {
    groups: &'static [u8],
    /// Another name for them, which is unusual.
    groups_old: &'static [u8],
    scopes: &'static [u8],
    items: &'static [u8],
}

pub(in crate::intake::decode::otlp_json) const SPANS: Names = Names {
    groups: b"resourceSpans",
    groups_old: b"resource_spans",
    scopes: b"scopeSpans",
    items: b"spans",
};

pub(in crate::intake::decode::otlp_json) const LOGS: Names = Names {
    groups: b"resourceLogs",
    groups_old: b"resource_logs",
    scopes: b"scopeLogs",
    items: b"logRecords",
};

/// Reads a request: calls in front of each item, behind its resource. `None`: it is unusual, too large
/// or wrong, and what was added so far means nothing.
pub(in crate::intake::decode::otlp_json) fn walk<'a>(
    text: &'a str,
    limits: &DecodeLimits,
    names: &Names,
    out: &mut BatchBuilder<'_>,
    mut item: impl FnMut(&mut Cursor<'a>, &mut BatchBuilder<'_>) -> Option<()>,
) -> Option<()> {
    if limits.depth_max < LEVELS_MAX || may_be_too_many(text, limits.json_values_max) {
        return None;
    }
    let mut cursor = Cursor::new(text);
    let mut groups = 0;
    cursor.object(|cursor, key| {
        if key == names.groups {
            groups += 1;
            cursor.list(|cursor| group(cursor, names, out, &mut item))
        } else if key == names.groups_old {
            None
        } else {
            cursor.skip()
        }
    })?;
    (groups == 1 && cursor.is_at_end()).then_some(())
}

/// Whether there may be more values than that. Commas and brackets are counted inside of text as well,
/// and only where the bytes alone would be enough.
fn may_be_too_many(text: &str, values_max: usize) -> bool {
    let marks = || text.bytes().filter(|byte| matches!(byte, b',' | b'{' | b'[')).count();
    text.len() > values_max && marks() > values_max
}

/// What one resource sent. The resource has to come first: rows are made as they are read.
fn group<'a>(
    cursor: &mut Cursor<'a>,
    names: &Names,
    out: &mut BatchBuilder<'_>,
    item: &mut impl FnMut(&mut Cursor<'a>, &mut BatchBuilder<'_>) -> Option<()>,
) -> Option<()> {
    let (mut seen, mut has_resource) = (Seen::default(), false);
    cursor.object(|cursor, key| {
        if key == b"resource" {
            // It is the first of its name if there is none yet.
            if std::mem::replace(&mut has_resource, true) {
                return None;
            }
            return known_resource(cursor, out);
        }
        if key != names.scopes {
            return cursor.skip();
        }
        seen.first(0)?;
        if !std::mem::replace(&mut has_resource, true) {
            out.resource(ResourceFields::default(), None).ok()?;
        }
        cursor.list(|cursor| scope(cursor, names, out, item))
    })?;
    if !has_resource {
        out.resource(ResourceFields::default(), None).ok()?;
    }
    Some(())
}

/// A resource: by its bytes if they came before.
fn known_resource(cursor: &mut Cursor<'_>, out: &mut BatchBuilder<'_>) -> Option<()> {
    if cursor.peek() != Some(b'{') {
        return None;
    }
    let bytes = cursor.extent()?;
    let written = Written(OtlpEncoding::Json, bytes);
    if !out.known_resource(written).ok()? {
        out.resource(any_resource(bytes)?, Some(written)).ok()?;
    }
    Some(())
}

fn scope<'a>(
    cursor: &mut Cursor<'a>,
    names: &Names,
    out: &mut BatchBuilder<'_>,
    item: &mut impl FnMut(&mut Cursor<'a>, &mut BatchBuilder<'_>) -> Option<()>,
) -> Option<()> {
    let mut seen = Seen::default();
    cursor.object(|cursor, key| {
        if key != names.items {
            return cursor.skip();
        }
        seen.first(0)?;
        cursor.list(|cursor| item(cursor, out))
    })
}
