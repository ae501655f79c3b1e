// Command shop is a small web shop of seven services, instrumented with the OpenTelemetry SDK as a shop
// of one's own would be: the Collector in front of faultline hears of it by OTLP, Prometheus scrapes it.
//
//	shop supervise            starts the services, a process each, and rolls out what it is told to
//	shop service NAME         one service; configured by the environment alone
//	shop load                 customers, at a steady pace
//
// Nothing in here knows of faultline but the deploy tool in the supervisor, which announces what it rolls
// out as CDEvents.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "supervise":
		return supervise(ctx)
	case len(args) == 2 && args[0] == "service":
		return serve(ctx, args[1])
	case len(args) == 1 && args[0] == "load":
		return buy(ctx)
	}
	return fmt.Errorf("usage: shop supervise | service NAME | load")
}

// env is a variable of the environment; what is missing is a mistake of the rig.
func env(name string) string {
	value := os.Getenv(name)
	if value == "" {
		fmt.Fprintln(os.Stderr, "shop: please set", name)
		os.Exit(2)
	}
	return value
}
