//! `information_schema` with PostgreSQL's names of types. The query engine's own shows Arrow's, by
//! which Grafana's query builder does not find the time column.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::error::Result;

/// The name of the one database.
pub const DATABASE: &str = "faultline";

/// One table or view as `information_schema` tells of it.
pub(super) struct Described {
    pub(super) schema: &'static str,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) columns: SchemaRef,
}

/// The schema `information_schema` over these tables.
pub(super) fn information_schema(tables: &[Described]) -> Result<Arc<dyn SchemaProvider>> {
    let provider = MemorySchemaProvider::new();
    provider.register_table("tables".into(), table_list(tables)?)?;
    provider.register_table("columns".into(), column_list(tables)?)?;
    provider.register_table("schemata".into(), schema_list()?)?;
    Ok(Arc::new(provider))
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<Arc<MemTable>> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(*name, values.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let values = columns.into_iter().map(|(_, values)| values).collect();
    let batch = RecordBatch::try_new(schema.clone(), values)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

fn table_list(tables: &[Described]) -> Result<Arc<MemTable>> {
    let each = |tell: fn(&Described) -> String| texts(tables.iter().map(|t| Some(tell(t))));
    table(vec![
        ("table_catalog", each(|_| DATABASE.into())),
        ("table_schema", each(|table| table.schema.into())),
        ("table_name", each(|table| table.name.clone())),
        ("table_type", each(|table| table.kind.into())),
        ("is_insertable_into", each(|_| "NO".into())),
    ])
}

fn schema_list() -> Result<Arc<MemTable>> {
    let names = ["public", "files", "pg_catalog", "information_schema"];
    let each = |value: &'static str| texts(names.iter().map(move |_| Some(value.to_owned())));
    table(vec![
        ("catalog_name", each(DATABASE)),
        ("schema_name", texts(names.iter().map(|name| Some((*name).to_owned())))),
        ("schema_owner", each(DATABASE)),
    ])
}

fn column_list(tables: &[Described]) -> Result<Arc<MemTable>> {
    let all: Vec<(&Described, usize, &Field)> = tables
        .iter()
        .flat_map(|table| {
            let fields = table.columns.fields().iter().enumerate();
            fields.map(move |(place, field)| (table, place + 1, field.as_ref()))
        })
        .collect();
    let each = |tell: fn(&Described, &Field) -> Option<String>| {
        texts(all.iter().map(|(table, _, field)| tell(table, field)))
    };
    let places = all.iter().map(|(_, place, _)| i32::try_from(*place).ok());
    table(vec![
        ("table_catalog", each(|_, _| Some(DATABASE.into()))),
        ("table_schema", each(|table, _| Some(table.schema.into()))),
        ("table_name", each(|table, _| Some(table.name.clone()))),
        ("column_name", each(|_, field| Some(field.name().clone()))),
        ("ordinal_position", Arc::new(Int32Array::from_iter(places))),
        ("column_default", each(|_, _| None)),
        ("is_nullable", each(|_, f| Some(if f.is_nullable() { "YES" } else { "NO" }.into()))),
        ("data_type", each(|_, field| Some(sql_type(field.data_type()).0.into()))),
        ("udt_name", each(|_, field| Some(sql_type(field.data_type()).1.into()))),
    ])
}

/// PostgreSQL's long and short name of a type.
const fn sql_type(arrow: &DataType) -> (&'static str, &'static str) {
    match arrow {
        DataType::Boolean => ("boolean", "bool"),
        DataType::Int64 => ("bigint", "int8"),
        DataType::Float64 => ("double precision", "float8"),
        DataType::Timestamp(..) => ("timestamp with time zone", "timestamptz"),
        _ => ("text", "text"),
    }
}
