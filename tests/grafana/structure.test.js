// Dashboards and provisioning files hang together: by structure, without a data source.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { dashboards, grafana, queries } from './dashboards.js';

const schema = createRequire(import.meta.url)('@grafana/schema');
const values = (name) => {
  assert.ok(schema[name], `@grafana/schema has no ${name} any more`);
  return Object.values(schema[name]);
};

const UIDS = ['faultline-now', 'faultline-incident', 'faultline-blast-radius', 'faultline-noise', 'faultline-changes', 'faultline-itself'];
const PANELS = ['barchart', 'nodeGraph', 'piechart', 'stat', 'table', 'timeseries'];
const SOURCES = { 'faultline-history': 'grafana-postgresql-datasource', 'faultline-prometheus': 'prometheus' };

/** Visits every object below a value. */
function visit(value, see) {
  if (Array.isArray(value)) value.forEach((item) => visit(item, see));
  else if (value && typeof value === 'object') {
    see(value);
    Object.values(value).forEach((item) => visit(item, see));
  }
}

test('each dashboard is there once, under a uid that stays', () => {
  assert.deepEqual(dashboards.map((d) => d.uid).sort(), [...UIDS].sort());
  assert.equal(new Set(dashboards.map((d) => d.title)).size, UIDS.length);
});

test('the classic model that Grafana 10 to 13 load', () => {
  for (const d of dashboards) {
    assert.ok(d.schemaVersion >= 36 && d.schemaVersion <= schema.defaultDashboard.schemaVersion, d.file);
    assert.equal(d.id, undefined, `${d.file}: an id belongs to one Grafana`);
    for (const key of Object.keys(schema.defaultDashboard)) assert.ok(key in d, `${d.file}: ${key}`);
    for (const v of d.templating.list) {
      assert.ok(values('VariableHide').includes(v.hide), `${d.file}: $${v.name} hide`);
      assert.ok(['query', 'datasource', 'textbox'].includes(v.type), `${d.file}: $${v.name}`);
    }
  }
});

test('panels are of known kinds, have ids of their own and do not overlap', () => {
  for (const d of dashboards) {
    assert.equal(new Set(d.panels.map((p) => p.id)).size, d.panels.length, d.file);
    const taken = new Set();
    for (const p of d.panels) {
      assert.ok(PANELS.includes(p.type), `${d.file}: ${p.type}`);
      assert.ok(p.title || p.type === 'row', `${d.file}: a panel without a title`);
      const { x, y, w, h } = p.gridPos;
      assert.ok(x >= 0 && w > 0 && x + w <= 24, `${d.file}: ${p.title} leaves the grid`);
      for (let column = x; column < x + w; column += 1) {
        for (let line = y; line < y + h; line += 1) {
          assert.ok(!taken.has(`${column},${line}`), `${d.file}: ${p.title} lies on another`);
          taken.add(`${column},${line}`);
        }
      }
    }
  }
});

test("options have values that Grafana's schema knows", () => {
  const known = {
    drawStyle: values('GraphDrawStyle'),
    showPoints: values('VisibilityMode'),
    displayMode: values('LegendDisplayMode'),
    colorMode: values('BigValueColorMode'),
    graphMode: values('BigValueGraphMode'),
    justifyMode: values('BigValueJustifyMode'),
    textMode: values('BigValueTextMode'),
    pieType: ['pie', 'donut'],
    zoomMode: ['cooperative', 'greedy'],
  };
  for (const d of dashboards) {
    for (const p of d.panels) {
      visit([p.options, p.fieldConfig], (object) => {
        for (const [key, allowed] of Object.entries(known)) {
          if (key in object) assert.ok(allowed.includes(object[key]), `${d.file}: ${p.title}: ${key} ${object[key]}`);
        }
        if (object.steps) {
          assert.ok(values('ThresholdsMode').includes(object.mode), `${d.file}: ${p.title}: thresholds`);
          assert.equal(object.steps[0].value, null, `${d.file}: ${p.title}: the first step is the base`);
        }
        if (object.cellOptions) {
          assert.ok(values('TableCellDisplayMode').includes(object.cellOptions.type), `${d.file}: ${p.title}`);
        }
        if (object.stacking) {
          const mode = object.stacking.mode ?? object.stacking;
          assert.ok(values('StackingMode').includes(mode), `${d.file}: ${p.title}: stacking`);
        }
        if (object.legend?.placement) {
          assert.ok(['bottom', 'right'].includes(object.legend.placement), `${d.file}: ${p.title}: legend`);
        }
      });
    }
  }
});

test('all data sources are the provisioned ones', () => {
  const provisioned = fs.readFileSync(path.join(grafana, 'provisioning/datasources/faultline.yaml'), 'utf8');
  for (const [uid, type] of Object.entries(SOURCES)) {
    assert.match(provisioned, new RegExp(`uid: ${uid}\\n    type: ${type}\\n`));
  }
  for (const d of dashboards) {
    visit(d, (object) => {
      const { datasource } = object;
      if (datasource && typeof datasource === 'object') assert.equal(datasource.type, SOURCES[datasource.uid], d.file);
    });
  }
});

test('variables that are used are there, and those that are there are used', () => {
  const builtin = /^__|^timeFilter$/;
  for (const d of dashboards) {
    const { templating, ...rest } = d;
    const text = JSON.stringify([rest, templating.list.map((v) => v.query)]);
    const used = new Set([...text.matchAll(/\$(?:\{)?([A-Za-z_]\w*)/g)].map((m) => m[1]).filter((name) => !builtin.test(name)));
    assert.deepEqual([...used].sort(), templating.list.map((v) => v.name).sort(), d.file);
  }
});

test('links lead to dashboards that are there, and carry variables that they have', () => {
  for (const d of dashboards) {
    const text = JSON.stringify(d);
    for (const [, uid, variable] of text.matchAll(/"\/d\/([\w-]+)(?:\?var-(\w+)=)?/g)) {
      const target = dashboards.find((other) => other.uid === uid);
      assert.ok(target, `${d.file}: no dashboard ${uid}`);
      if (variable) assert.ok(target.templating.list.some((v) => v.name === variable), `${d.file}: ${uid} has no $${variable}`);
    }
  }
});

test("a link to a trace is what Explore reads once its variables are filled in", () => {
  let seen = 0;
  for (const d of dashboards) {
    visit(d, ({ url }) => {
      if (typeof url !== 'string' || !url.startsWith('/explore')) return;
      seen += 1;
      const filled = url.replaceAll('${tempo}', 'tempo-1').replaceAll('${__value.raw}', '0af7651916cd43dd8448eb211c80319c').replaceAll('${__from}', '1').replaceAll('${__to}', '2');
      const panes = JSON.parse(new URL(filled, 'http://localhost').searchParams.get('panes'));
      assert.equal(panes.t.datasource, 'tempo-1');
      assert.equal(panes.t.queries[0].query, '0af7651916cd43dd8448eb211c80319c');
      assert.deepEqual(panes.t.range, { from: '1', to: '2' });
    });
  }
  assert.ok(seen >= 3, `${seen} links to traces`);
});

test('queries are bounded and name their columns', () => {
  for (const query of dashboards.flatMap(queries)) {
    assert.doesNotMatch(query.sql, /;|SELECT \*/i, query.name);
    if (query.panel?.type === 'table' && query.refId === 'A' && /FROM (incidents|changes|alert_events)/.test(query.sql) && !/incident_id = '\$incident'/.test(query.sql)) {
      assert.match(query.sql, /LIMIT \d+/, query.name);
    }
  }
});
