// The expansion itself, against the data source's documented examples.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expand, rfc3339, seconds } from './macros.js';

const range = { from: new Date('2026-03-01T02:00:00Z'), to: new Date('2026-03-01T03:30:00.250Z') };
const sql = (text, variables = {}) => expand(text, variables, range, '1m');

test('macros become what the data source makes of them', () => {
  assert.equal(sql('$__timeFilter(a.b)'), "a.b BETWEEN '2026-03-01T02:00:00Z' AND '2026-03-01T03:30:00.25Z'");
  assert.equal(sql('$__timeFrom() $__timeTo()'), "'2026-03-01T02:00:00Z' '2026-03-01T03:30:00.25Z'");
  assert.equal(sql("$__timeGroup(c,'5m') AS \"time\""), 'floor(extract(epoch from c)/300)*300 AS "time"');
  assert.equal(sql('$__timeGroup(c,$__interval), x'), 'floor(extract(epoch from c)/60)*60 AS "time", x');
  assert.equal(sql('$__timeEpoch(c)'), 'extract(epoch from c) as "time"');
  assert.equal(sql('$__unixEpochFilter(n)'), 'n >= 1772330400 AND n <= 1772335800');
  assert.equal(sql("$__unixEpochGroup(n,'1h')"), 'floor((n)/3600)*3600');
  assert.throws(() => sql('$__timeSpan(c)'), /unknown macro/);
});

test('variables cannot leave their literal', () => {
  const evil = "x' OR '1' = '1";
  assert.equal(sql("id = '$id'", { id: { value: evil } }), "id = 'x'' OR ''1'' = ''1'");
  assert.equal(sql('c = $c', { c: { value: evil, quoted: true } }), "c = 'x'' OR ''1'' = ''1'");
  assert.equal(sql('c = ${c}', { c: { value: "'__all'", quoted: true, isAll: true } }), "c = '__all'");
});

test('intervals and instants are read and written as Go does', () => {
  assert.deepEqual(['500ms', '30s', "'5m'", '2h', '1d'].map(seconds), [0.5, 30, 300, 7200, 86400]);
  assert.equal(rfc3339(new Date('2026-03-01T00:00:00.100Z')), '2026-03-01T00:00:00.1Z');
});
