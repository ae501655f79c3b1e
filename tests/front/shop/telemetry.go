package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// telemetry sets up what every service has: spans and metrics by OTLP over gRPC, logs by OTLP over HTTP, the
// metrics once more for Prometheus. Names, addresses and intervals come from the standard OTEL_*
// variables. What it returns sends the rest and ends it.
func telemetry(ctx context.Context) (func(context.Context) error, error) {
	described, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK(),
		resource.WithHost(), resource.WithProcessPID())
	if err != nil {
		return nil, err
	}
	spans, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, err
	}
	traces := trace.NewTracerProvider(trace.WithBatcher(spans), trace.WithResource(described))
	otel.SetTracerProvider(traces)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))

	pushed, err := otlpmetricgrpc.New(ctx)
	if err != nil {
		return nil, err
	}
	scraped, err := prometheus.New()
	if err != nil {
		return nil, err
	}
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(pushed)),
		metric.WithReader(scraped), metric.WithResource(described))
	otel.SetMeterProvider(meters)

	records, err := otlploghttp.New(ctx)
	if err != nil {
		return nil, err
	}
	logs := sdklog.NewLoggerProvider(
		sdklog.WithProcessor(sdklog.NewBatchProcessor(records)), sdklog.WithResource(described))
	slog.SetDefault(otelslog.NewLogger("shop", otelslog.WithLoggerProvider(logs)))

	return func(ctx context.Context) error {
		return errors.Join(traces.Shutdown(ctx), meters.Shutdown(ctx), logs.Shutdown(ctx))
	}, nil
}

// scrape is what Prometheus reads.
func scrape() http.Handler { return promhttp.Handler() }
