package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Where each service listens, by name; the supervisor says it in SHOP_ADDRESSES.
type addresses map[string]string

// resolved is a transport that finds services by their names, as a cluster's DNS does.
func (a addresses) resolved() *http.Transport {
	var dialer net.Dialer
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			name, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, a[name])
		},
		MaxIdleConnsPerHost: 20,
		IdleConnTimeout:     90 * time.Second,
	}
}

// leakFor is how long the leaky release of payment keeps a connection that it should give back at once.
const leakFor = 20 * time.Second

// shop is one service: its neighbours, its database if it has one, and its switch.
type shop struct {
	name    string
	at      addresses
	client  *http.Client
	db      *database
	leaking atomic.Bool
}

// handlers are the routes of a service.
func (s *shop) handlers() (map[string]func(context.Context) error, error) {
	switch s.name {
	case "web":
		return map[string]func(context.Context) error{
			"GET /browse": s.calls("GET accounts/session", "GET catalog/products"),
			"GET /basket": s.calls("GET accounts/session", "GET cart/items"),
			"POST /buy":   s.calls("GET accounts/session", "POST checkout/orders"),
		}, nil
	case "accounts":
		return map[string]func(context.Context) error{"GET /session": s.works(2 * time.Millisecond)}, nil
	case "catalog":
		return map[string]func(context.Context) error{
			"GET /products": s.queries("SELECT", "products", 4*time.Millisecond),
		}, nil
	case "cart":
		return map[string]func(context.Context) error{"GET /items": s.calls("GET catalog/products")}, nil
	case "checkout":
		return map[string]func(context.Context) error{
			"POST /orders": s.calls("GET cart/items", "POST payment/charges", "POST shipping/parcels"),
		}, nil
	case "payment":
		return map[string]func(context.Context) error{
			"POST /charges": s.queries("INSERT", "charges", 6*time.Millisecond),
		}, nil
	case "shipping":
		return map[string]func(context.Context) error{"POST /parcels": s.works(3 * time.Millisecond)}, nil
	}
	return nil, fmt.Errorf("there is no service %q", s.name)
}

// works is a handler that takes its time, give or take a half.
func (s *shop) works(mean time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(around(mean))
		return nil
	}
}

// queries is a handler that asks the database of its service.
func (s *shop) queries(operation, table string, mean time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		var held time.Duration
		if s.leaking.Load() {
			held = leakFor
		}
		return s.db.query(ctx, operation, table, around(mean), held)
	}
}

// calls is a handler that asks its neighbours one after the other: "METHOD service/path".
func (s *shop) calls(targets ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		time.Sleep(around(time.Millisecond))
		for _, target := range targets {
			if err := s.call(ctx, target); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *shop) call(ctx context.Context, target string) error {
	var method, service, path string
	if _, err := fmt.Sscanf(target, "%s %s", &method, &path); err != nil {
		return err
	}
	for at, char := range path {
		if char == '/' {
			service, path = path[:at], path[at:]
			break
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+service+path, nil)
	if err != nil {
		return err
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", service, err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode >= 500 {
		return fmt.Errorf("%s answered %d", service, answer.StatusCode)
	}
	return nil
}

func around(mean time.Duration) time.Duration {
	return mean/2 + rand.N(mean)
}

// serve runs one service until it is asked to end, and then lets its requests finish.
func serve(ctx context.Context, name string) error {
	flush, err := telemetry(ctx)
	if err != nil {
		return err
	}
	s := &shop{name: name}
	if err := json.Unmarshal([]byte(env("SHOP_ADDRESSES")), &s.at); err != nil {
		return fmt.Errorf("SHOP_ADDRESSES: %w", err)
	}
	s.client = &http.Client{Transport: otelhttp.NewTransport(s.at.resolved())}
	if name == "catalog" || name == "payment" {
		if s.db, err = dial(name+"-db", 10); err != nil {
			return err
		}
	}
	routes, err := s.handlers()
	if err != nil {
		return err
	}
	served := http.NewServeMux()
	for route, handler := range routes {
		served.Handle(route, s.route(handler))
	}
	mux := http.NewServeMux()
	mux.Handle("/", otelhttp.NewHandler(served, "", otelhttp.WithSpanNameFormatter(named)))
	mux.Handle("GET /metrics", scrape())
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /leak/{state}", func(_ http.ResponseWriter, r *http.Request) {
		s.leaking.Store(r.PathValue("state") == "on")
	})
	listener, err := listen(ctx, s.at[name])
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return err
	}
	return flush(last)
}

// named names a server's span by its route, as the conventions ask.
func named(_ string, r *http.Request) string {
	if r.Pattern != "" {
		return r.Pattern
	}
	return r.Method + " " + r.URL.Path
}

// route makes a request of a handler: a failure is logged and becomes a 502, or a 503 when it is our own.
func (s *shop) route(handler func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		err := handler(ctx)
		if err == nil {
			return
		}
		slog.ErrorContext(ctx, r.Pattern+" failed: "+err.Error())
		span := trace.SpanFromContext(ctx)
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
		status := http.StatusBadGateway
		if s.db != nil {
			status = http.StatusServiceUnavailable
		}
		http.Error(w, err.Error(), status)
	})
}
