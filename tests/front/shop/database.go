package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// How long a request waits for a connection before it gives up.
const poolTimeout = time.Second

var errPool = errors.New("no database connection within 1s: the pool is exhausted")

// database is a client of a database with a pool of connections. The database itself is beyond our telemetry, as
// databases are: its only trace is the client's span.
type database struct {
	name        string
	connections chan struct{}
	waiting     atomic.Int64
	timeouts    metric.Int64Counter
	tracer      trace.Tracer
}

// dial makes a pool of size connections and tells of it as the conventions for database clients ask.
func dial(name string, size int) (*database, error) {
	db := &database{
		name: name, connections: make(chan struct{}, size), tracer: otel.Tracer("shop/database"),
	}
	meter := otel.Meter("shop/database")
	pool := attribute.String("db.client.connection.pool.name", name)
	used := attribute.String("db.client.connection.state", "used")
	idle := attribute.String("db.client.connection.state", "idle")
	observe := func(read func(metric.Int64Observer)) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error { read(o); return nil }
	}
	_, err := meter.Int64ObservableUpDownCounter("db.client.connection.count",
		metric.WithUnit("{connection}"), metric.WithInt64Callback(observe(func(o metric.Int64Observer) {
			busy := int64(len(db.connections))
			o.Observe(busy, metric.WithAttributes(pool, used))
			o.Observe(int64(size)-busy, metric.WithAttributes(pool, idle))
		})))
	if err != nil {
		return nil, err
	}
	_, err = meter.Int64ObservableUpDownCounter("db.client.connection.max",
		metric.WithUnit("{connection}"), metric.WithInt64Callback(observe(func(o metric.Int64Observer) {
			o.Observe(int64(size), metric.WithAttributes(pool))
		})))
	if err != nil {
		return nil, err
	}
	_, err = meter.Int64ObservableUpDownCounter("db.client.connection.pending_requests",
		metric.WithUnit("{request}"), metric.WithInt64Callback(observe(func(o metric.Int64Observer) {
			o.Observe(db.waiting.Load(), metric.WithAttributes(pool))
		})))
	if err != nil {
		return nil, err
	}
	db.timeouts, err = meter.Int64Counter("db.client.connection.timeouts", metric.WithUnit("{timeout}"))
	return db, err
}

// query takes a connection, works on the database for as long as work says, and gives the connection back
// after held more. It fails when no connection comes free in time.
func (db *database) query(ctx context.Context, operation, table string, work, held time.Duration) error {
	db.waiting.Add(1)
	timeout := time.NewTimer(poolTimeout)
	defer timeout.Stop()
	select {
	case db.connections <- struct{}{}:
		db.waiting.Add(-1)
	case <-timeout.C:
		db.waiting.Add(-1)
		db.timeouts.Add(ctx, 1,
			metric.WithAttributes(attribute.String("db.client.connection.pool.name", db.name)))
		return errPool
	case <-ctx.Done():
		db.waiting.Add(-1)
		return ctx.Err()
	}
	_, span := db.tracer.Start(ctx, fmt.Sprintf("%s %s", operation, table),
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(semconv.DBSystemNamePostgreSQL, semconv.DBNamespace(db.name),
			semconv.DBOperationName(operation), semconv.DBCollectionName(table),
			semconv.ServerAddress(db.name)))
	time.Sleep(work)
	span.End()
	release := func() { <-db.connections }
	if held > 0 {
		time.AfterFunc(held, release)
	} else {
		release()
	}
	return nil
}
