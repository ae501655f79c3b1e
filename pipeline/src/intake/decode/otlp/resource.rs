//! `Resource*` and `Scope*`, which have the same field numbers for all three signals.

use super::attributes::AttributeReader;
use super::cursor::{Cursor, Field};
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::resources::Written;
use crate::intake::decode::rows::batch::BatchBuilder;
use crate::intake::decode::rows::resource::ResourceFields;
use crate::intake::decode::sniff::OtlpEncoding;

/// Walks an export request: for each resource its attributes first (wherever they stand), then
/// every item of every scope.
pub(super) fn walk<'a>(
    body: &'a [u8],
    out: &mut BatchBuilder<'_>,
    mut item: impl FnMut(&Field<'a>, &mut BatchBuilder<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut request = Cursor::new(body, "ExportServiceRequest");
    while let Some(field) = request.next()? {
        if field.number != 1 {
            continue;
        }
        let bytes = field.bytes()?;
        let only = only_resource(bytes)?.map(|only| Written(OtlpEncoding::Proto, only));
        let is_known = only.map(|resource| out.known_resource(resource)).transpose()?;
        if is_known != Some(true) {
            out.resource(read_resource(bytes)?, only)?;
        }
        let mut resource = Cursor::new(bytes, "Resource items");
        while let Some(field) = resource.next()? {
            if field.number == 2 {
                let mut scope = Cursor::new(field.bytes()?, "Scope items");
                while let Some(field) = scope.next()? {
                    if field.number == 2 {
                        item(&field, out)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// The bytes of the resource, if there is exactly one: the same bytes mean the same resource.
fn only_resource(bytes: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    let mut cursor = Cursor::new(bytes, "Resource items");
    let mut only = None;
    while let Some(field) = cursor.next()? {
        if field.number == 1 && only.replace(field.bytes()?).is_some() {
            return Ok(None);
        }
    }
    Ok(only)
}

fn read_resource(bytes: &[u8]) -> Result<ResourceFields<'_>, DecodeError> {
    let mut fields = ResourceFields::default();
    let mut attributes = AttributeReader::default();
    let mut cursor = Cursor::new(bytes, "Resource items");
    while let Some(field) = cursor.next()? {
        if field.number != 1 {
            continue;
        }
        let mut resource = Cursor::new(field.bytes()?, "Resource");
        while let Some(field) = resource.next()? {
            if field.number == 1 {
                attributes.read(&field, &mut fields)?;
            }
        }
    }
    Ok(fields)
}
