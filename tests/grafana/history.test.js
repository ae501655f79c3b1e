// Every query of every dashboard against a running faultline, through real clients: psql, and npm's pg
// in the simple protocol (as Grafana's data source speaks) and the extended one (as its older ones).
//
// GRAFANA_PG: postgresql://user:password@host:port/faultline of a faultline that has told a story.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { everyQuery } from './dashboards.js';
import { expand } from './macros.js';

const { FieldType, NodeGraphDataFrameFieldNames: NODE, toDataFrame } = createRequire(import.meta.url)('@grafana/data');
const url = process.env.GRAFANA_PG;
assert.ok(url, 'GRAFANA_PG is not set: tests/grafana/run.sh starts what this needs');

// What the data source's driver must know, or the whole panel is an error.
const TYPES = { 16: 'bool', 20: 'int8', 21: 'int2', 23: 'int4', 25: 'text', 700: 'float4', 701: 'float8', 1043: 'varchar', 1700: 'numeric', 1184: 'timestamptz' };
const NUMBERS = new Set([20, 21, 23, 700, 701, 1700]);
const TEXTS = new Set([25, 1043]);
// Panels of what this story does not have: nobody acts on it, no sink is configured.
const MAY_BE_EMPTY = [/Told to/, /How long it takes/];

const client = new pg.Client({ connectionString: url, ssl: /sslmode=(require|verify)/.test(url) ? { rejectUnauthorized: false } : false });
let incident;
let cell;
let range;

before(async () => {
  await client.connect();
  const told = await client.query(`SELECT incident_id, cell, opened_at, service_count FROM incidents
    WHERE state IN ('open', 'resolved') ORDER BY service_count DESC, opened_at`);
  assert.ok(told.rows.length > 0, 'the history has no incident');
  incident = told.rows[0].incident_id;
  cell = told.rows[0].cell;
  const opened = told.rows[0].opened_at.getTime();
  range = { from: new Date(opened - 3 * 3_600_000), to: new Date(opened + 3 * 3_600_000) };
});

after(() => client.end());

const all = () => ({ cell: { value: "'__all'", quoted: true, isAll: true }, incident: { value: incident } });
const sqlOf = (query, variables = all()) => expand(query.sql, variables, range, '5m');

