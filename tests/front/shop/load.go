package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// Customers a second, and how many of a hundred do what.
const (
	perSecond = 12
	browsing  = 45
	looking   = 25
)

// buy is the load: requests at a steady pace, each independent of the answers to the others, so that a slow
// shop has as many customers as a fast one.
func buy(ctx context.Context) error {
	var at addresses
	if err := json.Unmarshal([]byte(env("SHOP_ADDRESSES")), &at); err != nil {
		return fmt.Errorf("SHOP_ADDRESSES: %w", err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		method, path := http.MethodPost, "/buy"
		switch dice := rand.IntN(100); {
		case dice < browsing:
			method, path = http.MethodGet, "/browse"
		case dice < browsing+looking:
			method, path = http.MethodGet, "/basket"
		}
		go func() {
			request, err := http.NewRequestWithContext(ctx, method, "http://"+at["web"]+path, nil)
			if err != nil {
				return
			}
			if answer, err := client.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		}()
	}
}
