package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

// hook is a receiver of faultline's webhook that remembers what it heard.
type hook struct {
	mutex sync.Mutex
	// What was heard of each incident, in order: opened, updated, resolved, withdrawn, merged.
	heard map[string][]string
	// Keys of deliveries, to know repeats.
	known map[string]bool
}

// listen starts the receiver.
func listen(address string) (*hook, error) {
	h := &hook{heard: map[string][]string{}, known: map[string]bool{}}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	go func() { _ = http.Serve(listener, h) }()
	return h, nil
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var event struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Subject string `json:"subject"`
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !isSigned(r.Header, body) {
		http.Error(w, "the signature does not match", http.StatusUnauthorized)
		return
	}
	if err := json.Unmarshal(body, &event); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	word := strings.TrimSuffix(strings.TrimPrefix(event.Type, "io.faultline.incident."), ".v1")
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if !h.known[event.ID] {
		h.known[event.ID] = true
		h.heard[event.Subject] = append(h.heard[event.Subject], word)
	}
}

// isSigned says whether one of the signatures is ours, as Standard Webhooks asks.
func isSigned(header http.Header, body []byte) bool {
	sum := hmac.New(sha256.New, []byte(os.Getenv("FRONT_SECRET")))
	fmt.Fprintf(sum, "%s.%s.%s", header.Get("webhook-id"), header.Get("webhook-timestamp"), body)
	own := "v1," + base64.StdEncoding.EncodeToString(sum.Sum(nil))
	for _, given := range strings.Fields(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(given), []byte(own)) {
			return true
		}
	}
	return false
}

// isWhole says whether exactly one incident was told of, opened once and at last resolved.
func (h *hook) isWhole() error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if len(h.heard) != 1 {
		return fmt.Errorf("it heard of %d incidents: %v", len(h.heard), h.heard)
	}
	for id, words := range h.heard {
		opened := 0
		for _, word := range words {
			if word == "opened" {
				opened++
			}
		}
		if opened != 1 || words[0] != "opened" || words[len(words)-1] != "resolved" {
			return fmt.Errorf("it heard of %s: %v", id, words)
		}
	}
	return nil
}
