// The dashboards of deploy/grafana, and every query in them.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const grafana = path.join(root, 'deploy/grafana');
const folder = path.join(grafana, 'dashboards');

export const dashboards = fs
  .readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((file) => ({ file, ...JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8')) }));

/** Every SQL query of a dashboard: of panels, annotations and variables. */
export function queries(dashboard) {
  const at = (place, kind, target, panel) => ({
    name: `${dashboard.title} / ${place} / ${target.refId ?? 'variable'}`,
    kind,
    format: target.format ?? 'table',
    sql: target.rawSql,
    refId: target.refId,
    panel,
    dashboard,
  });
  const found = [];
  for (const panel of dashboard.panels) {
    for (const target of panel.targets ?? []) {
      if (target.rawSql) found.push(at(panel.title, 'panel', target, panel));
    }
  }
  for (const annotation of dashboard.annotations.list) {
    if (annotation.target?.rawSql) found.push(at(annotation.name, 'annotation', annotation.target));
  }
  for (const variable of dashboard.templating.list) {
    if (variable.type === 'query' && typeof variable.query === 'string') {
      found.push(at(`$${variable.name}`, 'variable', { rawSql: variable.query }));
    }
  }
  return found;
}

export const everyQuery = dashboards.flatMap(queries);
