// What Grafana makes of a query before it sends it: template variables by its SQL data sources' rules,
// then the macros of its PostgreSQL data source. Written from their documented behaviour.

/** A value as a SQL literal. */
const literal = (text) => `'${text.replaceAll("'", "''")}'`;

/** Nanoseconds are never zero-padded, and no fraction is left out of a whole second: RFC3339Nano. */
export function rfc3339(date) {
  return date.toISOString().replace(/\.(\d*?)0*Z$/, (_, digits) => (digits ? `.${digits}Z` : 'Z'));
}

const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, M: 2_592_000, y: 31_536_000 };

/** Seconds of an interval such as `5m`. */
export function seconds(interval) {
  const found = /^(\d+)(ms|[smhdwMy])$/.exec(interval.replaceAll("'", '').trim());
  if (!found) throw new Error(`no interval: ${interval}`);
  return Number(found[1]) * UNITS[found[2]];
}

/**
 * Template variables. `variables`: name -> { value, quoted }; `quoted` as for variables that can be
 * "All" or several, which Grafana writes as literals. A custom "All" value goes in as it stands.
 */
export function withVariables(sql, variables) {
  return sql.replace(/\$(\w+)|\$\{(\w+)(?::(\w+))?\}/g, (whole, bare, braced, format) => {
    const variable = variables[bare ?? braced];
    if (variable === undefined) return whole;
    const { value, quoted, isAll } = variable;
    if (format === 'raw' || isAll) return value;
    if (format !== undefined) throw new Error(`${whole}: only :raw is known here`);
    return quoted ? literal(value) : value.replaceAll("'", "''");
  });
}

/** The macros. `range`: { from, to } as dates; `interval`: what the panel's width gives, as `5m`. */
export function withMacros(sql, range, interval) {
  const [from, to] = [rfc3339(range.from), rfc3339(range.to)];
  const unix = (date) => Math.floor(date.getTime() / 1000);
  const plain = sql
    .replaceAll('$__interval_ms', String(seconds(interval) * 1000))
    .replaceAll('$__interval', interval)
    .replaceAll('$__unixEpochFrom()', String(unix(range.from)))
    .replaceAll('$__unixEpochTo()', String(unix(range.to)));
  const group = (column, width) => `floor(extract(epoch from ${column})/${seconds(width)})*${seconds(width)}`;
  return plain.replace(/\$([_a-zA-Z0-9]+)\(([^)]*)\)/g, (whole, name, inner, at) => {
    const [column, width] = inner.split(',').map((part) => part.trim());
    // An old habit that is still served: directly before a comma the group names itself.
    const alias = name === '__timeGroup' && plain[at + whole.length] === ',' ? ' AS "time"' : '';
    switch (name) {
      case '__time':
        return `${column} AS "time"`;
      case '__timeEpoch':
        return `extract(epoch from ${column}) as "time"`;
      case '__timeFilter':
        return `${column} BETWEEN '${from}' AND '${to}'`;
      case '__timeFrom':
        return `'${from}'`;
      case '__timeTo':
        return `'${to}'`;
      case '__timeGroup':
        return group(column, width) + alias;
      case '__timeGroupAlias':
        return `${group(column, width)} AS "time"`;
      case '__unixEpochFilter':
        return `${column} >= ${unix(range.from)} AND ${column} <= ${unix(range.to)}`;
      case '__unixEpochGroup':
        return `floor((${column})/${seconds(width)})*${seconds(width)}`;
      case '__unixEpochGroupAlias':
        return `floor((${column})/${seconds(width)})*${seconds(width)} AS "time"`;
      default:
        throw new Error(`unknown macro ${name}`);
    }
  });
}

/** A query as Grafana sends it. */
export function expand(sql, variables, range, interval) {
  return withMacros(withVariables(sql, variables), range, interval);
}