/** By psql: header and rows, unaligned. */
function psql(sql) {
  const said = execFileSync('psql', ['-X', '-v', 'ON_ERROR_STOP=1', '--csv', '-c', sql, url], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return said.split('\n')[0].split(',').map((name) => name.replaceAll('"', ''));
}

/** The simple protocol of pg: what Grafana speaks. */
const simple = (sql) => client.query(sql);
const extended = (sql) => client.query({ text: sql, queryMode: 'extended', values: [] });

function checkColumns(query, { fields, rows, command }) {
  const names = fields.map((field) => field.name);
  assert.equal(command, 'SELECT', `${query.name}: only a result that is tagged SELECT becomes a frame`);
  assert.equal(new Set(names).size, names.length, `${query.name}: two columns of one name: ${names}`);
  for (const field of fields) {
    assert.ok(TYPES[field.dataTypeID], `${query.name}: ${field.name} has the unknown type ${field.dataTypeID}`);
  }
  const time = fields.find((field) => field.name === 'time');
  if (query.format === 'time_series') {
    assert.ok(time, `${query.name}: no column "time"`);
    assert.ok(time.dataTypeID === 1184 || NUMBERS.has(time.dataTypeID), `${query.name}: "time" is ${TYPES[time.dataTypeID]}`);
    assert.ok(fields.some((field) => field !== time && NUMBERS.has(field.dataTypeID)), `${query.name}: nothing to draw`);
    for (const field of fields.filter((field) => TEXTS.has(field.dataTypeID))) {
      assert.equal(field.name, 'metric', `${query.name}: the series is named by "metric"`);
    }
    const times = rows.map((row) => Number(row.time));
    assert.deepEqual(times, times.toSorted((a, b) => a - b), `${query.name}: not in order of time`);
  }
  if (query.kind === 'annotation') {
    assert.equal(time?.dataTypeID, 1184, `${query.name}: an annotation has a time`);
    assert.ok(names.includes('text') && names.includes('tags'), `${query.name}: ${names}`);
    assert.ok(names.every((name) => ['time', 'timeend', 'text', 'tags'].includes(name)), `${query.name}: ${names}`);
  }
  if (query.kind === 'variable') {
    assert.deepEqual(names, ['__text', '__value'], `${query.name}: what a variable shows and is`);
  }
}

/** Overrides and links of a panel speak of columns that its query has. */
function checkPanel(query, names) {
  const { panel } = query;
  if (!panel) return;
  const several = panel.targets.length > 1 || query.format === 'time_series';
  for (const { matcher } of panel.fieldConfig.overrides) {
    if (!several) assert.ok(names.includes(matcher.options), `${query.name}: no column ${matcher.options}`);
  }
  for (const [, name] of JSON.stringify(panel.fieldConfig).matchAll(/__data\.fields\.(\w+)/g)) {
    assert.ok(names.includes(name), `${query.name}: a link needs ${name}`);
  }
}

for (const query of everyQuery) {
  test(query.name, async () => {
    const sql = sqlOf(query);
    const result = await simple(sql);
    checkColumns(query, result);
    const names = result.fields.map((field) => field.name);
    checkPanel(query, names);
    if (!MAY_BE_EMPTY.some((pattern) => pattern.test(query.name))) {
      assert.ok(result.rows.length > 0, `${query.name}: no rows\n${sql}`);
      assert.ok(result.rows.some((row) => Object.values(row).some((value) => value !== null)) || /MTTA/.test(query.name), `${query.name}: only NULL\n${sql}`);
    }
    const again = await extended(sql);
    assert.deepEqual(again.fields.map((f) => [f.name, f.dataTypeID]), result.fields.map((f) => [f.name, f.dataTypeID]), query.name);
    assert.equal(again.rows.length, result.rows.length, `${query.name}: extended protocol`);
    assert.deepEqual(psql(sql), names, `${query.name}: psql`);
  });
}

test('one cell and a foreign one: the variable filters', async () => {
  for (const query of everyQuery.filter((q) => /\$cell\b/.test(q.sql) && q.panel?.type === 'table')) {
    const of = async (value) => (await simple(sqlOf(query, { ...all(), cell: { value, quoted: true } }))).rows.length;
    const [own, foreign] = [await of(cell), await of('no such cell')];
    assert.equal(foreign, 0, `${query.name}: rows of another cell`);
    assert.ok(own >= 0, query.name);
  }
});

test('a hostile value of a variable stays a value', async () => {
  const evil = "x' OR '1'='1";
  for (const query of everyQuery.filter((q) => /\$incident\b/.test(q.sql))) {
    const { rows } = await simple(sqlOf(query, { ...all(), incident: { value: evil } }));
    assert.equal(rows.length, 0, query.name);
  }
});

// What the data source's editor and its health check ask when somebody opens them.
const IN_SEARCH_PATH = `quote_ident(table_schema) IN (
  SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
  FROM generate_series(
    array_lower(string_to_array(current_setting('search_path'),','),1),
    array_upper(string_to_array(current_setting('search_path'),','),1)
  ) as i, string_to_array(current_setting('search_path'),',') s
)`;
const PROBES = {
  health: 'SELECT 1',
  version: "SELECT current_setting('server_version_num')::int/100 as version",
  timescale: "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'",
  schemas: `SELECT schema_name AS "name" FROM information_schema.schemata
    WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast') ORDER BY schema_name`,
  'tables of a schema': `SELECT quote_ident(table_name) AS "table" FROM information_schema.tables
    WHERE quote_ident(table_schema) = 'public' ORDER BY 1`,
  tables: `SELECT CASE WHEN ${IN_SEARCH_PATH}
      THEN quote_ident(table_name)
      ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
    FROM information_schema.tables
    WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache')
    ORDER BY CASE WHEN ${IN_SEARCH_PATH} THEN 0 ELSE 1 END, 1`,
  columns: `SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE CASE WHEN array_length(parse_ident('incidents'),1) = 2
      THEN quote_ident(table_schema) = (parse_ident('incidents'))[1]
        AND quote_ident(table_name) = (parse_ident('incidents'))[2]
      ELSE quote_ident(table_name) = 'incidents' AND ${IN_SEARCH_PATH} END`,
};
const PROVES = {
  version: (rows) => Number(rows[0].version) >= 900,
  schemas: (rows) => rows.some((row) => row.name === 'public'),
  'tables of a schema': (rows) => rows.some((row) => row.table === 'incidents'),
  tables: (rows) => rows.some((row) => /(^|\.)incidents$/.test(row.table)),
  columns: (rows) => rows.some((row) => row.column === 'opened_at' && row.type === 'timestamp with time zone'),
};

for (const [name, probe] of Object.entries(PROBES)) {
  test(`the data source asks for ${name}`, async () => {
    for (const ask of [simple, extended]) {
      const result = await ask(probe);
      assert.equal(result.command, 'SELECT');
      assert.ok(PROVES[name]?.(result.rows) ?? true, JSON.stringify(result.rows.slice(0, 5)));
    }
  });
}

test('nothing can be written through the data source', async () => {
  for (const sql of ['DROP TABLE incidents', "INSERT INTO incidents (incident_id) VALUES ('x')", "COPY (SELECT 1) TO '/tmp/faultline-grafana'"]) {
    await assert.rejects(simple(sql), (error) => /^(25|42|0A)/.test(error.code ?? ''), sql);
  }
});

/** A result as the frame that Grafana makes of it. */
function frame(refId, { fields, rows }) {
  return toDataFrame({
    refId,
    fields: fields.map(({ name, dataTypeID }) => ({
      name,
      type: NUMBERS.has(dataTypeID) ? FieldType.number : FieldType.string,
      values: rows.map((row) => (NUMBERS.has(dataTypeID) && row[name] !== null ? Number(row[name]) : row[name])),
    })),
  });
}

test('the Node Graph panel recognises its frames, and finds every end of every edge', async () => {
  const targets = everyQuery.filter((query) => query.panel?.type === 'nodeGraph');
  assert.deepEqual(targets.map((query) => query.refId), ['nodes', 'edges']);
  const frames = await Promise.all(targets.map(async (query) => frame(query.refId, await simple(sqlOf(query)))));
  // The panel's own rule: a frame with a field `source` holds edges, every other holds nodes.
  const isEdges = (f) => f.fields.some((field) => field.name === NODE.source);
  const [nodes, edges] = [frames.filter((f) => !isEdges(f)), frames.filter(isEdges)];
  assert.deepEqual([nodes.length, edges.length], [1, 1]);

  const field = (f, name) => f.fields.find((one) => one.name.toLowerCase() === name.toLowerCase());
  const known = new Set(Object.values(NODE).map((name) => name.toLowerCase()));
  for (const f of frames) {
    for (const { name } of f.fields) {
      assert.ok(known.has(name.toLowerCase()) || name.startsWith(NODE.arc) || name.startsWith(NODE.detail), `${f.refId}: the panel does not know ${name}`);
    }
    assert.ok(field(f, NODE.id), `${f.refId}: an id is required`);
    assert.equal(new Set(field(f, NODE.id).values).size, f.length, `${f.refId}: ids are unique`);
  }
  const ids = new Set(field(nodes[0], NODE.id).values);
  assert.ok(ids.size > 1 && ids.size <= 1500, `${ids.size} nodes: the panel shows 1,500`);
  assert.ok(edges[0].length > 0, 'there are edges');
  for (const end of [NODE.source, NODE.target]) {
    for (const id of field(edges[0], end).values) assert.ok(ids.has(id), `an edge's ${end} ${id} is no node: the panel would break`);
  }
  const arcs = nodes[0].fields.filter((f) => f.name.startsWith(NODE.arc));
  assert.equal(arcs.length, 4);
  for (let row = 0; row < nodes[0].length; row += 1) {
    const sum = arcs.reduce((total, arc) => total + arc.values[row], 0);
    assert.ok(Math.abs(sum - 1) < 1e-9, `arcs of ${field(nodes[0], NODE.id).values[row]} sum to ${sum}`);
  }
  const options = targets[0].panel.options.nodes.arcs.map((arc) => arc.field);
  assert.deepEqual(options.sort(), arcs.map((arc) => arc.name).sort(), 'every arc has a colour');
  assert.ok(arcs.find((arc) => arc.name === 'arc__cause').values.includes(1), 'the cause is in the picture');
});

test('edges are closed over nodes for every incident there is', async () => {
  const { rows } = await simple(`SELECT count(*) AS open FROM edges e
    LEFT JOIN nodes s ON s.incident_id = e.incident_id AND s.id = e.source
    LEFT JOIN nodes t ON t.incident_id = e.incident_id AND t.id = e.target
    WHERE s.id IS NULL OR t.id IS NULL`);
  assert.equal(Number(rows[0].open), 0);
});
