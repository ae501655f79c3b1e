package main

import (
	"fmt"
	"net/url"
	"os"
	"time"
)

// tracker asks the real Request Tracker: exactly one ticket in the queue, resolved.
func tracker() error {
	at, token, queue := os.Getenv("JUDGE_RT"), os.Getenv("JUDGE_RT_TOKEN"), os.Getenv("JUDGE_RT_QUEUE")
	if at == "" {
		say("there is no Request Tracker: skipped; the webhook above decides")
		return nil
	}
	ask := at + "/REST/2.0/tickets?fields=Subject,Status&query=" + url.QueryEscape("Queue='"+queue+"'")
	isResolved := func() error {
		var found struct {
			Items []struct {
				ID      any
				Subject string
				Status  string
			} `json:"items"`
		}
		if err := get(ask, "token "+token, &found); err != nil {
			return err
		}
		if len(found.Items) != 1 || found.Items[0].Status != "resolved" {
			return fmt.Errorf("not one resolved ticket: %v", found.Items)
		}
		return nil
	}
	if err := patiently(60*time.Second, isResolved); err != nil {
		return fmt.Errorf("the Request Tracker: %w", err)
	}
	say("the Request Tracker has one ticket, resolved")
	return nil
}
